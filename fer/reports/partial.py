"""The rows of an unfinished table, kept beside it image by image, so that an interrupted run can be resumed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fer.errors import OutputError, SettingsError
from fer.files import show_path, write_atomically

Rows = list[dict[str, Any]]


class PartialTable:
    """A file ``<table>.partial`` with one line per image; it is removed once the table is written.

    Args:
        table: the path of the table.
        settings: what the rows depend on; a resumed run must have the same.
    """

    def __init__(self, table: Path, settings: Mapping[str, object]) -> None:
        self.path = table.with_name(f"{table.name}.partial")
        self.settings = dict(settings)
        self.rows: dict[str, Rows] = {}

    def resume(self) -> None:
        """Read the rows of an interrupted run; a last line that was cut off is dropped.

        Raises:
            SettingsError: there is none, or its settings differ.
        """
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1] if self.path.is_file() else []
        contents = [content for content in map(_parse, lines) if content is not None]
        if not contents or "settings" not in contents[0]:
            raise SettingsError(
                f"Only an interrupted table can be resumed. Received: no {show_path(self.path)}. Remedy: drop --resume."
            )
        if contents[0]["settings"] != self.settings:
            raise SettingsError(
                f"A table is resumed with the settings it began with. Received: {self.settings}, expected"
                f" {contents[0]['settings']}. Remedy: give those, or drop --resume."
            )
        self.rows = {content["image"]: content["rows"] for content in contents[1:] if "image" in content}

    @contextmanager
    def open(self) -> Iterator["PartialTable"]:
        """Write the file for appending rows; it stays if the work is interrupted.

        Raises:
            OutputError: it cannot be written.
        """
        begun = [{"settings": self.settings}, *({"image": image, "rows": rows} for image, rows in self.rows.items())]
        write_atomically(self.path, "".join(json.dumps(content) + "\n" for content in begun))
        with self._converted_errors(), self.path.open("a", encoding="utf-8") as stream:
            self._stream: IO[str] = stream
            yield self
        self.path.unlink(missing_ok=True)

    def add(self, image: str, rows: Rows) -> None:
        """Append the rows of an image."""
        self._stream.write(json.dumps({"image": image, "rows": rows}) + "\n")
        self._stream.flush()
        self.rows[image] = rows

    def list_rows(self) -> Rows:
        """Return the rows of all images in the order they were added."""
        return [row for rows in self.rows.values() for row in rows]

    @contextmanager
    def _converted_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"The rows so far must be writable. Received: {show_path(self.path)} ({error.strerror or error})."
                " Remedy: make room, then continue with --resume."
            ) from None


def _parse(line: str) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None

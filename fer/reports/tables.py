"""Tables of faces: columns, rows and file formats.

A table has one row per face; an image or frame without a face gets one row too.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, cast

import numpy as np
import pandas as pd

from fer.errors import OutputError, SettingsError
from fer.files import check_writable, encode_path, show_path
from fer.labels import EXPRESSIONS
from fer.vision.faces import AnalyzedFrame, AnalyzedImage, Face, list_faces

#: Writes a table to an open binary stream.
TableWriter = Callable[[pd.DataFrame, IO[bytes]], object]

_CORNERS = ("x_min", "y_min", "x_max", "y_max")
#: The columns of a face.
FACE_COLUMNS: tuple[str, ...] = (
    "face",
    "track_id",
    "label",
    "confidence",
    "uncertain",
    *EXPRESSIONS,
    *_CORNERS,
    "detection_score",
    "warnings",
)
_PATH_COLUMNS = ("image", "video")
#: The columns of a table of images.
IMAGE_COLUMNS: tuple[str, ...] = ("image", *FACE_COLUMNS, "error")
#: The columns of a table of one video's frames; "raw" probabilities are those before smoothing.
VIDEO_COLUMNS: tuple[str, ...] = ("frame", "seconds", *FACE_COLUMNS, *(f"raw_{name}" for name in EXPRESSIONS))
#: The columns that a table of videos has as well if there is a baseline; empty for people without one.
BASELINE_COLUMNS: tuple[str, ...] = ("baseline_label", *(f"baseline_{name}" for name in EXPRESSIONS))
#: The columns of a table of many videos; a video that cannot be read has one row with its error.
BATCH_COLUMNS: tuple[str, ...] = ("video", *VIDEO_COLUMNS, "error")

_TYPES: dict[str, str] = (
    dict.fromkeys(("face", "track_id", "frame"), "Int64")
    | dict.fromkeys((*EXPRESSIONS, *_CORNERS, "confidence", "detection_score", "seconds"), "float64")
    | dict.fromkeys((f"raw_{name}" for name in EXPRESSIONS), "float64")
    | dict.fromkeys(("image", "video", "label", "warnings", "error"), "string")
    | {"uncertain": "boolean"}
)
#: What makes a spreadsheet take a cell for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def protect_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no text is a formula to a spreadsheet: a path begins with ./ instead, other text with '.

    Reference:
        OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection.
    """
    table = table.copy()
    for name in table.select_dtypes(include=["object", "string"]).columns:
        table[name] = table[name].map(partial(_protect, name), na_action="ignore")
    return table


def _protect(column: str, value: Any) -> Any:
    """Return the value of a cell, changed if it is text that a spreadsheet takes for a formula."""
    if not isinstance(value, str) or not value.startswith(_FORMULA_STARTS):
        return value
    return f"./{value}" if column in _PATH_COLUMNS else f"'{value}"


def _write_xlsx(table: pd.DataFrame, stream: IO[bytes]) -> None:
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    with pd.ExcelWriter(cast(BinaryIO, stream), engine="xlsxwriter", engine_kwargs={"options": options}) as writer:
        protect_cells(table).to_excel(writer, sheet_name="faces", index=False, freeze_panes=(1, 0))


_WRITERS: dict[str, TableWriter] = {
    ".csv": lambda table, stream: protect_cells(table).to_csv(stream, index=False),
    ".json": lambda table, stream: table.to_json(stream, orient="records", indent=1, force_ascii=False),
    ".parquet": lambda table, stream: table.to_parquet(stream, index=False),
    ".xlsx": _write_xlsx,
}


def faces_to_table(faces: Face | Iterable[Face]) -> pd.DataFrame:
    """Return the faces of an image as a table with one row per face.

    Args:
        faces: the faces, as :meth:`fer.Analyzer.analyze` returns them, or one of them.

    Returns:
        A table with the columns :data:`FACE_COLUMNS`.

    Raises:
        SettingsError: ``faces`` holds something else.

    Example:
        >>> faces_to_table([]).columns[2]
        'label'
    """
    return build_table(
        [_build_row(face, number) for number, face in enumerate(list_faces(faces), start=1)], FACE_COLUMNS
    )


def build_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return rows as a table; a column keeps its type if some or all of its values are missing.

    Args:
        rows: values by column; missing values are None or absent.
        columns: the columns in order.
    """
    table = pd.DataFrame(rows, columns=list(columns))
    return table.astype({name: kind for name, kind in _TYPES.items() if name in table})


def build_image_rows(path: str | Path, analyzed: AnalyzedImage) -> list[dict[str, Any]]:
    """Return the rows of an image: one per face, or a single one.

    Args:
        path: the image's file.
        analyzed: the image.
    """
    return _build_rows(analyzed.faces, {"image": encode_path(path), "error": analyzed.error})


def build_frame_rows(analyzed: AnalyzedFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame: one per face, or a single one.

    A face also has the probabilities before smoothing and, if they are known, those without its person's resting face.
    """
    frame = analyzed.frame
    rows = _build_rows(analyzed.faces, {"frame": frame.index, "seconds": round(frame.seconds, 4)})
    for row, face in zip(rows, analyzed.faces, strict=False):
        row |= _round_probabilities("raw_", face.raw_probabilities)
        if face.baseline_probabilities is not None:
            row |= {"baseline_label": face.baseline_label}
            row |= _round_probabilities("baseline_", face.baseline_probabilities)
    return rows


class VideoTable:
    """A CSV table of one or many videos, written frame by frame: a killed process leaves whole rows.

    Args:
        path: the table; missing folders are created.
        is_batch: whether the table has many videos, and thus the columns ``video`` and ``error``.
        has_baseline: whether it has the columns :data:`BASELINE_COLUMNS`.

    Raises:
        OutputError: the table cannot be written.

    Example:
        >>> with VideoTable("talk.csv") as table:  # doctest: +SKIP
        ...     table.write(analyzed)
    """

    def __init__(self, path: str | Path, *, is_batch: bool = False, has_baseline: bool = False) -> None:
        self.path = Path(path)
        check_writable(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer, of which a full disk could take a part, and once more on closing.
        self._stream = self.path.open("wb", buffering=0)
        self._size = 0
        columns = BATCH_COLUMNS if is_batch else VIDEO_COLUMNS
        if has_baseline:
            columns = (*columns[:-1], *BASELINE_COLUMNS, "error") if is_batch else (*columns, *BASELINE_COLUMNS)
        self._columns = columns
        self._write([dict(zip(columns, columns, strict=True))])

    def write(self, analyzed: AnalyzedFrame, video: str = "") -> None:
        """Append the rows of a frame and flush them to disk.

        Args:
            analyzed: the frame.
            video: name of the video, in a table of many.

        Raises:
            OutputError: the table cannot be written.
        """
        self._write({"video": video} | row for row in build_frame_rows(analyzed))

    def write_error(self, video: str, error: str) -> None:
        """Append a row for a video that cannot be read.

        Args:
            video: name of the video.
            error: one line that says why.
        """
        self._write([{"video": video, "error": error}])

    def close(self) -> None:
        """Complete the file."""
        self._stream.close()

    def __enter__(self) -> "VideoTable":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, rows: Iterable[dict[str, Any]]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, self._columns, lineterminator="\n", extrasaction="ignore")
        table.writerows({name: _protect(name, value) for name, value in row.items()} for row in rows)
        content = memoryview(text.getvalue().encode("utf-8"))
        try:
            written = 0
            while written < len(content):
                written += self._stream.write(content[written:])
            self._size += written
        except OSError as error:
            self._stream.truncate(self._size)
            raise OutputError(
                f"A table must be writable. Received: {self.path} ({error.strerror}). Remedy: check the free space."
            ) from None


def choose_table_writer(path: str | Path) -> TableWriter:
    """Return a function that writes a table in the format of a path's suffix, after checking that it can be written.

    Raises:
        OutputError: the file cannot be written.
        SettingsError: the suffix is not .csv, .xlsx, .json or .parquet, or pyarrow is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise SettingsError(f"A table must end in .csv, .xlsx, .json or .parquet. Received: {show_path(path)}.")
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise SettingsError(
            f"A Parquet table needs pyarrow. Received: {show_path(path)} without it."
            " Remedy: pip install 'fer-dl[parquet]'."
        )
    check_writable(path)
    return _WRITERS[suffix]


def _build_rows(faces: Sequence[Face], columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one row per face, or one row without a face, each with the given columns of the image or frame."""
    return [columns | _build_row(face, number) for number, face in enumerate(faces, start=1)] or [columns]


def _build_row(face: Face, number: int) -> dict[str, Any]:
    return {
        "face": number,
        "track_id": face.track_id,
        "label": face.label,
        "confidence": round(face.confidence, 4),
        "uncertain": bool(face.uncertain),
        **_round_probabilities("", face.probabilities),
        **{name: round(value, 1) for name, value in zip(_CORNERS, face.box, strict=True)},
        "detection_score": round(face.detection_score, 4),
        "warnings": " ".join(face.warnings),
    }


def _round_probabilities(prefix: str, probabilities: np.ndarray) -> dict[str, float]:
    """Return probabilities, float (7,), by the names of their columns."""
    return {f"{prefix}{name}": round(float(p), 4) for name, p in zip(EXPRESSIONS, probabilities, strict=True)}

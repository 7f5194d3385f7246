"""Parts: Parquet files with the rows of a shard, and in their footer the counts that the summary is made of."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from fer.batch.units import Kind
from fer.errors import DataError, shorten
from fer.files import show_path, write_atomically
from fer.labels import EXPRESSIONS
from fer.reports.tables import BATCH_COLUMNS, IMAGE_COLUMNS, build_table

if TYPE_CHECKING:
    import pyarrow as pa

#: The columns of a part: those of ``invoke predict``, and of ``invoke video`` with many videos.
COLUMNS: dict[Kind, tuple[str, ...]] = {"image": IMAGE_COLUMNS, "video": BATCH_COLUMNS}

#: A row with this value belongs to the warm-up of a segment: it is written first, and not counted.
WARM_UP = "warm_up"

_COUNTS_KEY, _WARM_UP_KEY = b"fer.batch", b"fer.batch.warm_up"
#: Rows of a long video that are in memory at once.
_ROWS_AT_ONCE = 20_000

Row = dict[str, Any]


@dataclass
class Counts:
    """What some units of one kind hold.

    Args:
        units: number of images or videos.
        frames: number of analyzed frames of the videos.
        faces: number of faces, in a video of all frames together.
        without_face: number of readable images or frames without a face.
        errors: number of units that could not be read, or not to their end.
        labels: number of faces per expression.
    """

    units: int = 0
    frames: int = 0
    faces: int = 0
    without_face: int = 0
    errors: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    def count(self, rows: Iterable[Row]) -> None:
        """Count the rows of one image, frame or error."""
        for row in rows:
            if row.get("error") is not None:
                self.errors += 1
            elif row.get("face") is None:
                self.without_face += 1
            else:
                self.faces += 1
                self.labels[row["label"]] += 1

    def add(self, other: "Counts") -> None:
        """Add the counts of other units."""
        for name in ("units", "frames", "faces", "without_face", "errors"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.labels.update(other.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values for JSON."""
        counts = {name: value for name, value in vars(self).items() if name != "labels"}
        return counts | {"labels": {name: self.labels[name] for name in EXPRESSIONS}}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Counts":
        """Return the counts that :meth:`to_dict` returned as plain values."""
        return cls(**{**values, "labels": Counter(values["labels"])})


def write_part(path: Path, kind: Kind, num_units: int, row_groups: Iterable[list[Row]]) -> Counts:
    """Write a part atomically and return its counts.

    Args:
        path: the file.
        kind: kind of its units.
        num_units: number of its units.
        row_groups: the rows of each image, or of each frame of a video; first those with :data:`WARM_UP`, if any.

    Raises:
        OutputError: the file cannot be written.
    """
    counts, notes = Counts(units=num_units), dict[bytes, str]()
    tables = _build_tables(_count_rows(row_groups, kind, counts, notes), kind)
    write_atomically(path, lambda stream: _write(stream, kind, tables, counts, notes))
    return counts


def write_tables(path: Path, tables: "Iterable[pa.Table]", counts: Counts) -> None:
    """Write a part of a video from tables of its rows, with the same bytes as :func:`write_part`.

    Args:
        path: the file.
        tables: the rows in order, of any number.
        counts: what they hold.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomically(path, lambda stream: _write(stream, "video", _gather_tables(tables), counts, {}))


def read_counts(path: Path) -> Counts:
    """Read the counts in the footer of a part.

    Raises:
        DataError: the file is damaged, or no part.
    """
    # pyarrow is an extra, and takes long to import.
    import pyarrow.parquet as pq

    with checked_part(path):
        return Counts.from_dict(json.loads(pq.read_metadata(path).metadata[_COUNTS_KEY]))


def read_tables(path: Path, columns: Sequence[str] | None = None) -> "Iterator[tuple[pa.Table, pa.Table]]":
    """Yield the rows of a part of a video some thousands at once: those of the warm-up, and the others.

    Args:
        path: the part.
        columns: the columns to read; None reads all.

    Raises:
        DataError: the file is damaged, or no part.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with checked_part(path), pq.ParquetFile(path) as file:
        left = int(file.metadata.metadata.get(_WARM_UP_KEY, 0))
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
            table = pa.Table.from_batches([batch])
            yield table.slice(0, left), table.slice(left)
            left = max(0, left - table.num_rows)


@contextlib.contextmanager
def checked_part(path: Path) -> Iterator[None]:
    """Turn the errors of reading a part into a DataError."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"A part must be undamaged. Received: {show_path(path)} ({shorten(error)})."
            " Remedy: remove it, and give the same command again."
        ) from None


def _count_rows(
    row_groups: Iterable[list[Row]], kind: Kind, counts: Counts, notes: dict[bytes, str]
) -> Iterator[list[Row]]:
    num_warm_up = 0
    for rows in row_groups:
        if rows[0].get(WARM_UP):
            num_warm_up += len(rows)
            notes[_WARM_UP_KEY] = str(num_warm_up)
        else:
            counts.count(rows)
            counts.frames += kind == "video" and rows[0].get("error") is None
        yield rows


def _build_schema(kind: Kind) -> "pa.Schema":
    import pyarrow as pa

    return pa.Schema.from_pandas(build_table([], COLUMNS[kind]), preserve_index=False)


def _build_tables(row_groups: Iterable[list[Row]], kind: Kind) -> "Iterator[pa.Table]":
    import pyarrow as pa

    schema = _build_schema(kind)
    for rows in _gather(row_groups):
        yield pa.Table.from_pandas(build_table(rows, COLUMNS[kind]), schema, preserve_index=False)


def _write(
    stream: IO[bytes], kind: Kind, tables: "Iterable[pa.Table]", counts: Counts, notes: Mapping[bytes, str]
) -> None:
    """Write tables; counts and notes are complete after the last of them."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(stream, _build_schema(kind)) as writer:
        for table in tables:
            writer.write_table(table)
        writer.add_key_value_metadata({_COUNTS_KEY: json.dumps(counts.to_dict()), **notes})


def _gather(row_groups: Iterable[list[Row]]) -> Iterator[list[Row]]:
    """Yield the rows of many groups together, some thousands at once."""
    waiting: list[Row] = []
    for rows in row_groups:
        waiting += rows
        if len(waiting) >= _ROWS_AT_ONCE:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _gather_tables(tables: "Iterable[pa.Table]") -> "Iterator[pa.Table]":
    """Yield the same rows in tables that end where those of :func:`_gather` do: with the rows of a frame."""
    import pyarrow as pa

    schema = _build_schema("video")
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table.cast(schema)])
        while (size := _find_end_of_frame(waiting)) is not None:
            yield waiting.slice(0, size).combine_chunks()
            waiting = waiting.slice(size)
    if waiting.num_rows:
        yield waiting.combine_chunks()


def _find_end_of_frame(table: "pa.Table") -> int | None:
    """Return the number of rows up to the first end of a frame that makes enough of them; None if there is none yet."""
    frames = table["frame"].slice(_ROWS_AT_ONCE - 1).fill_null(-1).to_numpy()
    ends = np.flatnonzero(frames[1:] != frames[:-1])
    return _ROWS_AT_ONCE + int(ends[0]) if len(ends) else None

"""Parts: Parquet files with the rows of a shard, and in their footer the counts that the summary is made of."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fer.batch.units import Kind
from fer.errors import DataError, shorten
from fer.files import show_path, write_atomically
from fer.labels import EXPRESSIONS
from fer.reports.tables import BATCH_COLUMNS, IMAGE_COLUMNS, build_table

#: The columns of a part: those of ``invoke predict``, and of ``invoke video`` with many videos.
COLUMNS: dict[Kind, tuple[str, ...]] = {"image": IMAGE_COLUMNS, "video": BATCH_COLUMNS}

_COUNTS_KEY = b"fer.batch"
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
        row_groups: the rows of each image, or of each frame of a video.

    Raises:
        OutputError: the file cannot be written.
    """
    counts = Counts(units=num_units)
    write_atomically(path, lambda stream: _write(stream, kind, _count_rows(row_groups, kind, counts), counts))
    return counts


def read_counts(path: Path) -> Counts:
    """Read the counts in the footer of a part.

    Raises:
        DataError: the file is damaged, or no part.
    """
    # pyarrow is an extra, and takes long to import.
    import pyarrow.parquet as pq

    try:
        return Counts.from_dict(json.loads(pq.read_metadata(path).metadata[_COUNTS_KEY]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"A part must be undamaged. Received: {show_path(path)} ({shorten(error)})."
            " Remedy: remove it, and give the same command again."
        ) from None


def _count_rows(row_groups: Iterable[list[Row]], kind: Kind, counts: Counts) -> Iterator[list[Row]]:
    for rows in row_groups:
        counts.count(rows)
        counts.frames += kind == "video" and rows[0].get("error") is None
        yield rows


def _write(stream: IO[bytes], kind: Kind, row_groups: Iterable[list[Row]], counts: Counts) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = COLUMNS[kind]
    schema = pa.Schema.from_pandas(build_table([], columns), preserve_index=False)
    with pq.ParquetWriter(stream, schema) as writer:
        for rows in _gather(row_groups):
            writer.write_table(pa.Table.from_pandas(build_table(rows, columns), schema, preserve_index=False))
        writer.add_key_value_metadata({_COUNTS_KEY: json.dumps(counts.to_dict())})


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

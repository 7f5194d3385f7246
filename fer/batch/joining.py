"""Joining of the parts of a video's segments into the part of the video, with one number for each person."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer.batch.parts import Counts, read_counts, read_tables, write_tables
from fer.batch.plan import SEGMENTS, Shard
from fer.vision.boxes import Box, compute_iou
from fer.vision.tracking import LEAST_OVERLAP

if TYPE_CHECKING:
    import pyarrow as pa

_BOX_COLUMNS = ("x_min", "y_min", "x_max", "y_max")
#: The boxes of the persons of each frame, by the time of the frame and their numbers.
_Boxes = dict[float, dict[int, Box]]


def join_segments(part: Shard, out: Path) -> Counts:
    """Write the part of a video from those of its segments, then remove these, and return what it holds.

    Rows after the first error are left out, as if the video had been read by one worker.

    Args:
        part: the whole part.
        out: the output folder.

    Raises:
        DataError: the part of a segment is damaged.
        OutputError: the part cannot be written.
    """
    counts, paths = Counts(units=1), list[Path]()
    for segment in part.split():
        paths.append(segment.find_part(out))
        counts.add(read_counts(paths[-1]))
        if counts.errors:
            break
    write_tables(part.find_part(out), _number_persons(paths), counts)
    remove_segments(part, out)
    return counts


def remove_segments(part: Shard, out: Path) -> None:
    """Remove what is left of the segments of a video whose part is written."""
    for path in (out / SEGMENTS).glob(f"{part.find_part(out).stem}-*"):
        path.unlink(missing_ok=True)


def match_persons(
    before: Mapping[float, Mapping[int, Box]], after: Mapping[float, Mapping[int, Box]]
) -> dict[int, int]:
    """Return the number in one segment of each person who is in the shared frames of the next segment as well.

    Pairs are one to one, with the largest sum of intersections over unions; one below that of tracking counts as none.

    Args:
        before: the boxes of each person of the segment, by the time of the frame and the number of the person.
        after: the same of the next segment, with other numbers.

    Returns:
        The number in ``before`` for each number in ``after`` that has one.

    Example:
        >>> match_persons({0.0: {7: (0, 0, 9, 9)}}, {0.0: {1: (50, 0, 59, 9), 2: (0, 0, 9, 8)}})
        {2: 7}
    """
    from scipy.optimize import linear_sum_assignment

    overlaps: dict[tuple[int, int], float] = defaultdict(float)
    for seconds in sorted(before.keys() & after.keys()):
        for number, box in before[seconds].items():
            for other, other_box in after[seconds].items():
                overlap = compute_iou(box, other_box)
                if overlap >= LEAST_OVERLAP:
                    overlaps[number, other] += overlap
    rows, columns = (sorted({pair[index] for pair in overlaps}) for index in (0, 1))
    if not rows:
        return {}
    matrix = np.array([[overlaps.get((row, column), 0.0) for column in columns] for row in rows])
    pairs = zip(*linear_sum_assignment(matrix, maximize=True), strict=True)
    return {columns[column]: rows[row] for row, column in pairs if matrix[row, column] > 0}


def _number_persons(paths: list[Path]) -> "Iterator[pa.Table]":
    """Yield the rows of segments without those of warm-ups, with numbers that are those of the whole video."""
    count, sequence = 0, _Sequence()
    numbers: dict[int, int] = {}
    for index, path in enumerate(paths):
        numbers = _continue_numbers(paths[index - 1], path, numbers) if index else {}
        sequence.begin_segment()
        for _, table in read_tables(path):
            table = sequence.add(table)
            ids = table["track_id"].to_pylist()
            for track_id in ids:
                if track_id is not None and track_id not in numbers:
                    count += 1
                    numbers[track_id] = count
            yield _replace_ids(table, [None if track_id is None else numbers[track_id] for track_id in ids])


def _continue_numbers(before: Path, after: Path, numbers: Mapping[int, int]) -> dict[int, int]:
    """Return the numbers of the persons of a segment who are in the one before, which has these numbers."""
    shared = _collect_boxes(after, warm_up=True)
    first = min(shared, default=float("inf"))
    boxes = _collect_boxes(before, begin=first)
    known = {seconds: {numbers[i]: box for i, box in frame.items() if i in numbers} for seconds, frame in boxes.items()}
    return match_persons(known, shared)


def _collect_boxes(path: Path, *, warm_up: bool = False, begin: float = 0.0) -> _Boxes:
    """Return the boxes of the warm-up, or of all frames from a time on."""
    import pyarrow as pa
    import pyarrow.compute as pc

    boxes: _Boxes = defaultdict(dict)
    for first, rest in read_tables(path, ("seconds", "track_id", *_BOX_COLUMNS)):
        table = first if warm_up else pa.concat_tables([first, rest])
        table = table.filter(pc.and_(pc.is_valid(table["track_id"]), pc.greater_equal(table["seconds"], begin)))
        for row in table.to_pylist():
            boxes[row["seconds"]][row["track_id"]] = tuple(row[name] for name in _BOX_COLUMNS)
    return boxes


class _Sequence:
    """The frames of segments, one after another.

    Damage may give a segment more frames than packets. Those of the next one are then moved, so that no number and no
    time is there twice.
    """

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._step: dict[str, float] = {}
        self._moves: dict[str, float] | None = {}

    def begin_segment(self) -> None:
        """Take the next rows as the first of a segment."""
        self._moves = None

    def add(self, table: "pa.Table") -> "pa.Table":
        """Return the next rows of a segment, moved if necessary."""
        import pyarrow.compute as pc

        frames = table["frame"].drop_null().to_numpy()
        if not len(frames):
            return table
        if self._moves is None:
            firsts = {name: table[name][0].as_py() for name in ("frame", "seconds")}
            self._moves = {
                name: self._last[name] + self._step.get(name, 1) - first
                for name, first in firsts.items()
                if name in self._last and first <= self._last[name]
            }
        for name, move in self._moves.items():
            index = table.schema.get_field_index(name)
            moved = pc.add(table[name], move) if name == "frame" else pc.round(pc.add(table[name], move), 4)
            table = table.set_column(index, table.schema.field(index), moved)
        others = np.flatnonzero(frames != frames[-1])
        for name in ("frame", "seconds"):
            self._last[name] = table[name][len(frames) - 1].as_py()
            if len(others):
                self._step[name] = self._last[name] - table[name][int(others[-1])].as_py()
        return table


def _replace_ids(table: "pa.Table", ids: list[int | None]) -> "pa.Table":
    import pyarrow as pa

    index = table.schema.get_field_index("track_id")
    return table.set_column(index, table.schema.field(index), pa.array(ids, table.schema.field(index).type))

"""The tally of a batch: which parts are written and what they hold, and the joining of segments that are complete."""

from collections import defaultdict
from pathlib import Path

from fer.batch.joining import join_segments, remove_segments
from fer.batch.parts import Counts, read_counts
from fer.batch.plan import Plan, Shard
from fer.batch.units import KINDS, Kind
from fer.wording import format_count


class Tally:
    """What is written of a batch.

    Reading it joins the segments of videos of which all are written, as a run that was killed may leave them.

    Args:
        plan: the plan of the batch.

    Attributes:
        counts: what the written parts of each kind hold together, without segments that are not joined.
        missing: what workers must still write, in order.

    Raises:
        DataError: a part is damaged.
        OutputError: a part cannot be written.
    """

    def __init__(self, plan: Plan) -> None:
        self.out: Path = plan.out
        self.counts: dict[Kind, Counts] = {kind: Counts() for kind in KINDS}
        self.missing: list[Shard] = []
        self._waiting: dict[int, set[Shard]] = {}
        self._segments: dict[int, Counts] = defaultdict(Counts)
        self._num_segments = sum(part.num_segments for part in plan.shards if part.num_segments > 1)
        self._num_left = 0
        self._parts = {part.number: part for part in plan.shards if part.num_segments > 1}
        for part in plan.shards:
            self._read(part)

    @property
    def num_units(self) -> int:
        """Number of images and videos whose rows are written."""
        return sum(counts.units for counts in self.counts.values())

    def add(self, shard: Shard, counts: Counts) -> int:
        """Take what a worker wrote, and return the number of units that it completes.

        Raises:
            DataError: the part of a segment is damaged.
            OutputError: the part of a video cannot be written.
        """
        before = self.num_units
        if shard.segment is None:
            self.counts[shard.kind].add(counts)
        else:
            self._segments[shard.number].add(counts)
            self._waiting[shard.number].discard(shard)
            self._num_left -= 1
            self._join(self._parts[shard.number])
        return self.num_units - before

    def describe(self) -> str:
        """Return the faces, errors and segments so far as text."""
        counts = [*self.counts.values(), *self._segments.values()]
        faces, errors = (sum(getattr(units, name) for units in counts) for name in ("faces", "errors"))
        text = f"{format_count(faces, 'face')}, {format_count(errors, 'error')}"
        if not self._num_segments:
            return text
        return f"{text}, {self._num_segments - self._num_left} of {format_count(self._num_segments, 'segment')}"

    def _read(self, part: Shard) -> None:
        if part.find_part(self.out).is_file():
            self.counts[part.kind].add(read_counts(part.find_part(self.out)))
            if part.num_segments > 1:
                remove_segments(part, self.out)
            return
        missing = [shard for shard in part.split() if not shard.find_part(self.out).is_file()]
        self.missing += missing
        if part.num_segments > 1:
            self._waiting[part.number] = set(missing)
            self._num_left += len(missing)
            for shard in part.split():
                if shard not in self._waiting[part.number]:
                    self._segments[part.number].add(read_counts(shard.find_part(self.out)))
            self._join(part)

    def _join(self, part: Shard) -> None:
        if not self._waiting[part.number]:
            self._segments.pop(part.number, None)
            self.counts[part.kind].add(join_segments(part, self.out))

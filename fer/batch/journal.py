"""The journal of a shard: which unit its worker reads, so that a unit that ends workers becomes a row with an error."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

#: Workers that may end at a unit in one run of the batch: one at an unknown unit of its shard, the others at this one.
MOST_DEATHS = 3
UNIT_ENDS_WORKERS = (
    f"A unit must not end the process that reads it. Received: one at which {MOST_DEATHS} workers ended, perhaps for"
    " lack of memory. Remedy: read it alone with invoke predict or invoke video."
)
SUFFIX = ".reading"


def describe_timeout(seconds: float, part: str) -> str:
    """Return the error of a file at which a worker made no progress for some seconds.

    Args:
        seconds: the time limit.
        part: the part that has the error, within the output folder.
    """
    return (
        f"A file must be read within the time limit. Received: one without progress for {seconds:g} s, which was"
        f" skipped. Remedy: remove {part}, and run again with a larger --timeout."
    )


class Journal:
    """The file ``<part>.reading``, which exists while a worker has a shard.

    It is written once, and for each unit only if an earlier worker ended at this shard: on a file system that many
    machines share, every write counts.

    Args:
        part: the path of the part.
        attempt: name of this run of the batch; workers that ended with an earlier run are not counted.
        part_name: the part that errors name, within the output folder; None takes the last two names of its path.

    Attributes:
        has_begun: whether an earlier worker of this run began a unit.
        deaths: number of workers that ended at each unit, by its index in the shard.
        timeouts: seconds without progress after which a worker ended at a unit, by its index.
    """

    def __init__(self, part: Path, attempt: str, part_name: str | None = None) -> None:
        self.part_name = part_name or f"{part.parent.name}/{part.name}"
        self.path = part.with_name(part.name + SUFFIX)
        self.attempt = attempt
        self.deaths: Counter[int] = Counter()
        self.timeouts: dict[int, float] = {}
        self._is_written = False
        former = self._read()
        self.has_begun = former is not None
        if former is not None:
            self.deaths.update({int(index): count for index, count in former["deaths"].items()})
            self.timeouts.update({int(index): seconds for index, seconds in former["timeouts"].items()})
            if former["unit"] is not None:
                self.deaths[former["unit"]] += 1

    @property
    def excluded(self) -> dict[int, str]:
        """The error of each unit that is read no more, by its index."""
        ended = {index: UNIT_ENDS_WORKERS for index, count in self.deaths.items() if count >= MOST_DEATHS - 1}
        return ended | {index: describe_timeout(seconds, self.part_name) for index, seconds in self.timeouts.items()}

    def begin(self, index: int) -> None:
        """Record that a unit is read from now on."""
        if self._is_written and not self.has_begun:
            return
        self._write(index if self.has_begun else None)
        self._is_written = True

    def record_timeout(self, index: int, seconds: float) -> None:
        """Record that the worker ends, as it made no progress at a unit for some seconds."""
        self.timeouts[index] = seconds
        self._write(None)

    def remove(self) -> None:
        """Remove the file, once the part is written."""
        self.path.unlink(missing_ok=True)

    def _write(self, unit: int | None) -> None:
        content = {"attempt": self.attempt, "unit": unit, "deaths": dict(self.deaths), "timeouts": self.timeouts}
        self.path.write_text(json.dumps(content), encoding="utf-8")

    def _read(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # There is none, or its worker ended while it wrote this.
            return None
        return dict(content) if content["attempt"] == self.attempt else None

"""The summary of a batch: what its parts hold together."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer.batch.parts import Counts
from fer.batch.plan import Plan
from fer.batch.units import KINDS, Kind
from fer.files import show_path, write_atomically
from fer.wording import format_count

SUMMARY = "summary.json"


@dataclass(frozen=True)
class BatchSummary:
    """What :func:`fer.batch.run_batch` wrote.

    Args:
        out: the output folder.
        counts: what the parts of each kind hold together.
        num_parts: number of parts.
        notes: sentences about what is in no part.
    """

    out: Path
    counts: Mapping[Kind, Counts]
    num_parts: int
    notes: tuple[str, ...] = ()

    @property
    def num_units(self) -> int:
        """Number of images and videos."""
        return sum(counts.units for counts in self.counts.values())

    @property
    def num_errors(self) -> int:
        """Number of images and videos that could not be read."""
        return sum(counts.errors for counts in self.counts.values())

    def describe(self) -> str:
        """Return the summary as text, one fact per line."""
        lines = [self._describe_kind(kind, counts) for kind, counts in self.counts.items() if counts.units]
        lines.append(f"{format_count(self.num_parts, 'part')}: {show_path(self.out)}")
        if self.num_errors:
            lines.append(f"{self.num_errors} could not be read: see the column 'error'.")
        return "\n".join([*lines, *self.notes])

    def _describe_kind(self, kind: Kind, counts: Counts) -> str:
        frames = f", {format_count(counts.frames, 'frame')}" if kind == "video" else ""
        labels = ", ".join(f"{name} {count}" for name, count in counts.to_dict()["labels"].items() if count)
        faces = format_count(counts.faces, "face")
        return f"{format_count(counts.units, kind)}{frames}, {faces}{': ' if labels else ''}{labels}"


def write_summary(plan: Plan, counts: Mapping[Kind, Counts]) -> BatchSummary:
    """Write ``summary.json``, which completes a batch.

    Args:
        plan: the plan of the batch.
        counts: what the parts of each kind hold together.

    Raises:
        OutputError: it cannot be written.
    """
    summary = BatchSummary(plan.out, counts, len(plan.shards), plan.notes)
    content: dict[str, Any] = {
        "settings": plan.settings,
        "parts": {f"{kind}s": sum(shard.kind == kind for shard in plan.shards) for kind in KINDS},
        **{f"{kind}s": counts[kind].to_dict() for kind in KINDS},
        "notes": list(plan.notes),
    }
    text = json.dumps(content, indent=1) + "\n"
    path = plan.out / SUMMARY
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)
    return summary

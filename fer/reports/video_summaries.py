"""What the analysis of one or many videos found, as numbers and as text."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fer.files import show_path
from fer.labels import EXPRESSIONS
from fer.reports.timeline import PersonTime, Timeline
from fer.vision.baseline import Baseline
from fer.vision.faces import AnalyzedFrame

#: Track numbers that a remark lists.
_MOST_LISTED = 5


@dataclass
class VideoSummary:
    """What :func:`process_video` found.

    Args:
        name: name of the video, or number of the camera.
        num_frames: number of frames read.
        num_promised: number of frames according to the file, or estimated from its duration; 0 if unknown.
        num_faults: number of errors that the decoder reported.
        ended_early: whether the file has less than its table or its header states.
        num_analyzed: number of frames analyzed.
        num_without_face: number of these without a face.
        stopped: whether the analysis ended before the video did.
        notes: what else limits the result, one sentence each.
        files: the files that were written.
        timeline: the time on screen and the expressions of each person.
        baseline: the resting faces that were subtracted; None without a baseline.
        baseline_people: the time and the expressions without the resting face of each person who has one.
    """

    name: str
    num_frames: int = 0
    num_promised: int = 0
    num_faults: int = 0
    ended_early: bool = False
    num_analyzed: int = 0
    num_without_face: int = 0
    stopped: bool = False
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    baseline: Baseline | None = None
    baseline_people: dict[int, PersonTime] = field(default_factory=dict)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each expression in the time on screen of all people together, 0..1."""
        people = self.timeline.people.values()
        totals = np.sum([person.seconds_by_label for person in people] or [np.zeros(len(EXPRESSIONS))], axis=0)
        return {name: float(value) / (totals.sum() or 1.0) for name, value in zip(EXPRESSIONS, totals, strict=True)}

    @property
    def is_incomplete(self) -> bool:
        """Whether the file gave less than it promises."""
        return self.ended_early and not self.stopped

    @property
    def headline(self) -> str:
        """Name and numbers of frames."""
        is_short = self.is_incomplete and self.num_promised > self.num_frames
        frames = f"{self.num_frames} of {self.num_promised}" if is_short else str(self.num_frames)
        return f"{self.name}: {frames} frames, {self.num_analyzed} analyzed"

    @property
    def remarks(self) -> list[str]:
        """What limits the result, one sentence each."""
        remarks = []
        if self.is_incomplete:
            remarks.append("The file has fewer frames than it declares: it may be damaged or cut short.")
        if self.num_faults:
            errors = "1 error" if self.num_faults == 1 else f"{self.num_faults} errors"
            remarks.append(f"The decoder reported {errors}: the file may be damaged.")
        if self.stopped:
            remarks.append("Stopped before the end.")
        if self.num_without_face:
            remarks.append(f"No face was found in {self.num_without_face} of the {self.num_analyzed} frames.")
        return remarks + self._describe_baseline() + self.notes

    def add(self, analyzed: AnalyzedFrame) -> None:
        """Count a frame and its people."""
        self.num_analyzed += 1
        self.num_without_face += not analyzed.faces
        self.timeline.add(analyzed)
        for face in analyzed.faces:
            if face.baseline_probabilities is not None and face.track_id is not None:
                person = self.baseline_people.setdefault(face.track_id, PersonTime())
                person.seconds_by_label[int(face.baseline_probabilities.argmax())] += analyzed.duration

    def describe(self) -> str:
        """Return the summary as text, one fact per line."""
        people = [
            f"person {track_id}, {person.seconds:.1f} s: {person.describe_shares()}{self._describe_rest(track_id)}"
            for track_id, person in sorted(self.timeline.people.items())
        ]
        files = [f"Wrote {', '.join(map(show_path, self.files))}."] if self.files else []
        return "\n".join([self.headline, *people, *self.remarks, *files])

    def _describe_rest(self, track_id: int) -> str:
        person = self.baseline_people.get(track_id)
        if person is None or self.baseline is None:
            return ""
        resting = self.baseline.people.get(track_id)
        seen = "" if resting is None else f" ({resting.seconds:.1f} s at rest)"
        return f"; relative to the baseline{seen}: {person.describe_shares()}"

    def _describe_baseline(self) -> list[str]:
        people = sorted(self.timeline.people)
        if self.baseline is None or not people:
            return []
        if self.baseline.is_photo:
            several = f"The neutral photo is used for all {len(people)} people, but shows only one of them."
            return [several] if len(people) > 1 else []
        unseen = [str(track_id) for track_id in people if track_id not in self.baseline.people]
        if not unseen:
            return []
        more = f" and {len(unseen) - _MOST_LISTED} more" if len(unseen) > _MOST_LISTED else ""
        listed = f"{', '.join(unseen[:_MOST_LISTED])}{more}"
        return [f"Not seen in the baseline range, and therefore without a baseline prediction: person {listed}."]


@dataclass
class BatchSummary:
    """What :func:`fer.reports.process_videos` found.

    Args:
        videos: the summaries of the videos that could be read.
        errors: by the names of the others, one line that says why.
        num_skipped: number of videos that were not opened because the analysis was stopped.
        files: the files that were written.
    """

    videos: list[VideoSummary] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    num_skipped: int = 0
    files: list[Path] = field(default_factory=list)

    def describe(self) -> str:
        """Return the summary as text: each video, then the errors and the files."""
        lines = [video.describe() for video in self.videos]
        lines += [f"error: {error}" for error in self.errors.values()]
        count = f"{len(self.videos)} of {len(self.videos) + len(self.errors) + self.num_skipped} videos were read."
        skipped = [f"Stopped before {self.num_skipped} of them."] if self.num_skipped else []
        files = [f"Wrote {', '.join(map(show_path, self.files))}."] if self.files else []
        return "\n".join([*lines, count, *skipped, *files])

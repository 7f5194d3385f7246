"""The entry point that turns a video or camera into a table, an annotated copy, a plot and a summary."""

import csv as csv_format
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fer.analysis import Analyzer, Face
from fer.errors import SettingsError
from fer.labels import EXPRESSIONS
from fer.reports.images import STREAM_COLUMNS, iterate_rows
from fer.reports.timeline import Timeline
from fer.vision.annotation import draw_faces
from fer.vision.tracking import Tracker
from fer.vision.video import VideoFrame, VideoReader, VideoWriter
from fer.vision.yunet import DEFAULT_SIDE

#: The columns of a video's table.
VIDEO_COLUMNS: tuple[str, ...] = ("frame", "seconds", *STREAM_COLUMNS)


@dataclass
class VideoSummary:
    """What :func:`process_video` saw.

    Args:
        source: the video, or the camera's number.
        num_frames: frames that the stream gave.
        num_promised: frames that the file promises; 0 where it does not say.
        num_analyzed: frames that were looked at.
        num_without_face: frames of these without a face.
        stopped: whether the run was stopped before the end of the stream.
        timeline: each person's time and curve.
    """

    source: str
    num_frames: int = 0
    num_promised: int = 0
    num_analyzed: int = 0
    num_without_face: int = 0
    stopped: bool = False
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each expression, 0..1, of the time of all people together."""
        people = self.timeline.people.values()
        totals = np.sum([person.seconds_by_label for person in people] or [np.zeros(len(EXPRESSIONS))], axis=0)
        return {name: float(value) / (totals.sum() or 1.0) for name, value in zip(EXPRESSIONS, totals, strict=True)}

    def describe(self) -> str:
        """Return the summary in words, one line a fact."""
        damaged = self.num_promised > self.num_frames and not self.stopped
        frames = f"{self.num_frames} of {self.num_promised}" if damaged else str(self.num_frames)
        lines = [f"{self.source}: {frames} frames, {self.num_analyzed} analyzed"]
        if damaged:
            lines.append("The file gave fewer frames than it promises: it may be damaged or cut short.")
        if self.stopped:
            lines.append("Stopped before the end.")
        people = self.timeline.people
        lines += [_describe_person(number, people[number].seconds, people[number].shares) for number in sorted(people)]
        if self.num_without_face:
            lines.append(f"No face was found in {self.num_without_face} of the {self.num_analyzed} frames.")
        return "\n".join(lines)


def process_video(
    source: str | Path | int,
    *,
    analyzer: Analyzer | None = None,
    csv: str | Path | None = None,
    annotated: str | Path | None = None,
    plot: str | Path | None = None,
    every: int = 1,
    max_side: int | None = None,
    seconds: float | None = None,
    smoothing_seconds: float | None = None,
    codec: str = "mp4v",
    progress: bool = True,
) -> VideoSummary:
    """Analyze a video or camera frame by frame, in memory that does not grow with its length.

    Ctrl-C ends the run as the end of the stream would; a killed run leaves the rows written so far.

    Args:
        source: a video file, or a camera's number.
        analyzer: None builds one with the shipped model that searches a copy of ``max_side``.
        csv: a table with a row a face, and a row for a frame with none; rows are written as they come.
        annotated: an .mp4 with the faces drawn in.
        plot: a picture of each person's expressions over time.
        every: look at each frame whose index is a multiple of this.
        max_side: longer side, in pixels, of the copy that is searched for faces; None takes 640.
        seconds: stop after this time of the stream; None goes on to its end.
        smoothing_seconds: time constant of the smoothing; None takes the tracker's own.
        codec: of the annotated video, see :class:`fer.vision.video.VideoWriter`.
        progress: show a bar.

    Raises:
        SettingsError: an output's ending is wrong, or a setting is out of range.
        VideoError: the video cannot be opened, holds no frame, or the annotated copy cannot be written.
    """
    _check_settings(analyzer, csv, every, max_side)
    tracker = Tracker() if smoothing_seconds is None else Tracker(smoothing_seconds=smoothing_seconds)
    with ExitStack() as stack:
        video = stack.enter_context(VideoReader(source))
        analyzer = Analyzer(max_side=max_side or DEFAULT_SIDE) if analyzer is None else analyzer
        table = None if csv is None else stack.enter_context(_open_table(csv))
        copy = None if annotated is None else stack.enter_context(VideoWriter(annotated, video.rate, codec=codec))
        bar = stack.enter_context(tqdm(total=video.num_promised or None, unit="frame", disable=not progress))
        summary = VideoSummary(video.name, num_promised=video.num_promised)
        clock = _Clock(summary.timeline, every / video.rate)
        for frame, faces in _analyze(video, analyzer, tracker, every, seconds, summary):
            clock.add(frame.seconds, faces)
            summary.num_analyzed += 1
            summary.num_without_face += not faces
            if table is not None:
                table(frame, faces)
            if copy is not None:
                copy.write(draw_faces(frame.image, faces), frame.seconds)
            bar.update(video.num_read - bar.n)
        clock.finish()
        summary.num_frames = video.num_read
    if plot is not None:
        _plot(summary, plot)
    return summary


class _Clock:
    """Gives each frame its duration, which is known once the next frame has come."""

    def __init__(self, timeline: Timeline, usual: float) -> None:
        self._timeline = timeline
        self._usual = usual
        self._waiting: tuple[float, list[Face]] | None = None

    def add(self, seconds: float, faces: list[Face]) -> None:
        if self._waiting is not None:
            self._note(max(0.0, seconds - self._waiting[0]))
        self._waiting = (seconds, faces)

    def finish(self) -> None:
        if self._waiting is not None:
            self._note(self._usual)

    def _note(self, duration: float) -> None:
        assert self._waiting is not None
        seconds, faces = self._waiting
        for face in faces:
            assert face.track_id is not None
            self._timeline.add(face.track_id, face.probabilities, seconds, duration)


@contextmanager
def _open_table(path: str | Path) -> Iterator[Callable[[VideoFrame, list[Face]], None]]:
    """Open a CSV file and give what writes a frame's rows; they are on disk, whole, as soon as it returns."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", encoding="utf-8", newline="") as stream:
        table = csv_format.DictWriter(stream, VIDEO_COLUMNS, lineterminator="\n")
        table.writeheader()

        def write(frame: VideoFrame, faces: list[Face]) -> None:
            place: dict[str, Any] = {"frame": frame.index, "seconds": round(frame.seconds, 4)}
            table.writerows(iterate_rows(faces, place))
            stream.flush()

        yield write


def _analyze(
    video: VideoReader,
    analyzer: Analyzer,
    tracker: Tracker,
    every: int,
    seconds: float | None,
    summary: VideoSummary,
) -> Iterator[tuple[VideoFrame, list[Face]]]:
    try:
        for frame in video.read(every):
            if seconds is not None and frame.seconds >= seconds:
                summary.stopped = True
                return
            yield frame, analyzer.analyze_frame(frame.image, tracker, frame.seconds)
    except KeyboardInterrupt:
        # The usual way to end a camera: what was seen so far is kept and summed up.
        summary.stopped = True


def _check_settings(analyzer: Analyzer | None, csv: str | Path | None, every: int, max_side: int | None) -> None:
    if csv is not None and Path(csv).suffix.lower() != ".csv":
        raise SettingsError(f"A video's table must end in .csv. Received: {csv}.")
    if every < 1:
        raise SettingsError(f"The step between frames must be at least 1. Received: {every}.")
    if max_side is not None and max_side < 32:
        raise SettingsError(f"max_side must be at least 32 pixels. Received: {max_side}.")
    if max_side is not None and analyzer is not None:
        raise SettingsError("max_side belongs to the analyzer. Received both. Remedy: give it to the Analyzer.")


def _describe_person(number: int, seconds: float, shares: dict[str, float]) -> str:
    shown = sorted((name for name in shares if shares[name] >= 0.005), key=lambda name: -shares[name])
    return f"person {number}, {seconds:.1f} s: " + ", ".join(f"{name} {shares[name] * 100:.0f} %" for name in shown)


def _plot(summary: VideoSummary, path: str | Path) -> None:
    # Here and not above: only a run that draws pays for matplotlib.
    from fer.reports.timeline_plot import plot_timeline

    plot_timeline(summary.timeline, path, title=Path(summary.source).name)

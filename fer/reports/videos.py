"""Analysis of a video or camera into a table, an annotated copy, a plot and a summary."""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fer.analysis import Analyzer
from fer.errors import SettingsError
from fer.files import check_apart, check_writable
from fer.labels import EXPRESSIONS
from fer.progress import Progress
from fer.reports.tables import open_video_table
from fer.reports.timeline import Timeline
from fer.vision.annotation import draw_faces
from fer.vision.faces import AnalyzedFrame
from fer.vision.streams import NO_LIMITS, Limits, Stream
from fer.vision.tracking import Tracker
from fer.vision.video import VideoReader, VideoWriter, is_camera
from fer.vision.yunet import DEFAULT_SIDE


@dataclass
class VideoSummary:
    """What :func:`process_video` found.

    Args:
        name: name of the video, or number of the camera.
        num_frames: number of frames read.
        num_promised: number of frames according to the file; 0 if unknown.
        num_analyzed: number of frames analyzed.
        num_without_face: number of these without a face.
        stopped: whether the analysis ended before the video did.
        timeline: the time on screen and the expressions of each person.
    """

    name: str
    num_frames: int = 0
    num_promised: int = 0
    num_analyzed: int = 0
    num_without_face: int = 0
    stopped: bool = False
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each expression in the time on screen of all people together, 0..1."""
        people = self.timeline.people.values()
        totals = np.sum([person.seconds_by_label for person in people] or [np.zeros(len(EXPRESSIONS))], axis=0)
        return {name: float(value) / (totals.sum() or 1.0) for name, value in zip(EXPRESSIONS, totals, strict=True)}

    @property
    def is_incomplete(self) -> bool:
        """Whether the file gave fewer frames than it promises."""
        return self.num_promised > self.num_frames and not self.stopped

    @property
    def headline(self) -> str:
        """Name and numbers of frames."""
        frames = f"{self.num_frames} of {self.num_promised}" if self.is_incomplete else str(self.num_frames)
        return f"{self.name}: {frames} frames, {self.num_analyzed} analyzed"

    @property
    def remarks(self) -> list[str]:
        """What limits the result, one sentence each."""
        remarks = []
        if self.is_incomplete:
            remarks.append("The file gave fewer frames than it promises: it may be damaged or cut short.")
        if self.stopped:
            remarks.append("Stopped before the end.")
        if self.num_without_face:
            remarks.append(f"No face was found in {self.num_without_face} of the {self.num_analyzed} frames.")
        return remarks

    def add(self, analyzed: AnalyzedFrame) -> None:
        """Count a frame and its people."""
        self.num_analyzed += 1
        self.num_without_face += not analyzed.faces
        self.timeline.add(analyzed)

    def describe(self) -> str:
        """Return the summary as text, one fact per line."""
        people = [
            f"person {track_id}, {person.seconds:.1f} s: {person.describe_shares()}"
            for track_id, person in sorted(self.timeline.people.items())
        ]
        return "\n".join([self.headline, *people, *self.remarks])


def process_video(
    source: str | Path | int,
    *,
    analyzer: Analyzer | None = None,
    csv: str | Path | None = None,
    annotated: str | Path | None = None,
    plot: str | Path | None = None,
    every: int = 1,
    max_side: int | None = None,
    limits: Limits = NO_LIMITS,
    stop: threading.Event | None = None,
    smoothing_seconds: float | None = None,
    codec: str = "mp4v",
    name: str | None = None,
    on_frame: Callable[[], object] | None = None,
    progress: bool = True,
) -> VideoSummary:
    """Analyze a video or camera frame by frame, in memory that does not grow with its length.

    Ctrl-C ends the analysis like the end of the stream. A killed process leaves the rows written so far.

    Args:
        source: a video file, or the number of a camera.
        analyzer: detects and classifies the faces; None builds one with the shipped network and ``max_side``.
        csv: a table with one row per face, and one row per frame without a face; written frame by frame.
        annotated: an .mp4 copy with the faces drawn in.
        plot: a .png plot of each person's expressions over time.
        every: analyze only frames whose index is a multiple of this.
        max_side: longer side, in pixels, of the copy that is searched for faces; None means 640.
        limits: how much of the stream to read.
        stop: ends the analysis after the current frame once it is set.
        smoothing_seconds: time constant of the smoothing; None uses the tracker's default.
        codec: codec of the annotated copy, see :class:`fer.vision.video.VideoWriter`.
        name: name of the video in the summary and the plot; None uses the source.
        on_frame: called after each analyzed frame.
        progress: show a progress bar.

    Raises:
        OutputError: an output cannot be written, or is the video itself; nothing is analyzed before this is checked.
        SettingsError: an output has the wrong suffix, or a setting is out of range.
        VideoError: the video cannot be opened, holds no frame, or has frames above the limit.

    Example:
        >>> print(process_video("talk.mp4", csv="talk.csv").describe())  # doctest: +SKIP
        talk.mp4: 250 frames, 250 analyzed
        person 1, 10.0 s: neutral 62 %, happy 38 %
    """
    _check_settings(analyzer, every, max_side)
    _check_outputs(source, csv, annotated, plot)
    tracker = Tracker() if smoothing_seconds is None else Tracker(smoothing_seconds=smoothing_seconds)
    with ExitStack() as stack:
        video = stack.enter_context(VideoReader(source))
        analyzer = Analyzer(max_side=max_side or DEFAULT_SIDE) if analyzer is None else analyzer
        summary = VideoSummary(name or video.name, num_promised=video.num_promised)
        stream = Stream(video, every=every, limits=limits, stop=stop)
        writers = _open_writers(stack, video, csv, annotated, codec)
        bar = stack.enter_context(Progress(total=video.num_promised or None, unit=" frames", disable=not progress))
        # Ctrl-C is the usual way to end a camera.
        with suppress(KeyboardInterrupt):
            for analyzed in analyzer.analyze_stream(stream, tracker=tracker):
                summary.add(analyzed)
                for write in writers:
                    write(analyzed)
                bar.update(video.num_read - bar.n)
                if on_frame is not None:
                    on_frame()
        summary.stopped = stream.ending != "end"
        summary.num_frames = video.num_read
    if plot is not None:
        _plot(summary, plot)
    return summary


def _open_writers(
    stack: ExitStack, video: VideoReader, csv: str | Path | None, annotated: str | Path | None, codec: str
) -> list[Callable[[AnalyzedFrame], None]]:
    """Return the functions that write a frame to the outputs asked for; the stack closes the outputs."""
    writers = []
    if csv is not None:
        writers.append(stack.enter_context(open_video_table(csv)))
    if annotated is not None:
        copy = stack.enter_context(VideoWriter(annotated, video.rate, codec=codec))

        def write_copy(analyzed: AnalyzedFrame) -> None:
            copy.write(draw_faces(analyzed.frame.image, analyzed.faces), analyzed.frame.seconds)

        writers.append(write_copy)
    return writers


def _check_settings(analyzer: Analyzer | None, every: int, max_side: int | None) -> None:
    if every < 1:
        raise SettingsError(f"The step between frames must be at least 1. Received: {every}.")
    if max_side is not None and max_side < 32:
        raise SettingsError(f"max_side must be at least 32 pixels. Received: {max_side}.")
    if max_side is not None and analyzer is not None:
        raise SettingsError(
            f"max_side belongs to the analyzer. Received: max_side={max_side} and an analyzer."
            " Remedy: pass max_side to the Analyzer."
        )


def _check_outputs(
    source: str | Path | int, csv: str | Path | None, annotated: str | Path | None, plot: str | Path | None
) -> None:
    outputs = [path for path in (csv, annotated, plot) if path is not None]
    check_apart([] if is_camera(source) else [str(source)], outputs)
    for path, suffix, kind in ((csv, ".csv", "video's table"), (plot, ".png", "video's plot")):
        if path is not None and Path(path).suffix.lower() != suffix:
            raise SettingsError(f"A {kind} must end in {suffix}. Received: {path}.")
    for path in outputs:
        check_writable(path)


def _plot(summary: VideoSummary, path: str | Path) -> None:
    # matplotlib takes most of a second to import.
    from fer.reports.timeline_plot import plot_timeline

    plot_timeline(summary.timeline, path, title=Path(summary.name).name)

"""Analysis of videos and cameras into tables, annotated copies, plots and summaries."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fer.analysis import Analyzer
from fer.errors import VideoError
from fer.files import encode_path, show_path
from fer.progress import Progress
from fer.reports.baselines import BaselineInput, learn_baseline, limit_to, read_baseline
from fer.reports.tables import VideoTable
from fer.reports.video_outputs import check_folders, check_outputs, check_settings, choose_stems
from fer.reports.video_summaries import BatchSummary, VideoSummary
from fer.vision.annotation import draw_faces
from fer.vision.baseline import Baseline
from fer.vision.containers import is_camera, is_network
from fer.vision.faces import AnalyzedFrame
from fer.vision.frames import FrameSource
from fer.vision.sound import SoundCopier
from fer.vision.sources import Source, open_source
from fer.vision.streams import NO_LIMITS, Limits, Stream, stop_on_interrupt
from fer.vision.tracking import Tracker
from fer.vision.video import VideoReader
from fer.vision.video_writer import VideoWriter
from fer.vision.yunet import DEFAULT_SIDE


def process_video(
    source: Source,
    *,
    analyzer: Analyzer | Callable[[], Analyzer] | None = None,
    csv: str | Path | None = None,
    annotated: str | Path | None = None,
    plot: str | Path | None = None,
    every: int = 1,
    max_side: int | None = None,
    limits: Limits = NO_LIMITS,
    stop: threading.Event | None = None,
    smoothing_seconds: float | None = None,
    baseline: BaselineInput = None,
    rate: float | None = None,
    allow_network: bool = False,
    name: str | None = None,
    on_frame: Callable[[], object] | None = None,
    on_message: Callable[[str], object] | None = None,
    progress: bool = True,
) -> VideoSummary:
    """Analyze a video or camera frame by frame, in memory that does not grow with its length.

    Ctrl-C ends the analysis like the end of the stream. A killed process leaves the rows written so far.

    Args:
        source: a video file, the number of a camera, a folder of images or a pattern such as "frame_%04d.jpg", or a
            network address.
        analyzer: detects and classifies the faces; a function builds it once the outputs are checked and the video is
            open, and None builds one with the shipped network and ``max_side``.
        csv: a table with one row per face, and one row per frame without a face; written frame by frame.
        annotated: an annotated .mp4 copy with the sound of a file.
        plot: a .png plot of each person's expressions over time.
        every: analyze only frames whose index is a multiple of this.
        max_side: longer side, in pixels, of the copy that is searched for faces; None means 640.
        limits: how much of the stream to read.
        stop: ends the analysis after the current frame once it is set.
        smoothing_seconds: time constant of the smoothing; None uses the tracker's default.
        baseline: a range of time in which people rest, as (start, end) in seconds or as text such as "0:00-0:05", or a
            photo of a neutral face; adds answers without the resting face to table and summary. A file is read twice
            until the end of the range; a camera or network stream has these answers after the range only.
        rate: frames per second of images; None means 25.
        allow_network: whether a network address is opened.
        name: name of the video in the summary and the plot; None uses the source.
        on_frame: called after each analyzed frame.
        on_message: called with a sentence when a network stream drops or is opened again.
        progress: show a progress bar.

    Raises:
        OutputError: an output cannot be written, or is the source; nothing is analyzed before this is checked.
        ImageError: the neutral photo cannot be used, or does not show exactly one face.
        SettingsError: an output has the wrong suffix, or a setting is out of range.
        VideoError: the video cannot be opened, holds no frame, has frames above the limit, or ends before the range.

    Example:
        >>> print(process_video("talk.mp4", csv="talk.csv").describe())  # doctest: +SKIP
        talk.mp4: 250 frames, 250 analyzed
        person 1, 10.0 s: neutral 62 %, happy 38 %
        Wrote talk.csv.
    """
    check_settings(analyzer, every, max_side)
    resting = read_baseline(baseline)
    check_outputs(source, csv, annotated, plot, None if resting is None else resting.photo)
    reading = _Reading(every, limits, smoothing_seconds, rate, allow_network, on_frame, on_message, progress)
    with ExitStack() as stack:
        stop = stack.enter_context(stop_on_interrupt(stop))
        video = stack.enter_context(closing(reading.open(source, stop)))
        analyzer = _build_analyzer(analyzer, max_side)
        known = None if resting is None else reading.learn(source, resting.build(analyzer), analyzer, stop)
        table = None if csv is None else stack.enter_context(VideoTable(csv, has_baseline=known is not None))
        write_rows = None if table is None else table.write
        summary = _analyze(video, analyzer, reading, stop, name, write_rows, _Copy.of(source, annotated), known)
    return _finish(summary, csv, annotated, plot)


def process_videos(
    sources: Sequence[Source],
    csv: str | Path,
    *,
    analyzer: Analyzer | Callable[[], Analyzer] | None = None,
    annotated: str | Path | None = None,
    plot: str | Path | None = None,
    every: int = 1,
    baseline: BaselineInput = None,
    rate: float | None = None,
    allow_network: bool = False,
    on_message: Callable[[str], object] | None = None,
    progress: bool = True,
) -> BatchSummary:
    """Analyze many videos into one table with a column ``video``; a video that cannot be read is a row with its error.

    Args:
        sources: the videos, as :func:`process_video` takes them.
        csv: the table.
        analyzer: detects and classifies the faces, or a function that builds it once the outputs are checked; None
            builds one with the shipped network.
        annotated: folder for annotated copies.
        plot: folder for plots.
        every: analyze only frames whose index is a multiple of this.
        baseline: as for :func:`process_video`; a range counts for each video by itself.
        rate: frames per second of images; None means 25.
        allow_network: whether a network address is opened.
        on_message: called with a sentence when a network stream drops or is opened again.
        progress: show a progress bar for each video.

    Raises:
        ImageError: the neutral photo cannot be used, or does not show exactly one face.
        OutputError: the table or a folder cannot be written.
        SettingsError: a setting is out of range.
        VideoError: no video can be read; the table has their errors.

    Example:
        >>> process_videos(["a.mp4", "b.mp4"], "both.csv").videos[0].shares["happy"]  # doctest: +SKIP
        0.75
    """
    check_settings(analyzer, every, None)
    resting = read_baseline(baseline)
    check_folders(sources, csv, annotated, plot, None if resting is None else resting.photo)
    analyzer = _build_analyzer(analyzer, None)
    if resting is not None and resting.photo is not None:
        resting.build(analyzer)  # An unusable photo is an error before any work.
    reading = _Reading(every, NO_LIMITS, None, rate, allow_network, None, on_message, progress)
    stems = choose_stems(sources)
    batch = BatchSummary(files=[Path(csv)])
    with VideoTable(csv, is_batch=True, has_baseline=resting is not None) as table, stop_on_interrupt(None) as stop:
        for number, source in enumerate(sources):
            if stop.is_set():
                batch.num_skipped = len(sources) - number
                break
            name, row_name, stem = show_path(str(source)), encode_path(str(source)), stems[number]
            copy = None if annotated is None else Path(annotated) / f"{stem}.mp4"
            curves = None if plot is None else Path(plot) / f"{stem}.png"
            try:
                with closing(reading.open(source, stop)) as video:
                    write_rows = partial(table.write, video=row_name)
                    known = None if resting is None else reading.learn(source, resting.build(analyzer), analyzer, stop)
                    summary = _analyze(video, analyzer, reading, stop, name, write_rows, _Copy.of(source, copy), known)
            except VideoError as error:
                batch.errors[name] = str(error)
                table.write_error(row_name, str(error))
            else:
                batch.videos.append(_finish(summary, None, copy, curves))
    if batch.errors and not batch.videos:
        raise VideoError(
            f"At least one video must be readable. Received: {len(batch.errors)} that are not."
            f" Remedy: see the column 'error' of {csv}."
        )
    return batch


@dataclass(frozen=True)
class _Reading:
    """How videos are read; see :func:`process_video`."""

    every: int
    limits: Limits
    smoothing_seconds: float | None
    rate: float | None
    allow_network: bool
    on_frame: Callable[[], object] | None
    on_message: Callable[[str], object] | None
    progress: bool

    def open(self, source: Source, stop: threading.Event) -> FrameSource:
        return open_source(
            source, rate=self.rate, allow_network=self.allow_network, on_message=self.on_message, stop=stop
        )

    def learn(self, source: Source, baseline: Baseline, analyzer: Analyzer, stop: threading.Event) -> Baseline:
        """Return the baseline after a first pass over its range, if the source can be read twice."""
        if baseline.is_known or is_camera(source) or is_network(source):
            return baseline
        with closing(self.open(source, stop)) as video:
            stream = Stream(video, every=self.every, limits=limit_to(baseline, self.limits), stop=stop)
            learn_baseline(baseline, analyzer, stream, self.build_tracker())
        return baseline

    def build_tracker(self) -> Tracker:
        return Tracker() if self.smoothing_seconds is None else Tracker(smoothing_seconds=self.smoothing_seconds)


@dataclass(frozen=True)
class _Copy:
    """An annotated copy, and the file whose sound it gets."""

    path: Path
    source: Path | None

    @classmethod
    def of(cls, source: Source, annotated: str | Path | None) -> "_Copy | None":
        is_file = not is_camera(source) and not is_network(source) and Path(str(source)).is_file()
        return None if annotated is None else cls(Path(annotated), Path(str(source)) if is_file else None)


def _analyze(
    video: FrameSource,
    analyzer: Analyzer,
    reading: _Reading,
    stop: threading.Event,
    name: str | None,
    write_rows: Callable[[AnalyzedFrame], None] | None,
    copy: _Copy | None,
    baseline: Baseline | None,
) -> VideoSummary:
    summary = VideoSummary(name or video.name, num_promised=video.num_promised, baseline=baseline)
    if baseline is not None and not baseline.is_known:
        summary.notes.append(
            f"There are no baseline predictions before {baseline.end:g} s: this source is read only once."
        )
    stream = Stream(video, every=reading.every, limits=reading.limits, stop=stop)
    with ExitStack() as stack:
        writers = [] if write_rows is None else [write_rows]
        if copy is not None:
            writers.append(_open_copy(stack, summary, video, copy))
        total, hidden = video.num_promised or None, not reading.progress
        bar = stack.enter_context(Progress(total=total, unit=" frames", disable=hidden))
        with suppress(KeyboardInterrupt):
            for analyzed in analyzer.analyze_stream(stream, tracker=reading.build_tracker(), baseline=baseline):
                summary.add(analyzed)
                for write in writers:
                    write(analyzed)
                bar.update(video.num_read - bar.n)
                if reading.on_frame is not None:
                    reading.on_frame()
        summary.stopped = stream.ending != "end" or stop.is_set()
    summary.num_frames, summary.num_faults, summary.ended_early = video.num_read, video.num_faults, video.ended_early
    return summary


def _open_copy(
    stack: ExitStack, summary: VideoSummary, video: FrameSource, copy: _Copy
) -> Callable[[AnalyzedFrame], None]:
    """Return a function that writes a frame to the annotated copy, which the stack completes."""
    sound = None
    if copy.source is not None and isinstance(video, VideoReader):
        sound = SoundCopier(copy.source, lambda: video.start)
    writer = VideoWriter(copy.path, video.rate, sound=sound)

    def close() -> None:
        writer.close(is_whole=not summary.stopped)
        if sound is not None and sound.num_faults:
            summary.notes.append(f"The sound has {sound.num_faults} errors: a part of it is missing from the copy.")

    stack.callback(close)
    return lambda analyzed: writer.write(
        draw_faces(analyzed.frame.image, analyzed.faces), analyzed.frame.seconds, analyzed.duration
    )


def _build_analyzer(analyzer: Analyzer | Callable[[], Analyzer] | None, max_side: int | None) -> Analyzer:
    if analyzer is None:
        return Analyzer(max_side=max_side or DEFAULT_SIDE)
    return analyzer if isinstance(analyzer, Analyzer) else analyzer()


def _finish(
    summary: VideoSummary, csv: str | Path | None, annotated: str | Path | None, plot: str | Path | None
) -> VideoSummary:
    """Draw the plot, and list the files that were written."""
    if plot is not None:
        # matplotlib takes most of a second to import.
        from fer.reports.timeline_plot import plot_timeline

        plot_timeline(summary.timeline, plot, title=Path(summary.name).name)
    # No frame, no copy.
    summary.files = [Path(path) for path in (csv, annotated, plot) if path is not None and Path(path).is_file()]
    return summary

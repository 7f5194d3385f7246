"""Analysis of an uploaded video in the background: its limits, progress, cancellation and files."""

import math
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from fer.analysis import Analyzer
from fer.errors import FerError, VideoError
from fer.reports.video_summaries import VideoSummary
from fer.reports.videos import process_video
from fer.vision.streams import Limits
from fer.vision.video import VideoReader

#: Largest file in bytes, and largest part of a video that a server analyzes.
MAX_BYTES = 200 * 2**20
MAX_SECONDS = 120.0
MAX_FRAMES = 7200
MAX_PIXELS = 3840 * 2160
#: Number of frames after the first one from which the time left is estimated.
_LEAST_STEPS = 10
LIMITS = Limits(seconds=MAX_SECONDS, frames=MAX_FRAMES, pixels=MAX_PIXELS)


@dataclass(frozen=True)
class Progress:
    """Progress of a job.

    Args:
        done: number of frames analyzed.
        total: number of frames to analyze according to the file; 0 if unknown.
        seconds: time since the job started.
        seconds_per_frame: mean time from frame to frame; None before there are enough for a steady estimate.
    """

    done: int
    total: int
    seconds: float
    seconds_per_frame: float | None = None

    @property
    def rate(self) -> float:
        """Frames analyzed per second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the last frame; None if unknown."""
        if not self.total or self.seconds_per_frame is None or self.done >= self.total:
            return None
        return (self.total - self.done) * self.seconds_per_frame


@dataclass
class VideoJob:
    """Runs :func:`fer.reports.videos.process_video` on an upload, in a background thread.

    Args:
        path: the uploaded file.
        folder: folder for the table, the plot and the annotated copy.
        analyzer: detects and classifies the faces.
        every: analyze only frames whose index is a multiple of this.
        name: name of the file on the visitor's device, for the plot and the summary.
        limits: how much of the video to analyze.
    """

    path: Path
    folder: Path
    analyzer: Analyzer
    every: int = 1
    name: str = "video"
    limits: Limits = LIMITS
    summary: VideoSummary | None = None
    error: FerError | None = None
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)
    _done: int = 0
    _total: int = 0
    _started: float = 0.0
    _first: float = 0.0
    _latest: float = 0.0

    @property
    def annotated(self) -> Path:
        """The annotated copy."""
        return self.folder / "annotated.mp4"

    @property
    def table(self) -> Path:
        """The table, one row per face."""
        return self.folder / "expressions.csv"

    @property
    def plot(self) -> Path:
        """The plot of each person's expressions over time."""
        return self.folder / "timeline.png"

    @property
    def progress(self) -> Progress:
        """The progress so far."""
        # The first frame waits for the network to be compiled and says nothing about the others.
        num_steps = self._done - 1
        per_frame = (self._latest - self._first) / num_steps if num_steps >= _LEAST_STEPS else None
        return Progress(self._done, self._total, time.monotonic() - self._started, per_frame)

    def list_files(self) -> tuple[Path | None, Path | None, Path | None]:
        """Return annotated copy, plot and table; None for a file that was not written, as a job stopped at once."""
        annotated, plot, table = (path if path.is_file() else None for path in (self.annotated, self.plot, self.table))
        return annotated, plot, table

    def start(self) -> None:
        """Start the thread.

        Raises:
            VideoError: the file is no video, or too large.
        """
        check_size(self.path, self.name)
        with VideoReader(self.path) as video:
            self._total = self._count_frames(video)
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="fer-video", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Request the end of the job after the current frame; the results so far are kept."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait at most the given seconds for the end of the job, and return whether it has ended."""
        assert self._thread is not None
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def finish(self) -> VideoSummary:
        """Return the summary of a job that has ended.

        Raises:
            VideoError: the video could not be analyzed.
        """
        if self.error is not None:
            raise self.error
        if self.summary is None:
            raise VideoError(
                f"A video must be readable to its end. Received: {self.name}, whose analysis failed."
                " Remedy: see the server's log."
            )
        return self.summary

    def _count_frames(self, video: VideoReader) -> int:
        """Return the number of frames to analyze, or 0 if the file does not say how many it has."""
        seconds = math.inf if self.limits.seconds is None else self.limits.seconds
        frames = math.inf if self.limits.frames is None else self.limits.frames
        return math.ceil(min(video.num_promised, seconds * video.rate, frames * self.every) / self.every)

    def _run(self) -> None:
        # The plot's library takes a second to import, for which a cancelled job should not wait.
        import fer.reports.timeline_plot  # noqa: F401

        try:
            self.summary = process_video(
                self.path,
                analyzer=self.analyzer,
                csv=self.table,
                annotated=self.annotated,
                plot=self.plot,
                every=self.every,
                limits=self.limits,
                stop=self._stop,
                name=self.name,
                on_frame=self._count_frame,
                progress=False,
            )
        except FerError as error:
            self.error = error

    def _count_frame(self) -> None:
        self._latest = time.monotonic()
        if not self._done:
            self._first = self._latest
        self._done += 1


def check_size(path: Path, name: str) -> None:
    """Check that the file of a video exists and is within the limit.

    Args:
        path: the file.
        name: name of the file on the visitor's device.

    Raises:
        VideoError: the file is missing, empty or too large.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        # An upload is removed if the visitor waits longer in the queue than uploads are kept.
        raise VideoError(
            f"A video's file must still be on the server. Received: {name} ({error.strerror}). Remedy: upload it again."
        ) from None
    if not size or size > MAX_BYTES:
        raise VideoError(
            f"A video's file must have 1 byte to {MAX_BYTES // 2**20} MiB."
            f" Received: {name} with {size / 2**20:.0f} MiB. Remedy: cut the video shorter or save it smaller."
        )

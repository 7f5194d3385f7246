"""A video that is looked at in the background: how far it has come, how it is stopped, and what it gave."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fer.analysis import Analyzer, Face
from fer.errors import FerError, VideoError
from fer.reports.videos import VideoSummary, process_video
from fer.vision.tracking import Tracker
from fer.vision.video import VideoReader

#: The largest video that a server takes: bytes of the file, seconds, frames and pixels of a frame.
MAX_BYTES = 200 * 2**20
MAX_SECONDS = 120.0
MAX_FRAMES = 7200
MAX_PIXELS = 3840 * 2160


@dataclass(frozen=True)
class Progress:
    """How far a job has come.

    Args:
        done: frames looked at.
        total: frames to look at as the file promises, or 0 where it does not.
        seconds: time since the job began.
    """

    done: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        """Frames looked at in a second."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


@dataclass
class VideoJob:
    """One video on its way through :func:`fer.reports.videos.process_video`, in a thread of its own.

    Args:
        path: the uploaded file.
        folder: where table, plot and annotated copy are written.
        analyzer: what reads the frames.
        every: look at each frame whose index is a multiple of this.
        name: the file's name as its owner knows it, for the plot and the summary.
    """

    path: Path
    folder: Path
    analyzer: Analyzer
    every: int = 1
    name: str = "video"
    summary: VideoSummary | None = None
    error: FerError | None = None
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)
    _done: int = 0
    _total: int = 0
    _started: float = 0.0

    @property
    def annotated(self) -> Path:
        """The copy with the faces drawn in."""
        return self.folder / "annotated.mp4"

    @property
    def table(self) -> Path:
        """The table, a row a face."""
        return self.folder / "expressions.csv"

    @property
    def plot(self) -> Path:
        """The plot of each person's expressions over time."""
        return self.folder / "timeline.png"

    def list_files(self) -> tuple[Path | None, Path | None, Path | None]:
        """Return annotated copy, plot and table, None for one that was not made: a video stopped at once gives none."""
        annotated, plot, table = (path if path.is_file() else None for path in (self.annotated, self.plot, self.table))
        return annotated, plot, table

    def finish(self) -> VideoSummary:
        """Return what an ended job gave.

        Raises:
            VideoError: it gave nothing.
        """
        if self.error is not None:
            raise self.error
        if self.summary is None:
            raise VideoError("A video must be read to its end. Received: one that could not be, see the server's log.")
        return self.summary

    @property
    def progress(self) -> Progress:
        """How far the job has come."""
        return Progress(self._done, self._total, time.monotonic() - self._started)

    def start(self) -> None:
        """Begin.

        Raises:
            VideoError: the file is no video, or larger than a server takes.
        """
        check_size(self.path, self.name)
        with VideoReader(self.path) as video:
            promised = video.num_promised or 0
            self._total = -(-min(promised, int(MAX_SECONDS * video.rate), MAX_FRAMES) // self.every)
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="fer-video", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the frame that is under way; what was seen so far is kept."""
        self._stop.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most the given seconds, and say whether it has come."""
        assert self._thread is not None
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.summary = process_video(
                self.path,
                analyzer=_Watched(self.analyzer, self._note),
                csv=self.table,
                annotated=self.annotated,
                plot=self.plot,
                every=self.every,
                seconds=MAX_SECONDS,
                codec="vp09",
                progress=False,
            )
            self.summary.source = self.name
        except FerError as error:
            self.error = error

    def _note(self, image: np.ndarray) -> None:
        if self._stop.is_set() or self._done >= MAX_FRAMES:
            # What ends process_video as the end of the stream would, with everything seen so far kept.
            raise KeyboardInterrupt
        check_frame(image)
        self._done += 1


class _Watched(Analyzer):
    """An analyzer that says when it is given a frame."""

    def __init__(self, analyzer: Analyzer, note: Callable[[np.ndarray], None]) -> None:
        super().__init__(analyzer.classifier, analyzer.detector, analyzer.whole_image, flip=analyzer.flip)
        self._note = note

    def analyze_frame(self, image: Any, tracker: Tracker, seconds: float) -> list[Face]:
        self._note(image)
        return super().analyze_frame(image, tracker, seconds)


def check_size(path: Path, name: str) -> None:
    """Check that a video's file is not larger than a server takes.

    Raises:
        VideoError: it is, or it is empty, or it is gone.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        # Whoever waits for a place longer than uploads are kept finds the file removed.
        raise VideoError(
            f"A video's file must still be on the server. Received: {name} ({error.strerror}). Remedy: upload it again."
        ) from None
    if not size or size > MAX_BYTES:
        raise VideoError(
            f"A video's file must have 1 byte to {MAX_BYTES // 2**20} MiB."
            f" Received: {name} with {size / 2**20:.0f} MiB. Remedy: cut it shorter or save it smaller."
        )


def check_frame(image: np.ndarray) -> None:
    """Check that a frame is not larger than a server takes.

    Raises:
        VideoError: it is.
    """
    height, width = image.shape[:2]
    if height * width > MAX_PIXELS:
        raise VideoError(
            f"A video's frames must have at most 3840x2160 pixels. Received: {width}x{height}. Remedy: save it smaller."
        )

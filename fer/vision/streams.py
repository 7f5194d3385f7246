"""The frames of a video or camera with their durations, until its end, a limit or a request to stop."""

import signal
import statistics
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal

from fer.vision.frames import FrameSource, VideoFrame

#: Why a stream ended: the video was over, a limit was reached, or the caller asked for it.
Ending = Literal["end", "limit", "stopped"]


@dataclass(frozen=True)
class Limits:
    """How much of a stream is read; None sets no limit.

    Args:
        seconds: time at which reading ends, from the start of the stream.
        frames: largest number of frames.
        pixels: largest number of pixels of a frame; a larger frame is an error.
    """

    seconds: float | None = None
    frames: int | None = None
    pixels: int | None = None


#: The last frame of a stream lasts as long as the median of this many frames before it.
_NUM_DURATIONS = 250

#: Read a stream to its end.
NO_LIMITS = Limits()


class Stream:
    """A video or camera while it is read: iterate over it, once, for its frames and their durations.

    A frame's duration is the time until the next one, so a frame is given when the next one has been read. The last
    frame of a video gets the median duration of the frames before it, or less if fewer frames are left out behind it.

    Args:
        video: the opened video or camera.
        every: read only frames whose index is a multiple of this.
        limits: how much to read.
        stop: ends the stream once it is set.

    Attributes:
        ending: why the stream ended; None until then.

    Example:
        >>> with VideoReader("talk.mp4") as video:  # doctest: +SKIP
        ...     seconds = sum(duration for _, duration in Stream(video))
    """

    def __init__(
        self,
        video: FrameSource,
        *,
        every: int = 1,
        limits: Limits = NO_LIMITS,
        stop: threading.Event | None = None,
    ) -> None:
        self.video = video
        self.every = every
        self.limits = limits
        self.stop = threading.Event() if stop is None else stop
        self.ending: Ending | None = None

    def __iter__(self) -> Iterator[tuple[VideoFrame, float]]:
        """Yield each frame with its duration in seconds.

        Raises:
            VideoError: the video holds no frame, or a frame has too many pixels.
        """
        previous: VideoFrame | None = None
        durations: deque[float] = deque(maxlen=_NUM_DURATIONS)
        for count, frame in enumerate(self.video.read(self.every, self.limits.pixels)):
            if previous is not None:
                durations.append(frame.seconds - previous.seconds)
                yield previous, durations[-1]
            self.ending = self._find_ending(frame, count)
            if self.ending is not None:
                return
            previous = frame
        if previous is not None:
            step = statistics.median(durations) if durations else self.every / self.video.rate
            yield previous, step / self.every * (self.video.num_read - previous.index)
        self.ending = "end"

    def _find_ending(self, frame: VideoFrame, count: int) -> Ending | None:
        if self.stop.is_set():
            return "stopped"
        is_late = self.limits.seconds is not None and frame.seconds >= self.limits.seconds
        is_surplus = self.limits.frames is not None and count >= self.limits.frames
        return "limit" if is_late or is_surplus else None


@contextmanager
def stop_on_interrupt(stop: threading.Event | None = None) -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl-C sets, so that a file is never left in the middle of a write.

    Args:
        stop: the event; None makes one.

    A second Ctrl-C interrupts as usual. Outside the main thread signals are left alone.
    """
    stop = threading.Event() if stop is None else stop
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def request_stop(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, request_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)

"""Videos and cameras: every frame with its index and time, and a writer for annotated copies.

Frames are uint8 (H, W, 3), RGB. Times are seconds from the container's own timestamps, so a variable frame rate keeps
its times. One frame at a time is held, whatever the length.
"""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from fer.errors import VideoError

_USUAL_RATE = 25.0


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame of a stream.

    Args:
        index: its number, from 0, counting every frame of the stream.
        seconds: its time from the start.
        image: uint8 (H, W, 3), RGB.
    """

    index: int
    seconds: float
    image: np.ndarray


class VideoReader:
    """A video file or camera, read once from start to end.

    Args:
        source: a path, or a camera's number (0 or "0").

    Attributes:
        rate: frames a second as the container states them, or 25 where it does not.
        num_promised: frames that the container promises; 0 where it does not say, as with a camera.
        num_read: frames read so far.

    Raises:
        VideoError: the file is missing or no video, or the camera cannot be opened.
    """

    def __init__(self, source: str | Path | int) -> None:
        self.name = str(source)
        self.is_camera = is_camera(source)
        self._capture = _open_capture(source, self.is_camera)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate = float(rate) if math.isfinite(rate) and 0 < rate <= 1000 else _USUAL_RATE
        self.num_promised = int(count) if not self.is_camera and math.isfinite(count) and 0 < count < 2**31 else 0
        self.num_read = 0

    def read(self, every: int = 1) -> Iterator[VideoFrame]:
        """Yield the frames whose index is a multiple of ``every``; the others are passed over unseen.

        Raises:
            VideoError: the stream gives no frame at all, or ``every`` is below 1.
        """
        if every < 1:
            raise VideoError(f"The step between frames must be at least 1. Received: {every}.")
        started, last = time.monotonic(), -math.inf
        while self._capture.grab():
            index, self.num_read = self.num_read, self.num_read + 1
            seconds = time.monotonic() - started if self.is_camera else self._read_time(index, last)
            last = seconds
            if index % every == 0:
                frame = self._retrieve()
                if frame is None:
                    self.num_read = index
                    break
                yield VideoFrame(index, seconds, frame)
        if not self.num_read:
            raise VideoError(
                f"A video must hold at least one readable frame. Received: {self.name} with none."
                " Remedy: convert it to mp4 (H.264), or check the camera."
            )

    def describe(self) -> str:
        """Return how much was read, in words: "228 of 472 frames" where a file gives fewer than it promises."""
        if self.num_promised and self.num_read < self.num_promised:
            return f"{self.num_read} of {self.num_promised} frames"
        return f"{self.num_read} frames"

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_time(self, index: int, last: float) -> float:
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        # Some containers give no times, or repeat one at a damaged place: time must go on, at the stated rate.
        if not math.isfinite(seconds) or seconds <= last or seconds < 0 or (index and seconds == 0):
            return 0.0 if index == 0 else last + 1.0 / self.rate
        return seconds

    def _retrieve(self) -> np.ndarray | None:
        read, frame = self._capture.retrieve()
        if not read or frame is None or not frame.size:
            return None
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB)


class VideoWriter:
    """An mp4 file that takes RGB frames of one size.

    Args:
        path: the file to write.
        rate: frames a second.

    Raises:
        VideoError: the file cannot be written.
    """

    def __init__(self, path: str | Path, rate: float) -> None:
        self.path = Path(path)
        self.rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, image: np.ndarray) -> None:
        """Add a uint8 RGB frame (H, W, 3); the first one decides the size of the video."""
        if self._writer is None:
            self._open(image.shape[1] // 2 * 2, image.shape[0] // 2 * 2)
        assert self._writer is not None
        # The codec takes even sides only; a camera that changes its size is brought back to the first one.
        frame = image[: self._size[1], : self._size[0]]
        if frame.shape[:2] != self._size[::-1]:
            frame = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, width: int, height: int) -> None:
        if self.path.suffix.lower() != ".mp4":
            raise VideoError(f"An annotated video must end in .mp4. Received: {self.path}.")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._size = (width, height)
        self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*"mp4v"), self.rate, self._size)
        if not self._writer.isOpened():
            raise VideoError(f"An annotated video must be writable. Received: {self.path}. Remedy: check the folder.")


def is_camera(source: str | Path | int) -> bool:
    """Say whether a source is the number of a camera rather than a file."""
    return isinstance(source, int) or (isinstance(source, str) and source.isdecimal())


def _open_capture(source: str | Path | int, camera: bool) -> "cv2.VideoCapture":
    if camera:
        capture = cv2.VideoCapture(int(str(source)))
        remedy = "check that a camera is plugged in and free"
    else:
        # OpenCV would take a pattern or an address for a name; only files that exist are opened.
        if not Path(str(source)).is_file():
            raise VideoError(f"A video must be an existing file or a camera's number. Received: {source}.")
        capture = cv2.VideoCapture(str(source))
        remedy = "convert it to mp4 (H.264)"
    if not capture.isOpened():
        capture.release()
        raise VideoError(f"A video must be in a format that OpenCV reads. Received: {source}. Remedy: {remedy}.")
    return capture

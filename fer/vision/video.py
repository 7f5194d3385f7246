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
#: Seconds that one frame may stand still in an annotated video.
_LONGEST_STILL = 10.0


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
    """An mp4 file that takes RGB frames of one size, at a steady rate.

    Args:
        path: the file to write, ending in .mp4.
        rate: frames a second.
        codec: "mp4v" is quick and plays in players; "vp09" takes longer and plays in browsers too.

    Raises:
        VideoError: the ending is another one.
    """

    def __init__(self, path: str | Path, rate: float, *, codec: str = "mp4v") -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise VideoError(f"An annotated video must end in .mp4. Received: {self.path}.")
        self.rate = rate
        self.codec = codec
        self.num_written = 0
        self._late = 0.0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Add a frame at its time; the first one decides the size of the video.

        Args:
            image: uint8 (H, W, 3), RGB.
            seconds: the frame's time. It is repeated, or left out, so that a variable rate keeps its pace; None adds it
                once.

        Raises:
            VideoError: the file cannot be written.
        """
        writer = self._open(image) if self._writer is None else self._writer
        frame = cv2.cvtColor(self._fit(image), cv2.COLOR_RGB2BGR)
        for _ in range(1 if seconds is None else self._count_copies(seconds)):
            writer.write(frame)
            self.num_written += 1

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

    def _count_copies(self, seconds: float) -> int:
        copies = round((seconds - self._late) * self.rate) + 1 - self.num_written
        # A jump in a damaged file's clock must not fill the disk with one frame: the pause is cut short.
        longest = round(_LONGEST_STILL * self.rate) + 1
        if copies > longest:
            self._late += (copies - longest) / self.rate
        return max(0, min(copies, longest))

    def _fit(self, image: np.ndarray) -> np.ndarray:
        # Codecs take even sides only; a camera that changes its size is brought back to the first one.
        frame = image[: self._size[1], : self._size[0]]
        if (
            frame.shape[:2] != self._size[::-1]
            or max(image.shape[0] - frame.shape[0], image.shape[1] - frame.shape[1]) > 1
        ):
            return cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(frame)

    def _open(self, image: np.ndarray) -> "cv2.VideoWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._size = (max(2, image.shape[1] // 2 * 2), max(2, image.shape[0] // 2 * 2))
        self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*self.codec), self.rate, self._size)
        if not self._writer.isOpened():
            raise VideoError(
                f"An annotated video must be writable. Received: {self.path} with codec {self.codec}."
                " Remedy: check the folder, or use the codec mp4v."
            )
        return self._writer


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

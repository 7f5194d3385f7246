"""Reading of videos and cameras, frame by frame with index and time, and writing of annotated videos.

Frames are uint8 (H, W, 3), RGB. Times are in seconds, from the timestamps of the container, so a variable frame rate is
kept. One frame is in memory at a time, whatever the length of the video.
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

_DEFAULT_RATE = 25.0
#: Seconds for which an annotated video may repeat one frame.
_LONGEST_STILL = 10.0


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame of a stream.

    Args:
        index: index of the frame among all frames of the stream, from 0.
        seconds: time from the start.
        image: uint8 (H, W, 3), RGB.
    """

    index: int
    seconds: float
    image: np.ndarray


class VideoReader:
    """A video file or camera, read once from start to end.

    Args:
        source: a path, or the number of a camera (0 or "0").

    Attributes:
        rate: frames per second according to the container; 25 if it has no rate.
        num_promised: number of frames according to the container; 0 for a camera or if the container has no number.
        num_read: number of frames read so far.

    Raises:
        VideoError: the file is missing or not a video, or the camera cannot be opened.
    """

    def __init__(self, source: str | Path | int) -> None:
        self.name = str(source)
        self.is_camera = is_camera(source)
        self._capture = _open_capture(source, self.is_camera)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.rate = float(rate) if math.isfinite(rate) and 0 < rate <= 1000 else _DEFAULT_RATE
        self.num_promised = int(count) if not self.is_camera and math.isfinite(count) and 0 < count < 2**31 else 0
        self.num_read = 0

    def read(self, every: int = 1) -> Iterator[VideoFrame]:
        """Yield the frames whose index is a multiple of ``every``; the others are skipped.

        Raises:
            VideoError: the stream has no readable frame, or ``every`` is below 1.
        """
        if every < 1:
            raise VideoError(f"The step 'every' must be at least 1. Received: {every}. Remedy: use 1 for all frames.")
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
                f"A video must hold at least one readable frame. Received: {self.name}, without one."
                " Remedy: convert it to mp4 (H.264), or check the camera."
            )

    def close(self) -> None:
        """Release the file or camera."""
        self._capture.release()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_time(self, index: int, last: float) -> float:
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        # Some containers have no times, or repeat one where they are damaged: time must increase, at the stated rate.
        if not math.isfinite(seconds) or seconds <= last or seconds < 0 or (index and seconds == 0):
            return 0.0 if index == 0 else last + 1.0 / self.rate
        return seconds

    def _retrieve(self) -> np.ndarray | None:
        read, frame = self._capture.retrieve()
        if not read or frame is None or not frame.size:
            return None
        return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB if frame.ndim == 2 else cv2.COLOR_BGR2RGB)


class VideoWriter:
    """Writes RGB frames of one size to an mp4 file with a constant frame rate.

    Args:
        path: the file to write, with the suffix .mp4.
        rate: frames per second.
        codec: "mp4v" is fast and plays in video players; "vp09" is slower and plays in browsers too.

    Raises:
        VideoError: the path has another suffix.
    """

    def __init__(self, path: str | Path, rate: float, *, codec: str = "mp4v") -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise VideoError(f"An annotated video must end in .mp4. Received: {self.path}. Remedy: rename it.")
        self.rate = rate
        self.codec = codec
        self.num_written = 0
        self._removed_seconds = 0.0
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, image: np.ndarray, seconds: float | None = None) -> None:
        """Add a frame; the first one decides the size of the video.

        Args:
            image: uint8 (H, W, 3), RGB.
            seconds: time of the frame. The frame is repeated or dropped so that a variable rate keeps its times; None
                adds it once.

        Raises:
            VideoError: the file cannot be written.
        """
        writer = self._open(image) if self._writer is None else self._writer
        frame = cv2.cvtColor(self._fit(image), cv2.COLOR_RGB2BGR)
        for _ in range(1 if seconds is None else self._count_copies(seconds)):
            writer.write(frame)
            self.num_written += 1

    def close(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            self._writer.release()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _count_copies(self, seconds: float) -> int:
        copies = round((seconds - self._removed_seconds) * self.rate) + 1 - self.num_written
        # A jump in the times of a damaged file must not fill the disk with copies of one frame: the pause is shortened.
        longest = round(_LONGEST_STILL * self.rate) + 1
        if copies > longest:
            self._removed_seconds += (copies - longest) / self.rate
        return max(0, min(copies, longest))

    def _fit(self, image: np.ndarray) -> np.ndarray:
        # Codecs need even sides; a frame of another size, after a change of camera mode, is resized to the first one.
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
    """Return whether a source is the number of a camera rather than a file."""
    return isinstance(source, int) or (isinstance(source, str) and source.isdecimal())


def _open_capture(source: str | Path | int, camera: bool) -> "cv2.VideoCapture":
    if camera:
        capture = cv2.VideoCapture(int(str(source)))
        remedy = "check that the camera is connected and not in use"
    else:
        # OpenCV would also open patterns and addresses; only existing files are allowed.
        if not Path(str(source)).is_file():
            raise VideoError(
                f"A video must be an existing file or the number of a camera. Received: {source}."
                " Remedy: check the path."
            )
        capture = cv2.VideoCapture(str(source))
        remedy = "convert it to mp4 (H.264)"
    if not capture.isOpened():
        capture.release()
        raise VideoError(f"A video must be in a format that OpenCV reads. Received: {source}. Remedy: {remedy}.")
    return capture

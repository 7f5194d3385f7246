"""Writing of annotated videos that browsers play: H.264 in an mp4 file, with the sound of another video."""

import contextlib
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fer.errors import OutputError, VideoError
from fer.files import show_path
from fer.vision.sound import SoundCopier

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

#: Timestamps count 1/90,000 s, as in MPEG: a multiple of all usual frame rates.
_TIME_BASE = Fraction(1, 90_000)
#: x264's constant quality, and its preset: twice the default's speed for a tenth more bytes.
_QUALITY = {"crf": "23", "preset": "veryfast"}


class VideoWriter:
    """Writes RGB frames of one size, each at its own time, to an mp4 file, H.264 and yuv420p.

    Args:
        path: the file to write, with the suffix .mp4.
        rate: usual number of frames per second.
        sound: the sound to copy, or None for a silent video.

    Attributes:
        num_written: number of frames written so far.

    Raises:
        VideoError: the path has another suffix.

    Example:
        >>> with VideoWriter("out.mp4", 25.0) as writer:  # doctest: +SKIP
        ...     writer.write(image, seconds=0.0)
    """

    def __init__(self, path: str | Path, rate: float, *, sound: SoundCopier | None = None) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise VideoError(
                f"An annotated video must end in .mp4. Received: {show_path(self.path)}. Remedy: rename it."
            )
        self.rate = rate
        self.num_written = 0
        self._sound = sound
        self._container: OutputContainer | None = None
        self._last_time, self._end = -1, 0
        self._durations: dict[int, int] = {}
        self._size = (0, 0)

    def write(self, image: np.ndarray, seconds: float | None = None, duration: float | None = None) -> None:
        """Add a frame; the first one decides the size of the video.

        Args:
            image: uint8 (H, W, 3), RGB.
            seconds: time of the frame from the start; None follows the rate.
            duration: seconds that the frame is shown; None follows the rate.

        Raises:
            OutputError: the file cannot be written.
        """
        import av

        time = round((self.num_written / self.rate if seconds is None else seconds) / _TIME_BASE)
        time = max(time, self._last_time + 1)
        length = max(1, round((1 / self.rate if duration is None else duration) / _TIME_BASE))
        try:
            container = self._open(image) if self._container is None else self._container
            frame = av.VideoFrame.from_ndarray(self._fit(image), format="rgb24")
            frame.pts, frame.time_base = time, _TIME_BASE
            self._durations[time] = length
            self._mux(container, frame)
            self._last_time, self._end = time, time + length
            if self._sound is not None:
                self._sound.copy_until(float(time * _TIME_BASE))
        except (OSError, av.error.FFmpegError) as error:
            raise self._refuse(error) from None
        self.num_written += 1

    def close(self, *, is_whole: bool = True) -> None:
        """Complete the file.

        Args:
            is_whole: whether the video was written to its end; else its sound ends with the last frame.

        Raises:
            OutputError: the file cannot be written.
        """
        import av

        container, self._container = self._container, None
        try:
            if container is not None:
                self._mux(container, None)
                if self._sound is not None:
                    self._sound.copy_until(None if is_whole else float(self._end * _TIME_BASE))
                    self._sound.flush()
                container.close()
        except (OSError, av.error.FFmpegError) as error:
            raise self._refuse(error) from None
        finally:
            if self._sound is not None:
                self._sound.close()

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(is_whole=kind is None)

    def _mux(self, container: "OutputContainer", frame: Any) -> None:
        for packet in self._stream.encode(frame):
            # The muxer cannot know how long the last frame is shown.
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, 0) or packet.duration
            container.mux(packet)

    def _fit(self, image: np.ndarray) -> np.ndarray:
        # Codecs need even sides; a frame of another size, after a change of camera mode, is resized to the first one.
        frame = image[: self._size[1], : self._size[0]]
        if (
            frame.shape[:2] != self._size[::-1]
            or max(image.shape[0] - frame.shape[0], image.shape[1] - frame.shape[1]) > 1
        ):
            return cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(frame)

    def _open(self, image: np.ndarray) -> "OutputContainer":
        import av

        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._size = (max(2, image.shape[1] // 2 * 2), max(2, image.shape[0] // 2 * 2))
        # "file:" keeps a name with a colon from being taken for an address.
        container: OutputContainer = av.open(
            f"file:{self.path}", "w", format="mp4", container_options={"movflags": "+faststart"}
        )
        self._container = container
        rate = Fraction(self.rate).limit_denominator(1001)
        stream: VideoStream = container.add_stream("libx264", rate=rate, options=_QUALITY)
        stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
        stream.codec_context.time_base = stream.time_base = _TIME_BASE
        self._stream = stream
        if self._sound is not None:
            self._sound.attach(container)
        return container

    def _refuse(self, error: Exception) -> OutputError:
        import av

        container, self._container = self._container, None
        if container is not None:
            # On a full disk closing fails as well, and without its index the file cannot be read.
            with contextlib.suppress(OSError, av.error.FFmpegError):
                container.close()
            self.path.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(
            f"An annotated video must be writable. Received: {show_path(self.path)} ({reason})."
            " Remedy: choose another path, or check its permissions and the free space."
        )

"""Reading of videos, cameras and network streams, frame by frame with index and time.

Frames are uint8 (H, W, 3), RGB, upright, with square pixels and without interlacing. Times are in seconds, from the
timestamps of the frames, so a variable frame rate is kept. One frame is in memory at a time, whatever the length of the
video.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fer.errors import VideoError, is_whole_number, shorten
from fer.files import show_path
from fer.vision.containers import (
    close_container,
    is_camera,
    is_network,
    open_container,
    to_seconds,
)
from fer.vision.entry_points import Entry, find_entry
from fer.vision.frame_clock import FrameClock
from fer.vision.frame_conversion import Deinterlacer, FrameConverter, check_size, read_pixel_aspect
from fer.vision.frames import VideoFrame
from fer.vision.video_properties import choose_rate, find_video, measure_length, read_least_end, scan_length

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.packet import Packet

#: Largest number of errors without a readable packet between them, after which a file counts as ended.
_MOST_FAULTS = 50
#: A file ends early if more frames than this are missing that its table states.
_MISSING_FRAMES = 2
_OTHER_STREAMS = ("audio", "subtitle")
#: Seconds before each new attempt to open a network stream that dropped.
RECONNECT_DELAYS = (1.0, 2.0, 4.0, 8.0)


class VideoReader:
    """A video file, camera or network stream, read once from start to end.

    Args:
        source: a path, the number of a camera (0 or "0"), or an address if that is allowed.
        allow_network: whether an address is opened.
        on_message: called with a sentence when a network stream drops or is opened again.
        stop: ends the attempts to open a dropped network stream once it is set.

    Attributes:
        name: the source as text.
        is_camera: whether the source is a camera.
        is_live: whether the source has no end of its own: a camera, or a network stream of unknown length.
        rate: frames per second on average, according to the container; 25 if it has no rate.
        num_promised: number of frames according to the container, or estimated from its duration; 0 if unknown.
        num_read: number of frames read so far.
        num_faults: number of errors that the decoder reported so far.
        start: timestamp of the first frame, in seconds; None before it is read.

    Raises:
        VideoError: the file is missing or not a video, or the camera cannot be opened.

    Example:
        >>> with VideoReader("talk.mp4") as video:  # doctest: +SKIP
        ...     times = [frame.seconds for frame in video.read()]
    """

    def __init__(
        self,
        source: str | Path | int,
        *,
        allow_network: bool = False,
        on_message: Callable[[str], object] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.name = show_path(str(source))
        self.is_camera = is_camera(source)
        self._source, self._is_network = source, is_network(source)
        self._on_message = on_message or (lambda message: None)
        self._stop = threading.Event() if stop is None else stop
        self._allow_network = allow_network
        self._open()
        self.is_live = self.is_camera or (self._is_network and self._container.duration is None)
        self.rate = choose_rate(self._stream)
        self.num_promised = 0
        if not self.is_live:
            length = measure_length(self._container, self._stream)
            if length is None and not self._is_network:
                length, self.rate = scan_length(source, self.rate)
            self.num_promised = length or 0
        self.num_read = self.num_faults = 0
        self.start: float | None = None
        self._num_packets, self._end, self._attempt = 0, 0.0, 0
        self._clock = FrameClock(self.rate)
        self._entry: Entry | None = None
        self._begin, self._until, self._until_timestamp = 0.0, math.inf, False

    @property
    def ended_early(self) -> bool:
        """Whether a file has fewer frames than its table states, or ends before the time in its header."""
        if self._stated_frames - self._num_packets > _MISSING_FRAMES:
            return True
        return self._least_end is not None and self._end < self._least_end

    def limit(self, begin: float, until: float | None) -> None:
        """Read only the frames of a range of a file's time, with their indices and times in the whole file.

        Those before are not even decoded where the packets of the file tell their indices and times.

        Args:
            begin: time of the first frame, in seconds.
            until: time before which the range ends; None for the end of the file.
        """
        self._begin = begin
        self._entry = find_entry(self._source, begin, self.rate) if begin > 0 else None
        if until is not None:
            # Damage within the range may give frames other times than those by which another reader begins there.
            self._until, self._until_timestamp = until, find_entry(self._source, until, self.rate) is not None
        if self._entry is not None:
            self.num_read, self.start, self._clock = self._entry.index, self._entry.start, self._entry.clock

    def read(self, every: int = 1, max_pixels: int | None = None) -> Iterator[VideoFrame]:
        """Yield the frames whose index is a multiple of ``every``; the others are skipped.

        Args:
            every: step between the frames.
            max_pixels: largest number of pixels of a frame; None sets no limit.

        Raises:
            VideoError: the stream has no readable frame, a frame is too large, or ``every`` is below 1.
        """
        if not is_whole_number(every, 1):
            raise VideoError(
                f"The step 'every' must be a whole number of at least 1. Received: {shorten(repr(every))}."
                " Remedy: use 1 for all frames."
            )
        codec = self._stream.codec_context
        check_size(codec.width, codec.height, max_pixels)
        if max_pixels is not None:
            # The decoder itself refuses larger frames in the middle of the file, before it takes memory for them.
            codec.options = {"max_pixels": str(max_pixels)}
        for frame in self._decode_all():
            timestamp = to_seconds(frame.pts, frame.time_base)
            if self._entry is not None:
                if timestamp is not None and timestamp < self._entry.timestamp:
                    continue
                if timestamp != self._entry.timestamp:
                    yield from self._read_from_start(every, max_pixels)
                    return
                self._entry = None
            index, self.num_read = self.num_read, self.num_read + 1
            seconds = self._clock.read(timestamp)
            if self.start is None:
                self.start = timestamp or 0.0
            if (timestamp - self.start if timestamp is not None and self._until_timestamp else seconds) >= self._until:
                return
            if index % every == 0 and seconds >= self._begin:
                check_size(frame.width, frame.height, max_pixels)
                yield VideoFrame(index, seconds, self._converter.convert(frame))
        if not self.num_read:
            raise VideoError(
                f"A video must hold at least one readable frame. Received: {self.name}, without one."
                " Remedy: convert it to mp4 (H.264), or check the camera."
            )

    def close(self) -> None:
        """Release the file or camera."""
        close_container(self._container)

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> None:
        self._container = open_container(self._source, allow_network=self._allow_network)
        self._stream = find_video(self._container, self.name)
        self._stream.thread_type = "SLICE" if self.is_camera or self._is_network else "AUTO"
        self._converter = FrameConverter(read_pixel_aspect(self._stream))
        # A closed container has neither.
        self._stated_frames, self._least_end = self._stream.frames, read_least_end(self._container)

    def _read_from_start(self, every: int, max_pixels: int | None) -> Iterator[VideoFrame]:
        """Decode all frames after all: that of the entry point is missing, so indices are uncertain."""
        close_container(self._container)
        self._open()
        self._entry, self._clock, self.start = None, FrameClock(self.rate), None
        self.num_read = self.num_faults = self._num_packets = 0
        yield from self.read(every, max_pixels)

    def _decode_all(self) -> "Iterator[av.VideoFrame]":
        """Yield all frames; a live network stream that drops is opened again."""
        started = time.monotonic()
        while True:
            deinterlacer = Deinterlacer()
            for frame in self._decode(self._container):
                self._attempt = 0
                yield from deinterlacer.add(frame)
            yield from deinterlacer.flush()
            if not (self._is_network and self.is_live and self._reconnect()):
                return
            self._clock.restart(time.monotonic() - started)

    def _decode(self, container: "InputContainer") -> "Iterator[av.VideoFrame]":
        import av

        # The duration in a header is that of the longest stream, which may be one of subtitles.
        streams = [self._stream, *(stream for stream in container.streams if stream.type in _OTHER_STREAMS)]
        num_failed = 0
        while num_failed < _MOST_FAULTS:
            try:
                for packet in container.demux(*streams):
                    self._count_packet(packet)
                    is_needed = self._entry is None or self._num_packets > self._entry.num_packets
                    if is_needed and packet.stream_index == self._stream.index:
                        yield from self._decode_packet(packet)
                    num_failed = 0
                return
            except (av.error.FFmpegError, OSError):
                if self._is_network and self.is_live:
                    # A drop, which a message reports.
                    break
                # Damage between two packets: the demuxer finds the next one.
                self.num_faults, num_failed = self.num_faults + 1, num_failed + 1
                if self._is_network or self.is_camera:
                    break
        yield from self._decode_packet(None)

    def _decode_packet(self, packet: "Packet[Any] | None") -> "list[av.VideoFrame]":
        """Return the frames that a packet completes; None asks for those that the decoder still holds."""
        import av

        try:
            frames: list[av.VideoFrame] = self._stream.decode(packet)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, OSError):
            self.num_faults += 1
            return []
        self.num_faults += sum(frame.is_corrupt for frame in frames)
        return frames

    def _count_packet(self, packet: "Packet[Any]") -> None:
        if not packet.size:
            return
        if packet.stream_index == self._stream.index:
            self._num_packets += 1
            self.num_faults += packet.is_corrupt
        time_of = packet.pts if packet.pts is not None else packet.dts
        end = to_seconds(None if time_of is None else time_of + (packet.duration or 0), packet.time_base)
        self._end = max(self._end, end or 0.0)

    def _reconnect(self) -> bool:
        """Open a network stream that dropped again, and return whether that succeeded."""
        while self._attempt < len(RECONNECT_DELAYS):
            delay = RECONNECT_DELAYS[self._attempt]
            self._attempt += 1
            self._on_message(f"{self.name} dropped after frame {self.num_read}; opening it again in {delay:.0f} s.")
            if self._stop.wait(delay):
                return False
            close_container(self._container)
            try:
                self._open()
            except VideoError:
                continue
            return True
        self._on_message(f"{self.name} did not come back.")
        return False

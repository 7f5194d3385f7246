"""Entry points: where the decoding of a video file may begin, if only its frames from some time on are wanted.

The packets before are read but not decoded. Where each packet is one frame, as in most files, their timestamps give the
exact index and time of every later frame; a file in which that is not certain has no entry point.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer.errors import VideoError
from fer.vision.containers import close_container, open_file, to_seconds
from fer.vision.frame_clock import FrameClock
from fer.vision.video_properties import find_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

#: Container formats in which a packet is a whole frame; in the others it may be a field.
_FORMATS = frozenset({"mov", "matroska", "avi"})
#: Codecs with packets that show nothing.
_CODECS_WITH_HIDDEN_FRAMES = frozenset({"vp8"})
#: Largest number of packets of the first group of frames, which is decoded to compare packets with frames.
_LONGEST_FIRST_GROUP = 1000


@dataclass(frozen=True)
class Entry:
    """A key frame of a video file at which decoding may begin.

    Args:
        num_packets: number of packets of the video before it, which need no decoding.
        index: its index among all frames.
        timestamp: its timestamp in seconds.
        start: timestamp of the first frame of the file, in seconds.
        clock: the clock of the file before this frame.
    """

    num_packets: int
    index: int
    timestamp: float
    start: float
    clock: FrameClock


def find_entry(source: str | Path | int, seconds: float, rate: float) -> Entry | None:
    """Return the last entry point of a video file up to a time.

    Args:
        source: the file.
        seconds: time of the first frame that is wanted, from the first frame of the file.
        rate: frames per second, for frames without a timestamp.

    Returns:
        The entry point, or None if all frames must be decoded.
    """
    import av

    try:
        container = open_file(source)
    except VideoError:
        return None
    try:
        stream = find_video(container, str(source))
        if not _FORMATS.intersection(container.format.name.split(",")):
            return None
        if stream.codec_context.name in _CODECS_WITH_HIDDEN_FRAMES:
            return None
        return _search(container, stream, seconds, FrameClock(rate))
    except (_IrregularFileError, VideoError, av.error.FFmpegError, OSError):
        # Decoding all frames reports any damage.
        return None
    finally:
        close_container(container)


class _IrregularFileError(Exception):
    """Packets do not tell the indices or times of the frames."""


@dataclass
class _Groups:
    """The groups of frames so far: packets from a key frame to the next one, in the order of decoding.

    Args:
        stream: the video.
        clock: the clock after their frames.
        num_packets: their number of packets.
        index: their number of frames.
        last: their largest timestamp, in units of the stream; None before the first group.
        start: timestamp of the first frame, in seconds.
    """

    stream: "VideoStream"
    clock: FrameClock
    num_packets: int = 0
    index: int = 0
    last: int | None = None
    start: float = 0.0

    def add_first(self, times: list[int], packets: "list[Packet[VideoStream]]") -> None:
        """Decode the first group, and check that each packet is a frame.

        Leading frames, which the decoder drops as they refer to frames before the file, are no frames.
        """
        self.stream.thread_type = "AUTO"
        decoded = [frame.pts for packet in (*packets, None) for frame in self.stream.decode(packet)]
        ordered = sorted(times)
        if decoded not in (ordered, [time for time in ordered if time >= times[0]]):
            raise _IrregularFileError
        self.start = self._to_seconds(ordered[-len(decoded)])
        for time in ordered[-len(decoded) :]:
            self.clock.read(self._to_seconds(time))
        self.num_packets, self.index, self.last = len(times), len(decoded), ordered[-1]

    def add(self, times: list[int]) -> tuple[Entry, float]:
        """Take the next group's timestamps, and return its key frame as an entry point, with its time in seconds."""
        ordered = sorted(times)
        if self.last is None or ordered[0] <= self.last or len(set(times)) < len(times):
            raise _IrregularFileError
        num_leading = ordered.index(times[0])
        for time in ordered[:num_leading]:
            self.clock.read(self._to_seconds(time))
        timestamp, index = self._to_seconds(times[0]), self.index + num_leading
        entry = Entry(self.num_packets, index, timestamp, self.start, copy.copy(self.clock))
        seconds = self.clock.read(timestamp)
        for time in ordered[num_leading + 1 :]:
            self.clock.read(self._to_seconds(time))
        self.num_packets, self.index, self.last = self.num_packets + len(times), self.index + len(times), ordered[-1]
        return entry, seconds

    def _to_seconds(self, time: int) -> float:
        seconds = to_seconds(time, self.stream.time_base)
        if seconds is None:
            raise _IrregularFileError
        return seconds


def _search(container: "InputContainer", stream: "VideoStream", seconds: float, clock: FrameClock) -> Entry | None:
    groups, last = _Groups(stream, clock), None
    times: list[int] = []
    first_packets: list[Packet[VideoStream]] = []
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.pts is None or packet.is_corrupt or packet.is_discard or not (packet.is_keyframe or times):
            raise _IrregularFileError
        if packet.is_keyframe and times:
            if groups.last is None:
                groups.add_first(times, first_packets)
            else:
                entry, time = groups.add(times)
                if time > seconds:
                    return last
                last = entry
            times = []
        times.append(packet.pts)
        if groups.last is None:
            first_packets.append(packet)
            if len(first_packets) > _LONGEST_FIRST_GROUP:
                return None
    if groups.last is not None:
        entry, time = groups.add(times)
        last = entry if time <= seconds else last
    return last

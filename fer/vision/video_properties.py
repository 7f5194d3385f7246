"""What a container says about its video: which stream it is, how many frames it has, and how many a second."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from fer.errors import VideoError
from fer.vision.containers import close_container, open_file, to_seconds

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

#: Frames per second of a stream that states no rate.
DEFAULT_RATE = 25.0
#: A file ends early if more seconds are missing than these of what its header states. The duration in the header of
#: the other formats is estimated from the file itself.
_MISSING_SECONDS = {"mov": 0.1, "matroska": 0.1, "flv": 0.5, "asf": 0.5}


def find_video(container: "InputContainer", name: str) -> "VideoStream":
    """Return a container's first video that moves.

    Raises:
        VideoError: there is none.
    """
    from av.stream import Disposition

    # A cover image beside the sound is a video stream of one frame.
    moving = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and Disposition.attached_pic not in stream.disposition
    ]
    if not moving:
        close_container(container)
        raise VideoError(
            f"A video must hold at least one readable frame. Received: {name}, without one."
            " Remedy: choose a file that shows something."
        )
    return moving[0]


def choose_rate(stream: "VideoStream") -> float:
    """Return a stream's average rate in frames per second, or 25 if it states none that a camera can have."""
    rates = (stream.average_rate, stream.guessed_rate)
    return next((float(rate) for rate in rates if rate and 0 < rate <= 1000), DEFAULT_RATE)


def measure_length(container: "InputContainer", stream: "VideoStream") -> int | None:
    """Return the number of frames by the container's table or its duration; None if it states neither."""
    if stream.frames:
        return stream.frames
    seconds = _measure_seconds(container, stream)
    return None if seconds is None or seconds <= 0 else max(1, round(seconds * choose_rate(stream)))


def read_seconds(path: str | Path) -> float | None:
    """Return the duration of a video file in seconds by its container; None if that states none or cannot be read."""
    try:
        container = open_file(path)
        try:
            stream = find_video(container, str(path))
            seconds = _measure_seconds(container, stream)
            return stream.frames / choose_rate(stream) if seconds is None and stream.frames else seconds
        finally:
            close_container(container)
    except VideoError:
        # Reading reports it.
        return None


def read_least_end(container: "InputContainer") -> float | None:
    """Return the seconds that a whole file has at least by its header, or None if that states no duration."""
    tolerance = _MISSING_SECONDS.get(container.format.name.split(",")[0])
    return None if tolerance is None or container.duration is None else container.duration / 1e6 - tolerance


def _measure_seconds(container: "InputContainer", stream: "VideoStream") -> float | None:
    seconds = to_seconds(stream.duration, stream.time_base) or _read_tag(stream)
    if seconds is None and container.duration is not None:
        seconds = container.duration / 1e6
    return seconds


def _read_tag(stream: "VideoStream") -> float | None:
    """Return the seconds in a tag such as 00:00:02.002: Matroska has the durations of streams there, or nowhere."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def scan_length(source: str | Path | int, rate: float) -> tuple[int, float]:
    """Return number and rate of the frames of a file that states neither, as a browser records it, from its packets."""
    import av

    times: list[float] = []
    count = 0
    container = open_file(source)
    try:
        for packet in container.demux(video=0):
            count += bool(packet.size)
            seconds = to_seconds(packet.pts, packet.time_base)
            if packet.size and seconds is not None:
                times.append(seconds)
    except (av.error.FFmpegError, OSError):
        # The count so far is an estimate; reading reports the damage.
        pass
    finally:
        close_container(container)
    span = max(times) - min(times) if times else 0.0
    return count, (len(times) - 1) / span if span > 0 else rate

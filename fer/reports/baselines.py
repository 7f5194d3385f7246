"""The baseline of a video as a user gives it: a range of time in which people rest, or a photo of a neutral face."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fer.analysis import Analyzer
from fer.errors import SettingsError, VideoError, shorten
from fer.vision.baseline import Baseline
from fer.vision.streams import Limits, Stream
from fer.vision.tracking import Tracker

#: Start and end in seconds, text such as "0:00-0:05", or the path of a photo; None for no baseline.
BaselineInput = str | Path | Sequence[float] | None

_RANGE = re.compile(r"\s*([\d:.]+)\s*[-–]\s*([\d:.]+)\s*")
_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)")
_REMEDY = "Remedy: give a range such as 0:00-0:05, or a photo of a neutral face."


@dataclass(frozen=True)
class BaselineSource:
    """Where resting faces come from.

    Args:
        start: time at which the range begins, in seconds.
        end: time at which it ends.
        photo: a photo of a neutral face, instead of a range.
    """

    start: float = 0.0
    end: float = 0.0
    photo: Path | None = None

    def build(self, analyzer: Analyzer) -> Baseline:
        """Return a new baseline: that of the photo, or one that learns from the range.

        Raises:
            ImageError: the photo cannot be used, or does not show exactly one face.
        """
        return Baseline(self.start, self.end) if self.photo is None else analyzer.read_baseline(self.photo)


def read_baseline(value: BaselineInput) -> BaselineSource | None:
    """Return what a baseline given by a user means.

    Args:
        value: (start, end) in seconds; text with times as h:mm:ss, m:ss or seconds; or the path of a photo.

    Raises:
        SettingsError: it is neither a range that begins before it ends nor a file.

    Example:
        >>> read_baseline("0:00-1:05").end
        65.0
    """
    if value is None:
        return None
    if isinstance(value, str | Path):
        match = _RANGE.fullmatch(str(value))
        if match is None:
            return BaselineSource(photo=_check_photo(Path(value)))
        times = [_read_time(text, str(value)) for text in match.groups()]
    else:
        times = _read_numbers(value)
    if len(times) != 2 or not all(map(math.isfinite, times)) or not 0 <= times[0] < times[1]:
        raise SettingsError(
            "A baseline range has two times, of which the first is 0 or more and before the second."
            f" Received: {shorten(value)}. {_REMEDY}"
        )
    return BaselineSource(times[0], times[1])


def limit_to(baseline: Baseline, limits: Limits) -> Limits:
    """Return limits that end with the range of a baseline."""
    return replace(limits, seconds=min(baseline.end, math.inf if limits.seconds is None else limits.seconds))


def learn_baseline(baseline: Baseline, analyzer: Analyzer, stream: Stream, tracker: Tracker) -> None:
    """Learn the resting faces of a stream's range in a pass of its own.

    Args:
        baseline: what is learned; afterwards it answers from the first frame of a second pass.
        analyzer: detects and classifies the faces.
        stream: the stream up to the end of the range.
        tracker: a new tracker; one with the same settings gives people the same numbers in the second pass.

    Raises:
        VideoError: the stream ends before the range begins.
    """
    last = 0.0
    for analyzed in analyzer.analyze_stream(stream, tracker=tracker, baseline=baseline):
        last = analyzed.frame.seconds + analyzed.duration
    if not baseline.num_frames and stream.ending != "stopped":
        raise VideoError(
            f"A baseline range must lie within the video. Received: {baseline.start:g} to {baseline.end:g} s of"
            f" {stream.video.name}, of which {last:.1f} s are read. Remedy: choose an earlier range."
        )
    baseline.is_known = True


def _read_numbers(value: Sequence[float]) -> list[float]:
    try:
        return [float(number) for number in value]
    except (TypeError, ValueError):
        return []


def _read_time(text: str, value: str) -> float:
    match = _TIME.fullmatch(text)
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    has_minutes = match is not None and match[2] is not None
    if match is None or (has_minutes and seconds >= 60) or (match[1] is not None and minutes >= 60):
        raise SettingsError(f"A time is h:mm:ss, m:ss or a number of seconds. Received: {shorten(value)}. {_REMEDY}")
    return 3600 * hours + 60 * minutes + seconds


def _check_photo(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_file():
        raise SettingsError(f"A baseline is a range of time or an existing photo. Received: {shorten(path)}. {_REMEDY}")
    return path

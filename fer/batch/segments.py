"""Segments of long videos, which different workers analyze: how many, from when to when."""

import math
from dataclasses import dataclass
from pathlib import Path

from fer.batch.durations import DurationReader
from fer.batch.storage import is_address
from fer.batch.units import read_all_units

#: Before its segment, a worker analyzes this many seconds, and at least this many frames, so that tracks and smoothing
#: are those of the whole video at its first row: a hidden person is remembered for 1.5 s, smoothing forgets in 0.4 s.
WARM_UP_SECONDS = 10.0
WARM_UP_FRAMES = 8
#: Largest number of segments of a video, whatever duration its container states.
MOST_SEGMENTS = 1000
#: A remainder shorter than this share of a segment is merged into the one before.
_MIN_REMAINDER = 0.1


@dataclass(frozen=True)
class Bounds:
    """The time of a segment, in seconds of its video.

    Args:
        begin: time of its first frame.
        end: time before which it ends; None for the end of the video.
    """

    begin: float = 0.0
    end: float | None = None

    def find_warm_up(self, step: float) -> float:
        """Return the time at which its worker begins to analyze.

        Args:
            step: seconds between two analyzed frames.
        """
        return max(0.0, self.begin - max(WARM_UP_SECONDS, WARM_UP_FRAMES * step))


def find_bounds(segment: int | None, num_segments: int, length: int) -> Bounds:
    """Return the bounds of a segment, or of a whole video.

    Args:
        segment: number of the segment, from 0; None for a whole video.
        num_segments: number of segments of the video.
        length: seconds of a segment.

    Example:
        >>> find_bounds(1, 3, 600)
        Bounds(begin=600.0, end=1200.0)
    """
    if segment is None:
        return Bounds()
    return Bounds(float(segment * length), None if segment == num_segments - 1 else float((segment + 1) * length))


def count_segments(seconds: float | None, length: int) -> int:
    """Return the number of segments of a video.

    Args:
        seconds: duration of the video; None if it is unknown.
        length: seconds of a segment; 0 leaves every video whole.

    Example:
        >>> [count_segments(seconds, 600) for seconds in (None, 650.0, 670.0, 36_000.0)]
        [1, 1, 2, 60]
    """
    if not length or seconds is None or not math.isfinite(seconds):
        return 1
    return min(MOST_SEGMENTS, max(1, math.ceil(seconds / length - _MIN_REMAINDER)))


def list_segmented(videos: Path, length: int) -> list[tuple[int, int]]:
    """Return the numbers of the videos that are analyzed in segments, each with its number of segments.

    A video at an address is not: each worker would copy all of it. Nor is one that ends or holds up the process that
    reads its duration.

    Args:
        videos: the list of the videos.
        length: seconds of a segment; 0 leaves every video whole.

    Raises:
        FerError: the process that reads durations cannot be started.
    """
    if not length:
        return []
    with DurationReader() as durations:
        counts = (
            (number, 1 if is_address(unit) else count_segments(durations.read(unit), length))
            for number, unit in enumerate(read_all_units(videos))
        )
        return [(number, count) for number, count in counts if count > 1]

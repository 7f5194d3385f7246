"""What each person of a stream showed over time, in memory that does not grow with the stream's length.

Time is cut into equal bins, at most :data:`MOST_BINS`. When a stream outgrows them, pairs of bins are merged.
"""

from dataclasses import dataclass, field

import numpy as np

from fer.labels import EXPRESSIONS

MOST_BINS = 1024
_FIRST_BIN_SECONDS = 0.1


@dataclass
class PersonTime:
    """One person's time on screen.

    Args:
        first: seconds at which the person was first seen.
        last: seconds at which the person was last seen.
        seconds_by_label: float64 (7,), seconds that each expression was the most probable.
    """

    first: float
    last: float
    seconds_by_label: np.ndarray = field(default_factory=lambda: np.zeros(len(EXPRESSIONS)))

    @property
    def seconds(self) -> float:
        """Seconds on screen."""
        return float(self.seconds_by_label.sum())

    @property
    def shares(self) -> dict[str, float]:
        """Share of the time on screen of each expression, 0..1."""
        total = self.seconds or 1.0
        return {name: float(value / total) for name, value in zip(EXPRESSIONS, self.seconds_by_label, strict=True)}


class Timeline:
    """Mean probabilities of each person in each bin of time.

    Attributes:
        people: each person's time on screen, by track number.
        bin_seconds: width of a bin.
        end: seconds at which the last frame ended.
    """

    def __init__(self) -> None:
        self.people: dict[int, PersonTime] = {}
        self.bin_seconds = _FIRST_BIN_SECONDS
        self.end = 0.0
        self._bins: dict[int, dict[int, np.ndarray]] = {}

    def add(self, track_id: int, probabilities: np.ndarray, seconds: float, duration: float) -> None:
        """Note what a person showed in a frame.

        Args:
            track_id: the person.
            probabilities: float (7,), smoothed.
            seconds: the frame's time.
            duration: seconds until the next frame.
        """
        person = self.people.setdefault(track_id, PersonTime(seconds, seconds))
        person.last = seconds
        person.seconds_by_label[int(np.argmax(probabilities))] += duration
        self.end = max(self.end, seconds + duration)
        while int(seconds / self.bin_seconds) >= MOST_BINS:
            self._merge_bins()
        bins = self._bins.setdefault(track_id, {})
        # The eighth number counts the frames of the bin.
        total = bins.setdefault(int(seconds / self.bin_seconds), np.zeros(len(EXPRESSIONS) + 1))
        total += [*probabilities, 1.0]

    def read_person(self, track_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a person's curve.

        Returns:
            float64 (B,), the middles of the bins in seconds, rising, and float64 (B, 7), their mean probabilities;
            a row of NaN separates stretches in which the person was away.
        """
        bins = self._bins[track_id]
        times: list[float] = []
        rows: list[np.ndarray] = []
        for index in sorted(bins):
            middle = (index + 0.5) * self.bin_seconds
            # Three empty bins are an absence; fewer may only mean that frames are further apart than bins are wide.
            if times and middle - times[-1] > max(4 * self.bin_seconds, 1.0):
                times.append((middle + times[-1]) / 2)
                rows.append(np.full(len(EXPRESSIONS), np.nan))
            times.append(middle)
            rows.append(bins[index][:-1] / bins[index][-1])
        return np.array(times), np.array(rows)

    def _merge_bins(self) -> None:
        self.bin_seconds *= 2
        for track_id, bins in self._bins.items():
            merged: dict[int, np.ndarray] = {}
            for index, total in bins.items():
                merged[index // 2] = merged[index // 2] + total if index // 2 in merged else total
            self._bins[track_id] = merged

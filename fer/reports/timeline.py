"""Each person's expressions over time, in memory that does not grow with the length of the stream.

Time is cut into bins of equal width. A :class:`Timeline` has at most :data:`MOST_BINS`: when a stream is longer than
these, pairs of bins are merged.
"""

from dataclasses import dataclass, field

import numpy as np

from fer.labels import EXPRESSIONS
from fer.vision.faces import AnalyzedFrame

MOST_BINS = 1024
_FIRST_BIN_SECONDS = 0.1
#: A person is away if no frame shows them for longer than this, and for longer than three whole bins: shorter gaps also
#: arise where frames are further apart than bins are wide.
_LONGEST_PAUSE = 1.0
_SMALLEST_SHARE = 0.005
#: Seconds that a frame counts for at least, so that no bin is without weight.
_LEAST_WEIGHT = 1e-6

#: A person's bins without a pause: their indices or times (B,), rising, and their mean probabilities, float64 (B, 7).
Stretch = tuple[np.ndarray, np.ndarray]


@dataclass
class PersonTime:
    """A person's time on screen.

    Args:
        seconds_by_label: float64 (7,), seconds during which each expression was the most probable.
    """

    seconds_by_label: np.ndarray = field(default_factory=lambda: np.zeros(len(EXPRESSIONS)))

    @property
    def seconds(self) -> float:
        """Seconds on screen."""
        return float(self.seconds_by_label.sum())

    @property
    def shares(self) -> dict[str, float]:
        """Share of each expression in the time on screen, 0..1."""
        total = self.seconds or 1.0
        return {name: float(value / total) for name, value in zip(EXPRESSIONS, self.seconds_by_label, strict=True)}

    def describe_shares(self) -> str:
        """Return the shares as text, the largest first: "happy 75 %, sad 25 %"."""
        shares = {name: share for name, share in self.shares.items() if share >= _SMALLEST_SHARE}
        return ", ".join(
            f"{name} {shares[name] * 100:.0f} %" for name in sorted(shares, key=lambda name: -shares[name])
        )


class TimeBins:
    """Mean probabilities of each person in each bin of time.

    Args:
        seconds: width of a bin.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # The last of the eight numbers of a bin is the sum of its weights.
        self._sums: dict[int, dict[int, np.ndarray]] = {}

    def add(self, track_id: int, probabilities: np.ndarray, seconds: float, weight: float = 1.0) -> None:
        """Add a person's probabilities, float (7,), at a time; their weight is the duration of the frame."""
        sums = self._sums.setdefault(track_id, {}).setdefault(self.find_bin(seconds), np.zeros(len(EXPRESSIONS) + 1))
        sums += np.append(probabilities, 1.0) * weight

    def find_bin(self, seconds: float) -> int:
        """Return the index of the bin that a time falls into."""
        return int(seconds / self.seconds)

    def read_stretches(self, track_id: int) -> list[Stretch]:
        """Return a person's bins, cut where the person was away."""
        bins = self._sums[track_id]
        indices = np.array(sorted(bins))
        means = np.array([bins[index][:-1] / bins[index][-1] for index in indices])
        longest = max(4 * self.seconds, _LONGEST_PAUSE)
        cuts = np.flatnonzero(np.diff(indices) * self.seconds > longest) + 1
        return list(zip(np.split(indices, cuts), np.split(means, cuts), strict=True))

    def read_people(self) -> dict[int, list[Stretch]]:
        """Return the stretches of each person, by rising track number."""
        return {track_id: self.read_stretches(track_id) for track_id in sorted(self._sums)}

    def drop_before(self, first: int) -> None:
        """Drop the bins whose index is below ``first``, and the people who have no other bin."""
        kept = {
            track_id: {index: sums for index, sums in bins.items() if index >= first}
            for track_id, bins in self._sums.items()
        }
        self._sums = {track_id: bins for track_id, bins in kept.items() if bins}

    def merge_pairs(self) -> None:
        """Make bins twice as wide."""
        self.seconds *= 2
        for track_id, bins in self._sums.items():
            merged: dict[int, np.ndarray] = {}
            for index, sums in bins.items():
                merged[index // 2] = merged.get(index // 2, 0.0) + sums
            self._sums[track_id] = merged


class Timeline:
    """The people of a whole stream: their time on screen, and their mean probabilities over time.

    Attributes:
        people: time on screen by track number.
        end: time at which the last frame ended, in seconds.
    """

    def __init__(self) -> None:
        self.people: dict[int, PersonTime] = {}
        self.end = 0.0
        self._bins = TimeBins(_FIRST_BIN_SECONDS)

    @property
    def bin_seconds(self) -> float:
        """Width of a bin."""
        return self._bins.seconds

    def add(self, analyzed: AnalyzedFrame) -> None:
        """Add the people of a frame."""
        seconds, duration = analyzed.frame.seconds, analyzed.duration
        for face in analyzed.faces:
            assert face.track_id is not None
            self.add_person(face.track_id, face.probabilities, seconds, duration)

    def add_person(self, track_id: int, probabilities: np.ndarray, seconds: float, duration: float) -> None:
        """Add one person of a frame.

        Args:
            track_id: number of the person.
            probabilities: float (7,), smoothed.
            seconds: time of the frame.
            duration: seconds until the next frame.
        """
        person = self.people.setdefault(track_id, PersonTime())
        person.seconds_by_label[int(np.argmax(probabilities))] += duration
        self.end = max(self.end, seconds + duration)
        while self._bins.find_bin(seconds) >= MOST_BINS:
            self._bins.merge_pairs()
        self._bins.add(track_id, probabilities, seconds, max(duration, _LEAST_WEIGHT))

    def read_stretches(self, track_id: int) -> list[Stretch]:
        """Return a person's curve, in one piece for each stretch of time on screen.

        Returns:
            For each stretch float64 (B,), middles of the bins in seconds, rising, and float64 (B, 7), their mean
            probabilities.
        """
        stretches = self._bins.read_stretches(track_id)
        return [((indices + 0.5) * self.bin_seconds, means) for indices, means in stretches]

"""Each person's resting face, and their answers without it.

Some people's faces look sad or angry at rest. A :class:`Baseline` averages the log-odds of each person of a stream over
a range of time in which they rest, or takes those of a photo. How far this mean is from the log-odds of neutral faces
in general is subtracted from the log-odds of every answer:

    log-odds of the answer - weight * (mean at rest - mean of neutral faces)

with weight = seconds at rest / (seconds at rest + :data:`PSEUDO_SECONDS`). A typical neutral face thus changes nothing,
and neither does a person who was seen for a moment only.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from fer.calibration import compute_log_odds, compute_softmax
from fer.labels import EXPRESSIONS
from fer.vision.faces import Face

#: Pseudo-count, in seconds at rest: the ratio of the variance of one person's log-odds to that between people, times
#: the seconds after which they are independent. 0.1 to 0.3 s on a video, 1 s on drawn faces; the cautious value.
PSEUDO_SECONDS = 1.0
#: Seconds at rest that a photo counts for: one independent view.
PHOTO_SECONDS = 1.0
_LEAST_PROBABILITY = 1e-12


@dataclass
class RestingFace:
    """One person's face at rest.

    Args:
        total: float64 (7,), sum of the log-odds over the seconds.
        seconds: time that it was seen.
    """

    total: np.ndarray = field(default_factory=lambda: np.zeros(len(EXPRESSIONS)))
    seconds: float = 0.0

    @property
    def weight(self) -> float:
        """Share of the resting face that is subtracted, 0..1."""
        return self.seconds / (self.seconds + PSEUDO_SECONDS)

    def add(self, probabilities: np.ndarray, seconds: float) -> None:
        """Add a view of the face.

        Args:
            probabilities: float (7,), the answer to it.
            seconds: how long it was seen, 0 or more.
        """
        self.total = self.total + compute_log_odds(probabilities) * seconds
        self.seconds += seconds

    def subtract(self, probabilities: np.ndarray, neutral_log_odds: np.ndarray) -> np.ndarray:
        """Return an answer without this face.

        Args:
            probabilities: float (7,), the answer.
            neutral_log_odds: float (7,), mean log-odds of neutral faces.

        Returns:
            float32 (7,), summing to 1; the answer itself if the face was never seen.
        """
        if not self.seconds:
            return probabilities
        offsets = self.weight * (self.total / self.seconds - neutral_log_odds)
        logits = np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY)) - offsets
        return np.asarray(compute_softmax(logits), np.float32)


class Baseline:
    """The resting faces of the people of one stream, from a range of its time or from a photo.

    Args:
        start: time at which the range begins, in seconds.
        end: time at which it ends; from then on, answers are given.
        photo: a neutral face that counts for every person, instead of a range.

    Attributes:
        people: resting faces by track number; those of a photo are not among them.
        is_known: whether the range is over. Set it to use what was learned in an earlier pass over the same stream.
        num_frames: number of frames in the range.

    Example:
        >>> baseline = Baseline(0.0, 5.0)
        >>> baseline.update([], seconds=0.0, duration=0.1, neutral_log_odds=np.zeros(7))
        []
    """

    def __init__(self, start: float = 0.0, end: float = 0.0, *, photo: Face | None = None) -> None:
        self.start = start
        self.end = end
        self.people: dict[int, RestingFace] = {}
        self.is_known = photo is not None
        self.num_frames = 0
        self._photo = RestingFace() if photo is not None else None
        if self._photo is not None and photo is not None:
            self._photo.add(photo.probabilities, PHOTO_SECONDS)

    @property
    def is_photo(self) -> bool:
        """Whether the resting face is that of a photo."""
        return self._photo is not None

    def update(self, faces: list[Face], seconds: float, duration: float, neutral_log_odds: np.ndarray) -> list[Face]:
        """Return the faces of a frame with their answers without the resting faces, or learn from them.

        Args:
            faces: the faces, each with a track number.
            seconds: time of the frame.
            duration: seconds until the next frame.
            neutral_log_odds: float (7,), mean log-odds of neutral faces.

        Returns:
            The faces; those of people whose resting face is known have ``baseline_probabilities``.
        """
        self.is_known = self.is_known or seconds >= self.end
        if self.is_known:
            return [self._subtract(face, neutral_log_odds) for face in faces]
        if seconds >= self.start:
            self.num_frames += 1
            for face in faces:
                assert face.track_id is not None
                self.people.setdefault(face.track_id, RestingFace()).add(face.raw_probabilities, duration)
        return faces

    def _subtract(self, face: Face, neutral_log_odds: np.ndarray) -> Face:
        resting = self._photo or self.people.get(face.track_id or 0)
        if resting is None:
            return face
        return replace(face, baseline_probabilities=resting.subtract(face.probabilities, neutral_log_odds))

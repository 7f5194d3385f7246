"""Who is who from frame to frame, and each person's probabilities smoothed over time.

One :class:`Tracker` belongs to one stream: nothing is shared between streams, and nothing between the faces of one. All
times are seconds of the stream, never counts of frames, so that a skipped frame or another rate changes nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from fer.vision.detection import Box, compute_area, compute_containment, compute_iou

#: Boxes that share less than this cannot be one face.
LEAST_OVERLAP = 0.2
#: A face that is gone for longer than this comes back as somebody new.
LONGEST_GAP = 1.5
#: Time after which an old answer has lost 63 % of its weight.
SMOOTHING_SECONDS = 0.4
#: Time over which a face's movement is averaged: a box trembles by a few pixels even where nobody moves.
_VELOCITY_SECONDS = 0.5
#: A box that loses more than this share of its area at once is a face half hidden: it says little of the face's place.
_COVERED_AREA = 0.85
#: A face that comes out from behind something shows a part of itself first, which counts as half an overlap.
_PART_WEIGHT = 0.5


@dataclass
class Track:
    """One person of a stream.

    Args:
        track_id: number of the person, from 1, never used twice.
        box: last box, in pixels.
        seconds: when it was last seen.
        whole_box: last box that was not half hidden.
        whole_seconds: when that was.
        velocity: movement of that box's centre, in pixels a second; None before it was seen twice.
        probabilities: float64 (7,), smoothed, or None before the first answer.
        answered: time of the last answer, in seconds.
    """

    track_id: int
    box: Box
    seconds: float
    whole_box: Box
    whole_seconds: float
    velocity: tuple[float, float] | None = None
    probabilities: np.ndarray | None = None
    answered: float = 0.0


@dataclass
class Tracker:
    """The people of one stream.

    Args:
        least_overlap: intersection over union, 0..1, that links a box to a track.
        longest_gap: seconds that a face may be hidden.
        smoothing_seconds: time constant of the smoothing; 0 leaves the answers as they are.
    """

    least_overlap: float = LEAST_OVERLAP
    longest_gap: float = LONGEST_GAP
    smoothing_seconds: float = SMOOTHING_SECONDS
    tracks: list[Track] = field(default_factory=list)
    _next_id: int = 1
    _last_update: float = 0.0

    def update(self, boxes: Sequence[Box], seconds: float) -> list[int]:
        """Link the boxes of a frame to the people seen before.

        Args:
            boxes: boxes of the frame's faces, in pixels.
            seconds: the frame's time. A time before the last one means another stream: everybody is forgotten.

        Returns:
            The track number of each box.
        """
        if self.tracks and seconds < max(track.seconds for track in self.tracks):
            self.tracks.clear()
        self.tracks = [track for track in self.tracks if seconds - track.seconds <= self.longest_gap]
        linked = self._link(boxes, seconds)
        self._last_update = seconds
        return [self._see(linked.get(index), box, seconds) for index, box in enumerate(boxes)]

    def smooth(self, track_id: int, probabilities: np.ndarray, seconds: float) -> np.ndarray:
        """Return a person's probabilities averaged over the near past, newer ones weighing more.

        Args:
            track_id: a number that :meth:`update` returned for this frame.
            probabilities: float (7,), the network's answer for the frame.
            seconds: the frame's time.

        Returns:
            float32 (7,), summing to 1 as the answers do.

        Reference:
            Exponential smoothing of an irregular series: the weight of the past is exp(-elapsed / time constant).
        """
        track = next(track for track in self.tracks if track.track_id == track_id)
        answer = probabilities.astype(np.float64)
        if track.probabilities is not None and self.smoothing_seconds > 0:
            past = math.exp(-max(0.0, seconds - track.answered) / self.smoothing_seconds)
            # Two frames at one instant share it: without a floor the second would not count at all.
            answer = track.probabilities * min(past, 0.99) + answer * (1 - min(past, 0.99))
        track.probabilities, track.answered = answer, seconds
        return answer.astype(np.float32)

    def _link(self, boxes: Sequence[Box], seconds: float) -> dict[int, Track]:
        if not self.tracks or not boxes:
            return {}
        overlaps = np.array([[self._compare(track, box, seconds) for box in boxes] for track in self.tracks])
        # A link below the threshold counts nothing, so it never takes a box from one above it.
        overlaps[overlaps < self.least_overlap] = 0.0
        pairs = zip(*linear_sum_assignment(overlaps, maximize=True), strict=True)
        return {int(column): self.tracks[row] for row, column in pairs if overlaps[row, column] > 0}

    def _compare(self, track: Track, box: Box, seconds: float) -> float:
        # A face that stood still behind something is where it was; one that moved on is where it was heading.
        place = _predict_box(track, seconds)
        overlap = max(compute_iou(place, box), compute_iou(track.box, box))
        if track.seconds < self._last_update:
            overlap = max(overlap, _PART_WEIGHT * compute_containment(box, place))
        return overlap

    def _see(self, track: Track | None, box: Box, seconds: float) -> int:
        if track is None:
            track = Track(self._next_id, box, seconds, box, seconds)
            self._next_id += 1
            self.tracks.append(track)
            return track.track_id
        track.box, track.seconds = box, seconds
        hidden_for = seconds - track.whole_seconds
        if compute_area(box) >= _COVERED_AREA * compute_area(track.whole_box) or hidden_for > self.longest_gap:
            track.velocity = _compute_velocity(track, box, seconds)
            track.whole_box, track.whole_seconds = box, seconds
        return track.track_id


def _compute_velocity(track: Track, box: Box, seconds: float) -> tuple[float, float] | None:
    elapsed = seconds - track.whole_seconds
    if elapsed <= 0:
        return track.velocity
    before = track.whole_box
    x, y = ((box[i] + box[i + 2] - before[i] - before[i + 2]) / 2 / elapsed for i in (0, 1))
    if track.velocity is None:
        return x, y
    past = math.exp(-elapsed / _VELOCITY_SECONDS)
    return track.velocity[0] * past + x * (1 - past), track.velocity[1] * past + y * (1 - past)


def _predict_box(track: Track, seconds: float) -> Box:
    elapsed = seconds - track.whole_seconds
    x, y = (speed * elapsed for speed in track.velocity or (0.0, 0.0))
    box = track.whole_box
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y

"""Tracking of people from frame to frame, and smoothing of each person's probabilities over time.

One :class:`Tracker` belongs to one stream. All times are seconds of the stream, not counts of frames, so the results do
not depend on the frame rate. Only a person who was missing in several frames is forgotten, so that the frames of a
timelapse may be further apart than people may be hidden.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from fer.vision.boxes import Box, compute_area, compute_centre, compute_containment, compute_iou, shift_box

#: Least intersection over union, 0..1, of a person's boxes in two frames.
LEAST_OVERLAP = 0.2
#: A person who is hidden for longer than this, in seconds, and missing in at least this many frames, gets a new number.
LONGEST_GAP = 1.5
MOST_MISSED_FRAMES = 2
#: Time constant of the smoothing, in seconds: after this time an old prediction has lost 63 % of its weight.
SMOOTHING_SECONDS = 0.4
#: Time constant of the averaged velocity, in seconds: the boxes of a still face move by a few pixels.
_VELOCITY_SECONDS = 0.5
#: A face is partly covered if its box falls below this share of its last area; the box misleads about its position.
_COVERED_AREA = 0.85
#: A hidden face reappears in part first: its box lies inside the expected one, which counts as half an overlap.
_PART_WEIGHT = 0.5
#: Largest weight of the past: of two frames at the same time the second still counts.
_MOST_PAST = 0.99


@dataclass
class Track:
    """One person of a stream.

    Args:
        track_id: number of the person, from 1, never used twice.
        box: last box, in pixels.
        seconds: time of the last box.
        num_missed: number of frames since then without this person.
        whole_box: last box of the uncovered face.
        whole_seconds: time of that box.
        velocity: movement of that box's centre, in pixels per second; None before the second box.
        probabilities: float64 (7,), smoothed; None before the first prediction.
        predicted: time of the last prediction, in seconds.
    """

    track_id: int
    box: Box
    seconds: float
    whole_box: Box
    whole_seconds: float
    num_missed: int = 0
    velocity: tuple[float, float] | None = None
    probabilities: np.ndarray | None = None
    predicted: float = 0.0


@dataclass
class Tracker:
    """The people of one stream.

    Args:
        least_overlap: least intersection over union, 0..1, of a person's boxes in two frames.
        longest_gap: seconds that a face may be hidden.
        most_missed: number of frames in which a face must be missing as well.
        smoothing_seconds: time constant of the smoothing; 0 turns it off.

    Example:
        >>> tracker = Tracker()
        >>> tracker.update([(0, 0, 40, 40), (200, 0, 240, 40)], seconds=0.0)
        [1, 2]
        >>> tracker.update([(205, 0, 245, 40)], seconds=0.1)
        [2]
    """

    least_overlap: float = LEAST_OVERLAP
    longest_gap: float = LONGEST_GAP
    most_missed: int = MOST_MISSED_FRAMES
    smoothing_seconds: float = SMOOTHING_SECONDS
    tracks: list[Track] = field(default_factory=list)
    _next_id: int = 1
    _last_update: float = 0.0

    def update(self, boxes: Sequence[Box], seconds: float) -> list[int]:
        """Assign the boxes of a frame to the people of the stream.

        Args:
            boxes: boxes of the frame's faces, in pixels.
            seconds: time of the frame. An earlier time than the last one starts a new stream without people.

        Returns:
            The track number of each box.
        """
        if self.tracks and seconds < max(track.seconds for track in self.tracks):
            self.tracks.clear()
        self.tracks = [
            track
            for track in self.tracks
            if seconds - track.seconds <= self.longest_gap or track.num_missed < self.most_missed
        ]
        for track in self.tracks:
            track.num_missed += 1
        assigned = self._assign(boxes, seconds)
        self._last_update = seconds
        return [self._update_track(assigned.get(index), box, seconds) for index, box in enumerate(boxes)]

    def smooth(self, track_id: int, probabilities: np.ndarray, seconds: float) -> np.ndarray:
        """Return a person's probabilities averaged over the last frames, with larger weights for newer ones.

        Args:
            track_id: a number that :meth:`update` returned for this frame.
            probabilities: float (7,), the prediction for the frame.
            seconds: time of the frame.

        Returns:
            float32 (7,), with the same sum as the predictions.

        Reference:
            Exponential smoothing of an irregular series: the weight of the past is exp(-elapsed / time constant).
        """
        track = next(track for track in self.tracks if track.track_id == track_id)
        smoothed = probabilities.astype(np.float64)
        if track.probabilities is not None and self.smoothing_seconds > 0:
            elapsed = max(0.0, seconds - track.predicted)
            past = min(math.exp(-elapsed / self.smoothing_seconds), _MOST_PAST)
            smoothed = track.probabilities * past + smoothed * (1 - past)
        track.probabilities, track.predicted = smoothed, seconds
        return smoothed.astype(np.float32)

    def _assign(self, boxes: Sequence[Box], seconds: float) -> dict[int, Track]:
        """Return the track of each index of a box that has one."""
        if not self.tracks or not boxes:
            return {}
        from scipy.optimize import (
            linear_sum_assignment,
        )  # here, because photos need no tracks, and it is slow to import

        overlaps = np.array([[self._compare(track, box, seconds) for box in boxes] for track in self.tracks])
        # An overlap below the threshold counts as none, so that it never takes a box from a better track.
        overlaps[overlaps < self.least_overlap] = 0.0
        pairs = zip(*linear_sum_assignment(overlaps, maximize=True), strict=True)
        return {int(column): self.tracks[row] for row, column in pairs if overlaps[row, column] > 0}

    def _compare(self, track: Track, box: Box, seconds: float) -> float:
        # A hidden face reappears where it was, or where its movement leads.
        expected = _predict_box(track, seconds)
        overlap = max(compute_iou(expected, box), compute_iou(track.box, box))
        if track.seconds < self._last_update:
            overlap = max(overlap, _PART_WEIGHT * compute_containment(box, expected))
        return overlap

    def _update_track(self, track: Track | None, box: Box, seconds: float) -> int:
        if track is None:
            track = Track(self._next_id, box, seconds, box, seconds)
            self._next_id += 1
            self.tracks.append(track)
            return track.track_id
        track.box, track.seconds, track.num_missed = box, seconds, 0
        covered_for = seconds - track.whole_seconds
        if compute_area(box) >= _COVERED_AREA * compute_area(track.whole_box) or covered_for > self.longest_gap:
            track.velocity = _compute_velocity(track, box, seconds)
            track.whole_box, track.whole_seconds = box, seconds
        return track.track_id


def _compute_velocity(track: Track, box: Box, seconds: float) -> tuple[float, float] | None:
    elapsed = seconds - track.whole_seconds
    if elapsed <= 0:
        return track.velocity
    centres = zip(compute_centre(box), compute_centre(track.whole_box), strict=True)
    x, y = ((now - before) / elapsed for now, before in centres)
    if track.velocity is None:
        return x, y
    past = math.exp(-elapsed / _VELOCITY_SECONDS)
    return track.velocity[0] * past + x * (1 - past), track.velocity[1] * past + y * (1 - past)


def _predict_box(track: Track, seconds: float) -> Box:
    elapsed = seconds - track.whole_seconds
    x, y = track.velocity or (0.0, 0.0)
    return shift_box(track.whole_box, x * elapsed, y * elapsed)

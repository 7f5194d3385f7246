"""One viewer's live camera: people followed from frame to frame, and what each showed in the last half minute.

Nothing is shared between viewers but the network. Pictures are uint8 (H, W, 3), RGB; times are seconds.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fer.analysis import Analyzer, Face
from fer.labels import EXPRESSIONS
from fer.vision.annotation import draw_faces
from fer.vision.images import ImageSource, decode_image, shrink_to
from fer.vision.tracking import Tracker

#: How far back the rolling timeline reaches, in seconds, and the width of one of its bins.
WINDOW_SECONDS = 30.0
BIN_SECONDS = 0.25
#: Longer side, in pixels, of the largest frame that is taken as it comes: a camera has no use for more here.
MOST_FRAME_SIDE = 1280
_RATE_FRAMES = 30


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """What one frame gave.

    Args:
        image: uint8 (H, W, 3), the frame with boxes and labels drawn in.
        faces: its people, with track numbers and smoothed probabilities, by track number.
        activations: for each face, float32 (48, 48), 0..1, where its answer comes from; empty where not asked for.
        number: number of the frame in the viewer's session, from 1.
        rate: frames a second of the last frames; 0 for the first one.
        draw_timeline: whether the timeline has changed enough to be drawn again.
    """

    image: np.ndarray
    faces: list[Face]
    activations: list[np.ndarray]
    number: int
    rate: float
    draw_timeline: bool


class RollingTimeline:
    """Mean probabilities of each person in each bin of the last :data:`WINDOW_SECONDS`."""

    def __init__(self) -> None:
        self._bins: dict[int, dict[int, np.ndarray]] = {}
        self._now = 0

    def add(self, seconds: float, faces: list[Face]) -> None:
        """Note the people of a frame, and forget what lies further back than the window.

        Args:
            seconds: time of the frame; it never goes back.
            faces: its people, each with a track number.
        """
        self._now = int(seconds / BIN_SECONDS)
        for face in faces:
            assert face.track_id is not None
            # The eighth number counts the frames of the bin.
            bins = self._bins.setdefault(face.track_id, {})
            bins.setdefault(self._now, np.zeros(len(EXPRESSIONS) + 1))[:] += [*face.probabilities, 1.0]
        self._forget(self._now - round(WINDOW_SECONDS / BIN_SECONDS))

    def read_people(self) -> dict[int, list[tuple[np.ndarray, np.ndarray]]]:
        """Return each person's stretches on screen, by track number.

        Returns:
            For each person a list of stretches: float64 (B,), seconds before now, at most 0 and rising, and
            float64 (B, 7), mean probabilities. A stretch ends where the person was away for longer than a second.
        """
        return {person: self._read_stretches(bins) for person, bins in sorted(self._bins.items())}

    def _read_stretches(self, bins: dict[int, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        indices = np.array(sorted(bins))
        rows = np.array([bins[index][:-1] / bins[index][-1] for index in indices])
        cuts = np.flatnonzero(np.diff(indices) * BIN_SECONDS > 1.0) + 1
        times = (indices - self._now) * BIN_SECONDS
        return list(zip(np.split(times, cuts), np.split(rows, cuts), strict=True))

    def _forget(self, first: int) -> None:
        for person in list(self._bins):
            kept = {index: total for index, total in self._bins[person].items() if index >= first}
            if kept:
                self._bins[person] = kept
            else:
                del self._bins[person]


class LiveSession:
    """One viewer's people and timeline.

    Args:
        analyzer: what reads the frames; its detector should suit streams.
        clock: gives the time in seconds.
    """

    def __init__(self, analyzer: Analyzer, clock: Callable[[], float] = time.monotonic) -> None:
        self.analyzer = analyzer
        self.timeline = RollingTimeline()
        self.num_frames = 0
        self._tracker = Tracker()
        self._clock = clock
        self._started = clock()
        self._times: deque[float] = deque(maxlen=_RATE_FRAMES)
        self._last_drawn = -1
        # A page that rejoins the queue may have two frames under way for a moment; the tracker knows one at a time.
        self._lock = threading.Lock()

    def process(self, picture: ImageSource, *, explain: bool = False) -> LiveFrame:
        """Analyze a frame that has just come.

        Args:
            picture: the frame, as :meth:`fer.Analyzer.analyze` takes it.
            explain: also compute the activation maps.

        Raises:
            ImageError: the frame cannot be used.
        """
        image, _ = shrink_to(decode_image(picture), MOST_FRAME_SIDE)
        with self._lock:
            seconds = self._clock() - self._started
            faces = self.analyzer.analyze_frame(image, self._tracker, seconds)
            faces.sort(key=lambda face: face.track_id or 0)
            self.timeline.add(seconds, faces)
            self._times.append(seconds)
            self.num_frames += 1
            number, rate, draw = self.num_frames, self._compute_rate(), self._is_due(seconds)
        activations = [self.analyzer.explain(face) for face in faces] if explain else []
        return LiveFrame(draw_faces(image, faces, bars=False), faces, activations, number, rate, draw)

    def _compute_rate(self) -> float:
        elapsed = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / elapsed if elapsed > 0 else 0.0

    def _is_due(self, seconds: float) -> bool:
        """Say whether half a second has passed since the timeline was last drawn: more often, the eye sees no gain."""
        half, self._last_drawn = self._last_drawn, int(seconds * 2)
        return half != self._last_drawn

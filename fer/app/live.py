"""One visitor's live camera: tracked people, and each person's expressions in the last half minute.

Visitors share nothing but the network. Images are uint8 (H, W, 3), RGB; times are in seconds.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fer.analysis import Analyzer
from fer.reports.timeline import Stretch, TimeBins
from fer.vision.annotation import draw_faces
from fer.vision.baseline import Baseline
from fer.vision.boxes import flip_box
from fer.vision.faces import Face
from fer.vision.images import ImageSource, decode_image, shrink_to
from fer.vision.tracking import Tracker

#: Length of the rolling timeline and width of its bins, in seconds.
WINDOW_SECONDS = 30.0
BIN_SECONDS = 0.25
#: Longer side, in pixels, above which a frame is reduced in size.
MOST_FRAME_SIDE = 1280
#: Seconds for which a visitor holds a neutral face after asking for it to be subtracted.
BASELINE_SECONDS = 3.0
#: Seconds between two frames that the browser sends.
STREAM_EVERY = 0.05
#: Smallest size of a caption in the image as it is shown, in CSS pixels.
LEAST_TEXT = 14.0
#: What the page asks of a camera. The browser never mirrors: people keep their numbers when the view is mirrored.
CAMERA = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "facingMode": "user"}}
#: Number of frames over which the frame rate is measured.
_RATE_FRAMES = 30
#: A frame counts for the time since the last one, in seconds, but not for that of a pause.
_LONGEST_FRAME = 0.5


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """One analyzed frame of a camera.

    Args:
        image: uint8 (H, W, 3), the annotated frame, with boxes and labels, mirrored if that was asked for.
        faces: the faces, with smoothed probabilities, in the order of their track numbers.
        activations: a class activation map per face, float32 (48, 48), 0..1; empty if not asked for.
        number: number of the frame in the session, from 1.
        rate: frames per second over the last frames; 0 for the first frame.
        draw_timeline: whether it is time to draw the timeline again.
        notice: a sentence about the neutral face; empty if there is none.
    """

    image: np.ndarray
    faces: list[Face]
    activations: list[np.ndarray]
    number: int
    rate: float
    draw_timeline: bool
    notice: str = ""


class RollingTimeline:
    """Mean probabilities of each person in each bin of the last :data:`WINDOW_SECONDS`."""

    def __init__(self) -> None:
        self._bins = TimeBins(BIN_SECONDS)
        self._now = 0

    def add(self, seconds: float, faces: list[Face]) -> None:
        """Add the people of a frame, and drop what is older than the window.

        Args:
            seconds: time of the frame; it never decreases.
            faces: the people, each with a track number.
        """
        self._now = self._bins.find_bin(seconds)
        for face in faces:
            assert face.track_id is not None
            self._bins.add(face.track_id, face.probabilities, seconds)
        self._bins.drop_before(self._now - round(WINDOW_SECONDS / BIN_SECONDS))

    def read_people(self) -> dict[int, list[Stretch]]:
        """Return each person's stretches of time on screen, by track number.

        Returns:
            For each stretch float64 (B,), seconds relative to now, at most 0 and rising, and float64 (B, 7), mean
            probabilities. A stretch ends where the person was away for longer than a second.
        """
        return {
            track_id: [((indices - self._now) * BIN_SECONDS, means) for indices, means in stretches]
            for track_id, stretches in self._bins.read_people().items()
        }


class LiveSession:
    """One visitor's tracked people and timeline.

    Args:
        analyzer: analyzes the frames; its detector should be fast enough for a camera.
        clock: returns the time in seconds.
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
        self._baseline: Baseline | None = None
        # A page that rejoins the queue may send two frames at once for a moment; the tracker takes one at a time.
        self._lock = threading.Lock()

    def start_baseline(self) -> None:
        """Learn the neutral faces of the people in view for :data:`BASELINE_SECONDS`, in place of earlier ones."""
        with self._lock:
            now = self._clock() - self._started
            self._baseline = Baseline(now, now + BASELINE_SECONDS)

    def clear_baseline(self) -> None:
        """Drop the neutral faces."""
        with self._lock:
            self._baseline = None

    def process(
        self, source: ImageSource, *, explain: bool = False, mirror: bool = False, shown_width: float | None = None
    ) -> LiveFrame:
        """Analyze a frame that has just arrived.

        Args:
            source: the frame, as :meth:`fer.Analyzer.analyze` takes images.
            explain: also compute the activation maps.
            mirror: draw the frame as a mirror shows it; people keep their numbers.
            shown_width: width of the frame on the screen, in CSS pixels, from which the size of captions follows; None
                if it is not known.

        Raises:
            ImageError: the frame cannot be used.
        """
        image, _ = shrink_to(decode_image(source), MOST_FRAME_SIDE)
        with self._lock:
            seconds = self._clock() - self._started
            faces = self.analyzer.analyze_frame(image, self._tracker, seconds)
            faces.sort(key=lambda face: face.track_id or 0)
            if self._baseline is not None:
                elapsed = seconds - self._times[-1] if self._times else 0.0
                faces = self.analyzer.apply_baseline(self._baseline, faces, seconds, min(elapsed, _LONGEST_FRAME))
            self.timeline.add(seconds, faces)
            self._times.append(seconds)
            self.num_frames += 1
            number, rate, draw = self.num_frames, self._compute_rate(), self._is_timeline_due(seconds)
            notice = "" if self._baseline is None else _describe_baseline(self._baseline, faces, seconds)
        activations = [self.analyzer.explain(face) for face in faces] if explain else []
        drawn = _draw(image, faces, mirror=mirror, smallest_text=choose_text_size(image.shape[1], shown_width))
        return LiveFrame(drawn, faces, activations, number, rate, draw, notice)

    def _compute_rate(self) -> float:
        elapsed = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / elapsed if elapsed > 0 else 0.0

    def _is_timeline_due(self, seconds: float) -> bool:
        """Return whether the timeline is to be drawn: twice a second is as often as the eye needs."""
        previous, self._last_drawn = self._last_drawn, int(seconds * 2)
        return previous != self._last_drawn


def choose_text_size(width: int, shown_width: float | None) -> int:
    """Return the smallest size of a caption in pixels of a frame, so that it has :data:`LEAST_TEXT` on the screen.

    Args:
        width: of the frame, in its own pixels.
        shown_width: of the frame on the screen, in CSS pixels; None, 0 or less if it is not known.
    """
    if shown_width is None or not shown_width > 0:
        return math.ceil(LEAST_TEXT)
    return math.ceil(min(LEAST_TEXT * width / shown_width, width))


def _draw(image: np.ndarray, faces: list[Face], *, mirror: bool, smallest_text: int) -> np.ndarray:
    if mirror:
        width = image.shape[1]
        faces = [replace(face, box=flip_box(face.box, width)) for face in faces]
        image = np.ascontiguousarray(image[:, ::-1])
    return draw_faces(image, faces, bars=False, smallest_text=smallest_text)


def _describe_baseline(baseline: Baseline, faces: list[Face], seconds: float) -> str:
    if not baseline.is_known:
        return f"Hold a neutral face for {math.ceil(baseline.end - seconds)} s."
    if not baseline.people:
        return "No face was seen. Look towards the camera and press the button again."
    if faces and not any(face.track_id in baseline.people for face in faces):
        return "The neutral face belongs to somebody who has left the view. Press the button again."
    return ""

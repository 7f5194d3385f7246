"""Measure how FER2013's faces are framed relative to YuNet's boxes and landmarks.

The constants of :mod:`fer.vision.alignment` were measured here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from fer.errors import ImageError
from fer.labels import FACE_SIZE
from fer.vision.alignment import Frame, compute_tilt
from fer.vision.boxes import Box, compute_centre, compute_longer_side, contains_point, scale_box
from fer.vision.detection import Detection
from fer.vision.synthetic_photos import build_photo
from fer.vision.yunet import YuNetDetector

#: A face is enlarged this many times before it is searched: at 192 pixels YuNet misses the fewest.
_ENLARGEMENT = 4
#: Mean landmarks, in the 48x48 frame, of the 28,227 of 28,709 training faces in which YuNet finds a face
#: (``measure_frame(dataset.part("train").faces)``); the standard deviations are 3 to 5 pixels.
LANDMARKS: tuple[tuple[float, float], ...] = ((14.5, 17.5), (32.0, 17.6), (23.1, 27.7), (16.4, 35.6), (30.2, 35.6))


@dataclass(frozen=True, eq=False)
class FrameMeasurement:
    """YuNet's boxes and landmarks of prepared faces, in pixels of the 48x48 frame.

    Args:
        landmarks: float64 (5, 2), means, in the order of :mod:`fer.vision.detection`.
        landmark_spread: float64 (5, 2), standard deviations.
        box: float64 (4,), means of x_min, y_min, x_max, y_max.
        side: geometric mean of 48 over the longer side of the box.
        offset: mean (x, y) from the centre of the box to that of the frame, in longer sides of the box.
        tilt_spread: standard deviation of the tilt, in degrees.
        num_faces: number of faces that were searched.
        num_detected: number of faces in which YuNet finds a face.
    """

    landmarks: np.ndarray
    landmark_spread: np.ndarray
    box: np.ndarray
    side: float
    offset: tuple[float, float]
    tilt_spread: float
    num_faces: int
    num_detected: int


def measure_frame(faces: Iterable[np.ndarray]) -> FrameMeasurement:
    """Measure YuNet's boxes and landmarks of faces that fill their image.

    Args:
        faces: uint8 (48, 48) grey, 0..255.

    Raises:
        ImageError: YuNet finds a face in none of them.
    """
    searched = list(detect_prepared(faces))
    detections, num_faces = [detection for detection in searched if detection is not None], len(searched)
    if not detections:
        raise ImageError(f"A frame is measured on faces. Received: {num_faces} images in which YuNet finds none.")
    landmarks = np.array([detection.landmarks for detection in detections], np.float64)
    centre = (FACE_SIZE / 2, FACE_SIZE / 2)
    frame = _average([_compare(detection.box, centre, FACE_SIZE) for detection in detections])
    return FrameMeasurement(
        landmarks=landmarks.mean(axis=0),
        landmark_spread=landmarks.std(axis=0),
        box=np.array([detection.box for detection in detections], np.float64).mean(axis=0),
        side=frame.side,
        offset=frame.offset,
        tilt_spread=float(np.std([compute_tilt(points) for points in landmarks])),
        num_faces=num_faces,
        num_detected=len(detections),
    )


def measure_photo_frame(faces: Iterable[np.ndarray], *, seed: int = 0) -> tuple[Frame, int]:
    """Measure the frame of faces relative to YuNet's boxes in synthetic photos of them.

    In a photo YuNet's box is larger than around the same face where it fills its image, so the frame for photos is
    measured on photos.

    Args:
        faces: uint8 (48, 48) grey, 0..255.
        seed: of the photos, as in :func:`fer.evaluation.photo_check.measure_photo_accuracy`.

    Returns:
        The frame (geometric mean of the side, mean offset, no tilt kept) and the number of faces that YuNet finds.

    Raises:
        ImageError: YuNet finds none of them.
    """
    detector = YuNetDetector(small_faces=False)
    comparisons: list[tuple[float, float, float]] = []
    for index, face in enumerate(faces):
        photo, matrix = build_photo(face, np.random.default_rng((seed, index)))
        # The edges of a box lie between pixels, hence the half pixel.
        x, y = (matrix[:, :2] @ np.full(2, (FACE_SIZE - 1) / 2) + matrix[:, 2] + 0.5).tolist()
        side = FACE_SIZE * float(np.sqrt(np.linalg.det(matrix[:, :2])))
        detections = detector.detect(photo)[:1]
        boxes = [detection.box for detection in detections if contains_point(detection.box, x, y)]
        comparisons += [_compare(box, (x, y), side) for box in boxes]
    if not comparisons:
        raise ImageError("A frame is measured on photos of faces. Received: photos in which YuNet finds none.")
    return _average(comparisons), len(comparisons)


def detect_prepared(faces: Iterable[np.ndarray]) -> Iterator[Detection | None]:
    """Yield YuNet's best detection in each of some faces that fill their image, or None where it finds none.

    Args:
        faces: uint8 (48, 48) grey, 0..255.
    """
    side = FACE_SIZE * _ENLARGEMENT
    detector = YuNetDetector(side, small_faces=False)
    for face in faces:
        large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        detections = detector.detect(cv2.cvtColor(large, cv2.COLOR_GRAY2RGB))
        yield _shrink(detections[0]) if detections else None


def _shrink(detection: Detection) -> Detection:
    """Return a detection in the pixels of the face, whose centres lie at whole numbers."""
    landmarks = (np.asarray(detection.landmarks) + 0.5) / _ENLARGEMENT - 0.5
    return Detection(scale_box(detection.box, 1 / _ENLARGEMENT), detection.score, landmarks)


def _compare(box: Box, centre: tuple[float, float], side: float) -> tuple[float, float, float]:
    """Return the offset (x, y) and the log side of a square frame, in longer sides of a box."""
    x, y = compute_centre(box)
    longer = compute_longer_side(box)
    return (centre[0] - x) / longer, (centre[1] - y) / longer, float(np.log(side / longer))


def _average(comparisons: list[tuple[float, float, float]]) -> Frame:
    x, y, log_side = np.mean(comparisons, axis=0)
    return Frame(side=float(np.exp(log_side)), offset=(float(x), float(y)), kept_tilt=0.0)

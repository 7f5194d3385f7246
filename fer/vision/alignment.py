"""From a face in a photo to a crop framed as FER2013 frames its faces.

FER2013 was cut by face boxes: it keeps heads tilted, mouths wide open and faces turned, all at the size of the box. A
crop that puts eyes and mouth on fixed points would undo that (an open mouth would shrink the face). So the place and
the size of a crop follow YuNet's box, and the landmarks give only the tilt. docs/decisions/ holds the comparison.

Pictures are uint8 (H, W, 3), RGB; points are (x, y) in pixels with the centre of the first pixel at (0, 0).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fer.errors import ImageError
from fer.vision.detection import Detection, YuNetDetector
from fer.vision.images import FACE_SIDE, prepare_face

#: A face is enlarged this many times before YuNet looks at it: 192 pixels is where it misses least (see measure_frame).
_ENLARGEMENT = 4
#: A crop is sampled at this many times the final side at most; beyond it, the samples are dense enough to average.
_MOST_SAMPLES = 16
#: Sides of the crops that are looked at beside the one that is framed as FER2013's faces, relative to that one's.
_VIEW_SCALES = (0.9, 1.1)


@dataclass(frozen=True)
class Frame:
    """How a crop lies around a face's box, in units of the longer side of that box.

    Args:
        side: side of the crop.
        offset: (x, y) from the centre of the box to the centre of the crop.
        kept_tilt: tilt of the head, in degrees, that is left as it is; only what exceeds it is turned back. FER2013
            keeps tilts, with a standard deviation of 7.9 degrees.
    """

    side: float
    offset: tuple[float, float]
    kept_tilt: float


#: Measured on the first 5,000 training faces shown as photos, of which YuNet finds 4,793
#: (``fer.vision.synthetic_photos.measure_photo_frame``). On faces that fill their picture its boxes are smaller:
#: 48 pixels are 1.044 of their longer side there, and crops by that figure cost a point of accuracy on photos.
FRAME = Frame(side=0.97, offset=(0.0, -0.002), kept_tilt=8.0)
#: Mean landmarks of the 28,227 of 28,709 training faces in which YuNet finds one, in the 48x48 frame
#: (``measure_frame(dataset.part("train").faces)``); the standard deviations are 3 to 5 pixels.
LANDMARKS: tuple[tuple[float, float], ...] = ((14.5, 17.5), (32.0, 17.6), (23.1, 27.7), (16.4, 35.6), (30.2, 35.6))


@dataclass(frozen=True, eq=False)
class FrameMeasurement:
    """Where YuNet sees the faces of a data set, in pixels of the 48x48 frame.

    Args:
        landmarks: float64 (5, 2), mean places in the order of :mod:`fer.vision.detection`.
        landmark_spread: float64 (5, 2), standard deviations of the same.
        box: float64 (4,), mean of x_min, y_min, x_max, y_max.
        side: geometric mean of 48 over the longer side of the box.
        offset: mean (x, y) from the centre of the box to that of the frame, in longer sides of the box.
        tilt_spread: standard deviation of the tilt, in degrees.
        num_faces: faces given.
        num_detected: faces in which YuNet found one.
    """

    landmarks: np.ndarray
    landmark_spread: np.ndarray
    box: np.ndarray
    side: float
    offset: tuple[float, float]
    tilt_spread: float
    num_faces: int
    num_detected: int


def align_face(image: np.ndarray, detection: Detection, *, frame: Frame = FRAME) -> np.ndarray:
    """Cut a face out of a picture in FER2013's frame.

    Args:
        image: uint8 (H, W, 3) RGB or (H, W) grey, 0..255.
        detection: the face's box and, where known, its landmarks, in the picture's pixels.
        frame: how the crop lies around the box.

    Returns:
        uint8 (48, 48), grey, 0..255. What lies outside the picture repeats its border.

    Raises:
        ImageError: the box is empty or not finite.
    """
    side = compute_crop_side(detection, frame=frame)
    samples = min(_MOST_SAMPLES, max(1, math.ceil(side / FACE_SIDE - 1e-6)))
    matrix = compute_crop_matrix(detection, FACE_SIDE * samples, frame=frame)
    return prepare_face(_warp(image, matrix, FACE_SIDE * samples))


def align_views(image: np.ndarray, detection: Detection, *, frame: Frame = FRAME) -> np.ndarray:
    """Cut a face out of a picture three times: as it is framed, and mirrored a tenth closer and a tenth wider.

    A box says where FER2013's frame lies to some pixels only. The mean answer to the three depends less on it:
    docs/decisions/ holds the comparison.

    Args:
        image: uint8 (H, W, 3) RGB or (H, W) grey, 0..255.
        detection: the face's box and, where known, its landmarks, in the picture's pixels.
        frame: how the first crop lies around the box.

    Returns:
        uint8 (3, 48, 48), grey, 0..255; the first is :func:`align_face`'s.

    Raises:
        ImageError: the box is empty or not finite.
    """
    others = (align_face(image, detection, frame=replace(frame, side=frame.side * scale)) for scale in _VIEW_SCALES)
    return np.stack([align_face(image, detection, frame=frame), *(view[:, ::-1] for view in others)])


def compute_crop_side(detection: Detection, *, frame: Frame = FRAME) -> float:
    """Return the side, in the picture's pixels, of the square that a crop covers."""
    x_min, y_min, x_max, y_max = detection.box
    longer = max(x_max - x_min, y_max - y_min)
    if not (math.isfinite(longer) and x_max > x_min and y_max > y_min):
        raise ImageError(f"A face's box must be finite and not empty. Received: {detection.box}. Remedy: leave it out.")
    return frame.side * longer


def compute_crop_matrix(detection: Detection, output_side: int, *, frame: Frame = FRAME) -> np.ndarray:
    """Return the similarity transform from a picture's pixels to those of a crop.

    Args:
        detection: the face.
        output_side: side of the crop in pixels.
        frame: how the crop lies around the box.

    Returns:
        float64 (2, 3), as cv2.warpAffine reads it.
    """
    side = compute_crop_side(detection, frame=frame)
    angle = math.radians(_exceed(compute_tilt(detection.landmarks), frame.kept_tilt))
    scale = output_side / side
    turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    x_min, y_min, x_max, y_max = detection.box
    # The offset turns with the head. A box's edges lie between pixels, hence the halves.
    offset = np.linalg.inv(turn) @ np.array(frame.offset) * (scale * side / frame.side)
    centre = np.array([(x_min + x_max) / 2 - 0.5, (y_min + y_max) / 2 - 0.5]) + offset
    return np.column_stack([turn, np.full(2, (output_side - 1) / 2) - turn @ centre])


def compute_tilt(landmarks: np.ndarray | None) -> float:
    """Return how far a head leans, in degrees, clockwise in the picture: 0 without landmarks.

    Args:
        landmarks: float (5, 2), or None.
    """
    if landmarks is None:
        return 0.0
    # Eyes and mouth together: a raised corner of the mouth or a closed eye moves one line, seldom both.
    across = (landmarks[1] - landmarks[0]) + (landmarks[4] - landmarks[3])
    return math.degrees(math.atan2(float(across[1]), float(across[0])))


def measure_frame(faces: Iterable[np.ndarray]) -> FrameMeasurement:
    """Measure where YuNet sees faces that are framed as the network expects them.

    Args:
        faces: uint8 (48, 48) grey, 0..255.

    Raises:
        ImageError: YuNet finds no face in any of them.
    """
    found, num_faces = _detect_prepared(faces)
    if not found:
        raise ImageError(f"A frame is measured on faces. Received: {num_faces} pictures without one.")
    landmarks = np.array([face.landmarks for face in found], np.float64)
    boxes = np.array([face.box for face in found], np.float64)
    longer = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    offsets = (FACE_SIDE / 2 - (boxes[:, :2] + boxes[:, 2:]) / 2) / longer[:, None]
    return FrameMeasurement(
        landmarks=landmarks.mean(0),
        landmark_spread=landmarks.std(0),
        box=boxes.mean(0),
        side=float(np.exp(np.log(FACE_SIDE / longer).mean())),
        offset=(float(offsets[:, 0].mean()), float(offsets[:, 1].mean())),
        tilt_spread=float(np.std([compute_tilt(each) for each in landmarks])),
        num_faces=num_faces,
        num_detected=len(found),
    )


def _detect_prepared(faces: Iterable[np.ndarray]) -> tuple[list[Detection], int]:
    detector = YuNetDetector(FACE_SIDE * _ENLARGEMENT, small_faces=False)
    side, num_faces, found = FACE_SIDE * _ENLARGEMENT, 0, []
    for face in faces:
        num_faces += 1
        large = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
        for detection in detector.detect(cv2.cvtColor(large, cv2.COLOR_GRAY2RGB))[:1]:
            x_min, y_min, x_max, y_max = (value / _ENLARGEMENT for value in detection.box)
            landmarks = (np.asarray(detection.landmarks) + 0.5) / _ENLARGEMENT - 0.5
            found.append(Detection((x_min, y_min, x_max, y_max), detection.score, landmarks))
    return found, num_faces


def _exceed(tilt: float, kept: float) -> float:
    return math.copysign(max(0.0, abs(tilt) - kept), tilt)


def _warp(image: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    # Only the part under the crop is given to OpenCV, whose warp refuses pictures above 32,767 pixels a side.
    corners = cv2.invertAffineTransform(matrix) @ np.array([[0, side, 0, side], [0, 0, side, side], [1, 1, 1, 1]])
    height, width = image.shape[:2]
    left, top = (
        int(np.clip(low - 2, 0, limit - 1)) for low, limit in zip(corners.min(1), (width, height), strict=True)
    )
    right, bottom = (
        int(np.clip(high + 3, 1, limit)) for high, limit in zip(corners.max(1), (width, height), strict=True)
    )
    part = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (left, top)
    return cv2.warpAffine(part, shifted, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

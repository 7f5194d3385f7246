"""Crop a face from an image so that it is framed like the faces of FER2013.

FER2013 was cropped by face boxes: it keeps tilted heads, wide open mouths and turned faces, all at the size of the box.
A crop that puts eyes and mouth on fixed points would undo that (an open mouth would shrink the face). So the position
and the size of a crop follow YuNet's box, and the landmarks give only the tilt. docs/decisions/ has the comparison.

Images are uint8 (H, W, 3), RGB; points are (x, y) in pixels, with the centre of the first pixel at (0, 0).
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fer.errors import ImageError
from fer.labels import FACE_SIZE
from fer.vision.boxes import compute_centre, compute_longer_side
from fer.vision.detection import Detection
from fer.vision.images import prepare_face

#: Largest ratio of the side at which a crop is sampled to its final side; more samples would not change the average.
MOST_SAMPLES = 16
#: The views of a face in a photo: their sides, relative to the side of its crop, and whether they are mirrored.
VIEWS = ((1.0, False), (0.9, False), (0.8, True), (1.2, True))


@dataclass(frozen=True)
class Frame:
    """Position and size of a crop relative to a face's box, in units of the box's longer side.

    Args:
        side: side of the crop.
        offset: (x, y) from the centre of the box to the centre of the crop.
        kept_tilt: tilt of the head, in degrees, that is kept; only the rest is rotated away. FER2013 keeps tilts, with
            a standard deviation of 7.9 degrees.
    """

    side: float
    offset: tuple[float, float]
    kept_tilt: float


#: A twentieth tighter than FER2013's frame: a box does not tell the size exactly, and a crop that is too wide costs
#: more than one that is too tight (docs/decisions/). FER2013's own side is 0.97, measured with
#: ``fer.vision.framing.measure_photo_frame`` on the first 5,000 training faces, of which YuNet finds 4,793. On faces
#: that fill their image YuNet's boxes are smaller: there 48 pixels are 1.044 of the longer side.
FRAME = Frame(side=0.92, offset=(0.0, -0.002), kept_tilt=8.0)


def align_face(image: np.ndarray, detection: Detection, *, frame: Frame = FRAME) -> np.ndarray:
    """Crop a face from an image in FER2013's frame.

    Args:
        image: uint8 (H, W, 3) RGB or (H, W) grey, 0..255.
        detection: box and optional landmarks of the face, in the image's pixels.
        frame: position and size of the crop relative to the box.

    Returns:
        uint8 (48, 48), grey, 0..255. Outside the image its border is repeated.

    Raises:
        ImageError: the box is empty or not finite.
    """
    side = compute_crop_side(detection, frame=frame)
    samples = min(MOST_SAMPLES, max(1, math.ceil(side / FACE_SIZE - 1e-6)))
    matrix = compute_crop_matrix(detection, FACE_SIZE * samples, frame=frame)
    return prepare_face(_warp(image, matrix, FACE_SIZE * samples))


def align_views(image: np.ndarray, detection: Detection, *, frame: Frame = FRAME) -> np.ndarray:
    """Crop four views of a face, for test-time augmentation.

    The box gives FER2013's frame only to within some pixels; the mean prediction over the views depends less on it than
    one prediction. docs/decisions/ has the comparison.

    Args:
        image: uint8 (H, W, 3) RGB or (H, W) grey, 0..255.
        detection: box and optional landmarks of the face, in the image's pixels.
        frame: position and size of the first view relative to the box.

    Returns:
        uint8 (4, 48, 48), grey, 0..255, as :data:`VIEWS` has them; the first is the crop of :func:`align_face`.

    Raises:
        ImageError: the box is empty or not finite.
    """
    crops = (align_face(image, detection, frame=replace(frame, side=frame.side * scale)) for scale, _ in VIEWS)
    return np.stack(
        [crop[:, ::-1] if is_mirrored else crop for crop, (_, is_mirrored) in zip(crops, VIEWS, strict=True)]
    )


def compute_crop_side(detection: Detection, *, frame: Frame = FRAME) -> float:
    """Return the side of the square that a crop covers, in the image's pixels.

    Raises:
        ImageError: the box is empty or not finite.
    """
    x_min, y_min, x_max, y_max = detection.box
    longer = compute_longer_side(detection.box)
    if not (math.isfinite(longer) and x_max > x_min and y_max > y_min):
        raise ImageError(
            f"A face's box must be finite and not empty. Received: {detection.box}. Remedy: drop this detection."
        )
    return frame.side * longer


def compute_crop_matrix(detection: Detection, output_side: int, *, frame: Frame = FRAME) -> np.ndarray:
    """Return the similarity transform from the image's pixels to the crop's.

    Args:
        detection: box and optional landmarks of the face.
        output_side: side of the crop in pixels.
        frame: position and size of the crop relative to the box.

    Returns:
        float64 (2, 3), as cv2.warpAffine takes it.

    Raises:
        ImageError: the box is empty or not finite.
    """
    side = compute_crop_side(detection, frame=frame)
    angle = math.radians(_exceed(compute_tilt(detection.landmarks), frame.kept_tilt))
    scale = output_side / side
    rotation = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    # The offset rotates with the head. The edges of a box lie between pixels, hence the half pixel.
    offset = np.linalg.inv(rotation) @ np.array(frame.offset) * (scale * side / frame.side)
    centre = np.array(compute_centre(detection.box)) - 0.5 + offset
    return np.column_stack([rotation, np.full(2, (output_side - 1) / 2) - rotation @ centre])


def compute_tilt(landmarks: np.ndarray | None) -> float:
    """Return the tilt of a head in degrees, clockwise in the image; 0 without landmarks.

    Args:
        landmarks: float (5, 2), or None.
    """
    if landmarks is None:
        return 0.0
    # Eyes and mouth together: a raised corner of the mouth or a closed eye moves one line, seldom both.
    across = (landmarks[1] - landmarks[0]) + (landmarks[4] - landmarks[3])
    return math.degrees(math.atan2(float(across[1]), float(across[0])))


def _exceed(tilt: float, kept: float) -> float:
    return math.copysign(max(0.0, abs(tilt) - kept), tilt)


def _warp(image: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    # OpenCV's warp refuses images above 32,767 pixels a side, so it gets only the part under the crop.
    left, top, right, bottom = _find_part(matrix, side, image.shape)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (left, top)
    part = image[top:bottom, left:right]
    return cv2.warpAffine(part, shifted, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _find_part(matrix: np.ndarray, side: int, image_shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom of the part of an image, at least 1x1, that a crop reads."""
    corners = cv2.invertAffineTransform(matrix) @ np.array([[0, side, 0, side], [0, 0, side, side], [1, 1, 1, 1]])
    limits = np.array(image_shape[1::-1])
    left, top = np.clip(corners.min(axis=1) - 2, 0, limits - 1).astype(int)
    right, bottom = np.clip(corners.max(axis=1) + 3, 1, limits).astype(int)
    return int(left), int(top), max(int(right), int(left) + 1), max(int(bottom), int(top) + 1)

"""Photos made from prepared faces, to test the way of a photo with faces whose expression and frame are known."""

from collections.abc import Iterable

import cv2
import numpy as np

from fer.errors import ImageError
from fer.vision.alignment import Frame
from fer.vision.detection import Detection, YuNetDetector
from fer.vision.images import FACE_SIDE

#: Ranges of a made photo: side of the face in pixels, tilt in degrees, size of the photo in pixels.
FACE_SIDES = (64, 240)
TILTS = (-10.0, 10.0)
PHOTO_SIZE = (480, 640)


def show_as_photo(face: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a photo-like picture with the face in it, enlarged, tilted, at a random place, and stored as JPEG once.

    Args:
        face: uint8 (48, 48), grey.
        generator: draws place, size, tilt and background.

    Returns:
        uint8 (480, 640, 3), RGB.
    """
    return _show(face, generator)[0]


def measure_photo_frame(faces: Iterable[np.ndarray], *, seed: int = 0) -> tuple[Frame, int]:
    """Measure how the frames of prepared faces lie around the boxes that YuNet gives them in photos.

    Around a face that fills its picture YuNet's box is smaller than around the same face in a photo, so a frame for
    photos is measured on photos.

    Args:
        faces: uint8 (48, 48) grey, 0..255.
        seed: of the photos, as in :func:`fer.evaluation.photo_check.measure_photo_accuracy`.

    Returns:
        The frame, with the geometric mean of the side, the mean offset and no tilt kept; and the number of faces found.

    Raises:
        ImageError: YuNet finds none of them.
    """
    detector, found = YuNetDetector(small_faces=False), []
    for index, face in enumerate(faces):
        photo, matrix = _show(face, np.random.default_rng((seed, index)))
        centre = matrix[:, :2] @ np.full(2, (FACE_SIDE - 1) / 2) + matrix[:, 2] + 0.5
        side = FACE_SIDE * float(np.sqrt(np.linalg.det(matrix[:, :2])))
        found += [_compare(each, centre, side) for each in detector.detect(photo)[:1] if _holds(each, centre)]
    if not found:
        raise ImageError("A frame is measured on photos with faces. Received: none in which YuNet finds one.")
    x, y, log_side = np.mean(found, axis=0)
    return Frame(side=float(np.exp(log_side)), offset=(float(x), float(y)), kept_tilt=0.0), len(found)


def _compare(face: Detection, centre: np.ndarray, side: float) -> tuple[float, float, float]:
    """Return offset and log side of a known frame in longer sides of a box, in which edges lie between pixels."""
    x_min, y_min, x_max, y_max = face.box
    longer = max(x_max - x_min, y_max - y_min)
    offset = (centre - ((x_min + x_max) / 2, (y_min + y_max) / 2)) / longer
    return float(offset[0]), float(offset[1]), float(np.log(side / longer))


def _holds(face: Detection, centre: np.ndarray) -> bool:
    return bool(face.box[0] < centre[0] < face.box[2] and face.box[1] < centre[1] < face.box[3])


def _show(face: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a photo and the similarity transform, float64 (2, 3), from the face's pixels to the photo's."""
    height, width = PHOTO_SIZE
    photo = _draw_background(generator)
    side = generator.uniform(*FACE_SIDES)
    # The circle around the tilted square lies inside the photo.
    reach = side * 0.75
    centre = np.array([generator.uniform(reach, width - reach), generator.uniform(reach, height - reach)])
    matrix = cv2.getRotationMatrix2D(((FACE_SIDE - 1) / 2,) * 2, generator.uniform(*TILTS), side / FACE_SIDE)
    matrix = matrix + np.column_stack([np.zeros((2, 2)), centre - (FACE_SIDE - 1) / 2])
    enlarged = cv2.warpAffine(face, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(np.ones_like(face), matrix, (width, height), flags=cv2.INTER_NEAREST)
    photo[mask > 0] = enlarged[mask > 0, None]
    _, stored = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))[..., ::-1]), matrix


def _draw_background(generator: np.random.Generator) -> np.ndarray:
    height, width = PHOTO_SIZE
    blobs = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = generator.integers(-8, 9, (height, width, 1), dtype=np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)

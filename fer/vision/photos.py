"""Photos made from prepared faces, to test the way of a photo with faces whose expression is known."""

import cv2
import numpy as np

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
    return np.ascontiguousarray(np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))[..., ::-1])


def _draw_background(generator: np.random.Generator) -> np.ndarray:
    height, width = PHOTO_SIZE
    blobs = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = generator.integers(-8, 9, (height, width, 1), dtype=np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)

"""Synthetic photos of labelled faces, to test the photo pipeline on faces with a known expression and frame."""

import cv2
import numpy as np

from fer.labels import FACE_SIZE

#: Ranges of a photo: side of the face in pixels, tilt in degrees, (height, width) of the photo in pixels.
FACE_SIDES = (64, 240)
TILTS = (-10.0, 10.0)
PHOTO_SIZE = (480, 640)
_JPEG_QUALITY = 90
#: A hard light from the left: where the shadow begins and how softly, in shares of the face's side, and the factors of
#: grey in the light and in the shadow.
_SHADOW_EDGES = (0.35, 0.6)
_SHADOW_SOFTNESS = 0.05
_LIT_GAIN, _SHADOW_GAIN = 2.2, 0.12


def show_as_photo(face: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a synthetic photo of a face: enlarged, tilted, at a random position, and compressed as JPEG once.

    Args:
        face: uint8 (48, 48), grey.
        generator: draws position, size, tilt and background.

    Returns:
        uint8 (480, 640, 3), RGB.
    """
    return build_photo(face, generator)[0]


def build_photo(face: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a synthetic photo, as :func:`show_as_photo` does, and where the face is in it.

    Args:
        face: uint8 (48, 48), grey.
        generator: draws position, size, tilt and background.

    Returns:
        uint8 (480, 640, 3), RGB; and the similarity transform, float64 (2, 3), from the face's pixels to the photo's.
    """
    photo = _draw_background(generator)
    matrix = _draw_matrix(generator)
    size = PHOTO_SIZE[::-1]
    enlarged = cv2.warpAffine(face, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(np.ones_like(face), matrix, size, flags=cv2.INTER_NEAREST)
    photo[mask > 0] = enlarged[mask > 0, None]
    _, jpeg = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))[..., ::-1]), matrix


def _draw_matrix(generator: np.random.Generator) -> np.ndarray:
    height, width = PHOTO_SIZE
    side = generator.uniform(*FACE_SIDES)
    # The circle around the tilted square lies inside the photo.
    reach = side * 0.75
    centre = np.array([generator.uniform(reach, width - reach), generator.uniform(reach, height - reach)])
    middle = (FACE_SIZE - 1) / 2
    matrix: np.ndarray = cv2.getRotationMatrix2D((middle, middle), generator.uniform(*TILTS), side / FACE_SIZE)
    return matrix + np.column_stack([np.zeros((2, 2)), centre - middle])


def _draw_background(generator: np.random.Generator) -> np.ndarray:
    height, width = PHOTO_SIZE
    blobs = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    grain = generator.integers(-8, 9, (height, width, 1), dtype=np.int16)
    background: np.ndarray = np.clip(smooth + grain, 0, 255).astype(np.uint8)
    return background


def light_from_side(face: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a face under one hard lamp on its left: overexposed there, nearly black beyond the edge of the shadow.

    Args:
        face: uint8 (48, 48), grey.
        generator: draws where the shadow begins.

    Returns:
        uint8 (48, 48), grey.
    """
    edge = generator.uniform(*_SHADOW_EDGES)
    columns = (np.arange(FACE_SIZE) + 0.5) / FACE_SIZE
    lit = 1.0 / (1.0 + np.exp((columns - edge) / _SHADOW_SOFTNESS))
    gain = _SHADOW_GAIN + (_LIT_GAIN - _SHADOW_GAIN) * lit
    return np.clip(np.rint(face * gain), 0, 255).astype(np.uint8)

"""Camera frames made from matplotlib's sample portrait (United States Navy, public domain).

Frames are uint8 (480, 640, 3) arrays, RGB, 0..255.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fer.app.examples import find_portrait
from fer.errors import ImageError
from fer.vision.images import decode_image, shrink_to

FRAME_HEIGHT, FRAME_WIDTH = 480, 640
_GREY = 128


def locate_portrait() -> Path:
    """Return the path of the portrait.

    Raises:
        ImageError: matplotlib's sample data is not installed.
    """
    path = find_portrait()
    if path is None:
        raise ImageError(
            "Benchmarks need matplotlib's sample portrait. Received: no such file. Remedy: reinstall matplotlib."
        )
    return path


def read_portrait(max_side: int = FRAME_HEIGHT) -> np.ndarray:
    """Read the portrait.

    Args:
        max_side: largest height and width in pixels.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ImageError: matplotlib's sample data is not installed.
    """
    return shrink_to(decode_image(locate_portrait()), max_side)[0]


def build_frame(num_faces: int) -> np.ndarray:
    """Build a frame that shows the portrait several times on grey.

    Args:
        num_faces: 1 for one large face, 2 to 6 for a grid of small ones.

    Returns:
        uint8 (480, 640, 3), RGB.
    """
    columns, rows = (1, 1) if num_faces == 1 else (3, 2)
    frame, portrait = _build_background(), read_portrait(FRAME_HEIGHT // rows)
    for number in range(num_faces):
        row, column = divmod(number, columns)
        _paste(frame, portrait, row * (FRAME_HEIGHT // rows), column * (FRAME_WIDTH // columns))
    return frame


def pan_over(image: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Yield frames in which an image moves on grey from the left to the right and back.

    Args:
        image: uint8 (H, W, 3), not larger than a frame.
        count: number of frames.

    Yields:
        uint8 (480, 640, 3), RGB.
    """
    margin = FRAME_WIDTH - image.shape[1]
    for number in range(count):
        frame = _build_background()
        _paste(frame, image, 0, round(margin * (1 - abs(2 * number / count - 1))))
        yield frame


def _build_background() -> np.ndarray:
    return np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), _GREY, np.uint8)


def _paste(frame: np.ndarray, image: np.ndarray, top: int, left: int) -> None:
    frame[top : top + image.shape[0], left : left + image.shape[1]] = image

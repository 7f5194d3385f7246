"""Example images of the photo tab; none of them comes from a data set."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fer.data.drawn.sample import draw_sample_face
from fer.labels import FACE_SIZE
from fer.vision.images import decode_image, shrink_to, write_image

#: A part of scikit-image's photo of the astronaut Eileen Collins (NASA, public domain).
ASTRONAUT = Path(__file__).parent / "astronaut.jpg"
#: Expressions of the drawn sheet with their seeds: a network of photos names drawn anger and fear rarely.
DRAWN_FACES = (("happy", 16), ("surprise", 23), ("sad", 15), ("neutral", 19), ("disgust", 9), ("happy", 9))
_SIDE = 180
_MARGIN = 44
_COLUMNS = 3
#: Rows and columns of the portrait that show the head as large as in the photo of the astronaut.
_PORTRAIT_PART = np.s_[10:490, 0:512]


def write_examples(folder: str | Path) -> list[Path]:
    """Write the example images and return their paths.

    All examples share one folder, whose files do not belong to any visitor.

    Args:
        folder: created if missing.

    Returns:
        A photo of two people, and a sheet of drawn faces.
    """
    people, sheet = Path(folder) / "two people.jpg", Path(folder) / "drawn faces.png"
    write_image(build_group(), people)
    write_image(draw_sheet(), sheet)
    return [people, sheet]


def find_portrait() -> Path | None:
    """Return matplotlib's sample portrait of Grace Hopper (United States Navy, public domain), or None."""
    # find_spec does not import matplotlib, which would take most of a second.
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path
    return None


def build_group() -> np.ndarray:
    """Return the astronaut beside the portrait, or alone if matplotlib's sample data is missing.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    astronaut, portrait = decode_image(ASTRONAUT), find_portrait()
    if portrait is None:
        return astronaut
    part = decode_image(portrait)[_PORTRAIT_PART]
    beside, _ = shrink_to(np.ascontiguousarray(part), round(part.shape[1] * len(astronaut) / len(part)))
    height = min(len(beside), len(astronaut))
    return np.hstack([astronaut[:height], beside[:height]])


def draw_sheet() -> np.ndarray:
    """Return the faces of :data:`DRAWN_FACES`, in two rows.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    tiles = [_draw_tile(name, seed) for name, seed in DRAWN_FACES]
    rows = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    return np.repeat(np.vstack(rows)[..., None], 3, axis=2)


def _draw_tile(name: str, seed: int) -> np.ndarray:
    face = draw_sample_face(name, seed)
    enlarged = np.kron(face, np.ones((_SIDE // FACE_SIZE + 1,) * 2, np.uint8))
    smooth, _ = shrink_to(enlarged, _SIDE)
    return np.pad(smooth, _MARGIN, constant_values=255)

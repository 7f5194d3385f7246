"""Example images of the photo tab; none of them comes from a data set."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fer.data.drawn.sample import draw_sample_face
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.vision.images import shrink_to, write_image

_SIDE = 180
_MARGIN = 44


def write_examples(folder: str | Path) -> list[Path]:
    """Write the example images and return their paths.

    Args:
        folder: created if missing.

    Returns:
        A portrait, if matplotlib's sample data is installed, and a sheet of the seven drawn expressions.
    """
    sheet, portrait = Path(folder) / "seven drawn expressions.png", Path(folder) / "portrait.jpg"
    write_image(draw_sheet(), sheet)
    source = find_portrait()
    if source is None:
        return [sheet]
    # A copy: all examples share one folder, whose files do not belong to any visitor.
    shutil.copy(source, portrait)
    return [portrait, sheet]


def find_portrait() -> Path | None:
    """Return matplotlib's sample portrait of Grace Hopper (United States Navy, public domain), or None."""
    # find_spec does not import matplotlib, which would take most of a second.
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path
    return None


def draw_sheet() -> np.ndarray:
    """Return one drawn face of each expression, in two rows.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    tiles = [_draw_tile(name, index) for index, name in enumerate(EXPRESSIONS)]
    tiles.append(np.full_like(tiles[0], 255))
    rows = [np.hstack(tiles[start : start + 4]) for start in (0, 4)]
    return np.repeat(np.vstack(rows)[..., None], 3, axis=2)


def _draw_tile(name: str, index: int) -> np.ndarray:
    face = draw_sample_face(name, index)
    enlarged = np.kron(face, np.ones((_SIDE // FACE_SIZE + 1,) * 2, np.uint8))
    smooth, _ = shrink_to(enlarged, _SIDE)
    return np.pad(smooth, _MARGIN, constant_values=255)

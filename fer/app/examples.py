"""The examples of the photo and the video tab; none of them comes from a data set."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fer.app.drawn_people import draw_group
from fer.vision.images import decode_image, shrink_to, write_image

#: A part of scikit-image's photo of the astronaut Eileen Collins (NASA, public domain).
ASTRONAUT = Path(__file__).parent / "astronaut.jpg"
#: The film of :func:`fer.app.drawn_people.draw_film`, which docs/images/make.py writes: drawing it takes seconds.
FILM = Path(__file__).parent / "drawn_people.mp4"
#: Rows and columns of the portrait that show the head as large as in the photo of the astronaut.
_PORTRAIT_PART = np.s_[10:490, 0:512]


def write_examples(folder: str | Path) -> list[Path]:
    """Write the example images and return their paths.

    All examples share one folder, whose files do not belong to any visitor.

    Args:
        folder: created if missing.

    Returns:
        A photo of two people, and one of seven drawn people.
    """
    people, group = Path(folder) / "two people.jpg", Path(folder) / "seven drawn people.png"
    write_image(build_portraits(), people)
    write_image(draw_group(), group)
    return [people, group]


def write_film(folder: str | Path) -> Path:
    """Write the example of the video tab, two drawn people, and return its path.

    Args:
        folder: that of :func:`write_examples`, which exists.
    """
    return Path(shutil.copyfile(FILM, Path(folder) / "two drawn people.mp4"))


def find_portrait() -> Path | None:
    """Return matplotlib's sample portrait of Grace Hopper (United States Navy, public domain), or None."""
    # find_spec does not import matplotlib, which would take most of a second.
    spec = find_spec("matplotlib")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "mpl-data" / "sample_data" / "grace_hopper.jpg"
        if path.is_file():
            return path
    return None


def build_portraits() -> np.ndarray:
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

"""Annotated copies of images as files that are recognised later, so that they are not taken for photos."""

from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from fer.files import write_atomically

#: Text near the start of the PNG file of an annotated copy.
_MARK = "fer-dl annotated copy"
_MARK_END = 512


def write_drawing(image: np.ndarray, path: Path) -> None:
    """Write an annotated copy as a marked PNG file, atomically.

    Args:
        image: uint8 (H, W, 3), RGB.
        path: the file, with the suffix .png.

    Raises:
        OutputError: it cannot be written.
    """
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", _MARK)
    write_atomically(path, lambda stream: Image.fromarray(image).save(stream, "PNG", pnginfo=text))


def is_drawing(path: Path) -> bool:
    """Return whether a file is an annotated copy; a file that cannot be read is none."""
    if path.suffix.lower() != ".png":
        return False
    try:
        with path.open("rb") as stream:
            return _MARK.encode() in stream.read(_MARK_END)
    except OSError:
        return False

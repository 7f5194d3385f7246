"""Colour images of 16 bits a channel that use fewer, such as the 12 bits of a camera.

Pillow keeps the high byte of each channel. Decoding with the other order of bytes gives the low bytes.
"""

import sys
from typing import Any

import numpy as np
from PIL import Image

from fer.vision.pixels import DEPTHS, STRIP_ROWS

#: Pillow's names of the orders of bytes: big-endian, little-endian, and that of this machine.
_OTHER_ORDER = {"RGB;16B": "RGB;16L", "RGB;16L": "RGB;16B"}
_OTHER_ORDER["RGB;16N"] = "RGB;16B" if sys.byteorder == "little" else "RGB;16L"


def is_deep_color(image: Image.Image) -> bool:
    """Return whether an image that is not loaded is RGB of 16 bits a channel."""
    return bool(_list_tiles(image))


def select_low_bytes(image: Image.Image) -> None:
    """Make an RGB image of 16 bits a channel that is not loaded decode to its low bytes instead of the high ones."""
    opened: Any = image
    opened.tile = _list_tiles(image)


def _list_tiles(image: Image.Image) -> list[Any]:
    tiles = []
    for tile in getattr(image, "tile", []):
        name, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if name not in _OTHER_ORDER:
            return []
        tiles.append(tile._replace(args=(_OTHER_ORDER[name], *rest) if rest else _OTHER_ORDER[name]))
    return tiles


def fits_fewer_bits(high: np.ndarray) -> bool:
    """Return whether the high bytes of an image, uint8 of any shape, leave bits unused that a camera would not."""
    return int(high.max()) < 1 << DEPTHS[-2] - 8


def stretch_deep(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Return high and low bytes, uint8 (H, W, 3), as one image scaled by the fewest bits that hold its largest value.

    Args:
        high: the high bytes; they are overwritten by the result.
        low: the low bytes.
    """
    top = int(high.max())
    largest = top * 256 + int(low[high == top].max())
    scale = 2 ** next(bits for bits in DEPTHS if largest < 2**bits) - 1
    for start in range(0, len(high), STRIP_ROWS):
        strip = slice(start, start + STRIP_ROWS)
        values = high[strip].astype(np.uint32) * 256 + low[strip]
        high[strip] = (values * 255 + scale // 2) // scale
    return high

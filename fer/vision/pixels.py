"""Conversion of a decoded PIL image of any mode to 8-bit RGB, in strips, so that large images need little memory."""

from typing import Any

import numpy as np
from PIL import Image

from fer.errors import ImageError

#: Rows that are converted at a time.
STRIP_ROWS = 256
#: Bits that cameras and scanners store in 16-bit images.
DEPTHS = (8, 10, 12, 14, 16)
#: The array operation of each EXIF orientation.
_TURNS = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


def convert_to_rgb(image: Image.Image, name: str) -> np.ndarray:
    """Convert a loaded image to uint8 (H, W, 3), RGB.

    Transparent pixels become white. Integers of more than 8 bits are scaled by the fewest of 8, 10, 12, 14 and 16 bits
    that hold the largest one, so that 12 bits in a 16-bit file are not black.

    Args:
        image: an image of any mode; its pixels are released.
        name: name of the image in error messages.

    Raises:
        ImageError: the pixels are fractions, or integers beyond 16 bits.
    """
    if image.mode == "F":
        raise ImageError(
            f"An image's pixels must be integers. Received: {name} in mode F. Remedy: convert it to mode RGB."
        )
    bits = _choose_depth(image, name) if image.mode.startswith("I") else 8
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(top + STRIP_ROWS, image.height)))
        strip.info.update(image.info)
        pixels[top : top + STRIP_ROWS] = _convert_strip(strip, bits)
    return pixels


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image turned by its EXIF orientation, 1 to 8, in contiguous memory.

    Reference:
        JEITA CP-3451, "Exchangeable image file format for digital still cameras: Exif Version 2.2", section 4.6.4.
    """
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def _convert_strip(strip: Image.Image, bits: int) -> np.ndarray:
    if strip.mode.startswith("I"):
        values = np.asarray(strip).astype(np.uint32)
        largest = 2**bits - 1
        grey = ((values * 255 + largest // 2) // largest).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if strip.has_transparency_data:
        with_alpha = strip.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, "white")
        strip = Image.alpha_composite(white, with_alpha)
    return np.asarray(strip.convert("RGB"))


def _find_extrema(image: Image.Image) -> tuple[int, int]:
    if image.mode not in ("I", "I;16"):  # Pillow has none for the big-endian ones of a TIFF.
        values = np.asarray(image)
        return int(values.min()), int(values.max())
    extrema: Any = image.getextrema()
    return int(extrema[0]), int(extrema[1])


def _choose_depth(image: Image.Image, name: str) -> int:
    lowest, highest = _find_extrema(image)
    if lowest < 0 or highest > 65535:
        raise ImageError(
            f"An image's pixels must have at most 16 bits. Received: {name} with values {lowest} to {highest}."
            " Remedy: save it with 8 bits."
        )
    return next(bits for bits in DEPTHS if highest < 2**bits)

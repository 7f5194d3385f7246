"""Decoding of image files from untrusted sources: limits, formats, and one error for whatever is wrong with a file."""

import io
import re
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fer.errors import ImageError

#: The suffixes of every format that is decoded; untrusted files reach no other decoder. Animations give one frame.
FORMATS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
}
IMAGE_SUFFIXES: tuple[str, ...] = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
#: Largest file in bytes and largest image in pixels: above a phone's 50 megapixels, below what fills a small server.
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000

# warnings.catch_warnings changes the whole process, so only one thread at a time may be inside it.
_OPENING = threading.Lock()


def read_file(path: Path) -> bytes:
    """Read an image file of at most :data:`MAX_BYTES`.

    Raises:
        ImageError: the file is missing, unreadable or too large.
    """
    try:
        if not path.is_file():
            raise ImageError(f"An image must be an existing file. Received: {path}. Remedy: check the path.")
        _check_bytes(path.stat().st_size, str(path))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(f"An image must be a readable file. Received: {path} ({_in_one_line(error)}).") from None


def _check_bytes(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise ImageError(
            f"An image file must have at most {MAX_BYTES // 2**20} MiB. Received: {name} with {size / 2**20:.0f} MiB."
            " Remedy: save it smaller."
        )


def decode_bytes(content: bytes, name: str) -> np.ndarray:
    """Decode the bytes of an image file to uint8 (H, W, 3), RGB, upright.

    Args:
        content: the bytes.
        name: name of the image in error messages.

    Raises:
        ImageError: the image is empty, damaged, too large, or of a format outside :data:`FORMATS`.
    """
    _check_bytes(len(content), name)
    if not content:
        raise ImageError(f"An image file must not be empty. Received: {name} with 0 bytes. Remedy: copy it again.")
    try:
        with _open(content) as image:
            return decode_pillow(image, name)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name, _read_pixels(error)) from None
    except UnidentifiedImageError:
        raise ImageError(
            f"An image must be one of {', '.join(FORMATS)}. Received: {name}, which is none of them or is damaged."
            " Remedy: save it as JPEG or PNG."
        ) from None
    except ImageError:
        raise
    except Exception as error:  # Pillow's parsers raise many kinds of exception on a damaged file.
        raise _damaged(name, error) from None


def _open(content: bytes) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=tuple(FORMATS))


def decode_pillow(image: Image.Image, name: str) -> np.ndarray:
    """Decode a PIL image to uint8 (H, W, 3), RGB, upright.

    Args:
        image: an image of any mode, loaded or not.
        name: name of the image in error messages.

    Raises:
        ImageError: the image is empty, damaged or too large, or its pixels do not fit into 16 bits.
    """
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(name, f"{image.width}x{image.height}")
    if not image.width * image.height:
        raise ImageError(f"An image must not be empty. Received: {name} of {image.width}x{image.height} pixels.")
    try:
        image.load()
        return np.array(_to_rgb(_turn_upright(image), name), dtype=np.uint8)
    except ImageError:
        raise
    except Exception as error:  # As above: a damaged stream can fail anywhere inside Pillow.
        raise _damaged(name, error) from None


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # The pixels are decoded: with a damaged EXIF block the image is not rotated, as in browsers.
        return image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _scale_to_8_bits(image, name)
    if image.mode == "F":
        raise ImageError(
            f"An image's pixels must be integers. Received: {name} in mode F. Remedy: convert it to mode RGB."
        )
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return image.convert("RGB")


def _scale_to_8_bits(image: Image.Image, name: str) -> Image.Image:
    # Pillow's conversion clips at 255, which turns nearly all of a 16-bit image white.
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(
            f"An image's pixels must have at most 16 bits. Received: {name} with values {values.min()} to"
            f" {values.max()}. Remedy: save it with 8 bits."
        )
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")


def _read_pixels(error: Exception) -> str:
    """Return the size of an image from Pillow's message, which contains "(144000000 pixels)"."""
    match = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(match.group(1)) // 10**6} megapixels" if match else "more"


def _too_many_pixels(name: str, size: str) -> ImageError:
    return ImageError(
        f"An image must have at most {MAX_PIXELS // 10**6} megapixels. Received: {name} with {size}."
        " Remedy: save it smaller."
    )


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"An image must be undamaged. Received: {name} ({_in_one_line(error)}). Remedy: copy it again.")


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

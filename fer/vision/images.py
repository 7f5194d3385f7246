"""Pictures: one safe decoder for every path, and the one place where a crop becomes the network's 48x48 grey face.

A decoded picture is a uint8 array (H, W, 3), RGB, 0..255, upright, in contiguous memory. A prepared face is a uint8
array (48, 48), grey, 0..255.
"""

import io
import os
import re
import threading
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from fer.errors import ImageError
from fer.files import write_atomically

ImageSource = str | os.PathLike[str] | bytes | Image.Image | np.ndarray

#: Side of a prepared face in pixels: FER2013's own.
FACE_SIDE = 48
#: Formats whose decoders are exposed to strangers' files; GIF and WEBP give their first frame.
FORMATS: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
#: Largest file in bytes and largest picture in pixels: above a 50-megapixel phone's, below what fills a small server.
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000

# warnings.catch_warnings changes the whole process, so two threads must not be inside it at once.
_OPENING = threading.Lock()


def decode_image(source: ImageSource) -> np.ndarray:
    """Decode a picture from a file, bytes, a PIL image or an array.

    A file is refused when it is too large, truncated, or of a format outside :data:`FORMATS`. EXIF rotation is applied,
    16-bit grey is scaled to 8 bits, transparency is laid on white, and animations give their first frame.

    Args:
        source: a path, the bytes of a file, a PIL image, or a uint8 array (H, W) grey or (H, W, 3) RGB, 0..255.

    Returns:
        uint8 (H, W, 3), RGB, 0..255.

    Raises:
        ImageError: the picture is missing, damaged, too large or not of an accepted form.
    """
    if isinstance(source, np.ndarray):
        return _check_array(source)
    if isinstance(source, Image.Image):
        return _decode_pillow(source, "a PIL image")
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode_bytes(bytes(source), "bytes")
    if isinstance(source, str | os.PathLike):
        return _decode_bytes(_read_file(Path(source)), os.fspath(source))
    raise ImageError(
        "A picture must be a path, bytes, a PIL image or a uint8 array."
        f" Received: {type(source).__name__}. Remedy: pass one of these."
    )


def prepare_face(image: np.ndarray) -> np.ndarray:
    """Turn a crop of a face into what the network reads: grey, the central square, 48x48.

    Training data, whole pictures and aligned crops all pass through here, so they are scaled alike. A grey 48x48 array
    comes back with the same values.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB, 0..255, at least 1x1.

    Returns:
        uint8 (48, 48), grey by the ITU-R BT.601 weights, shrunk by area or enlarged linearly.

    Raises:
        ImageError: the array has another type or shape.
    """
    _check_form(image)
    square = crop_central_square(image)
    grey = cv2.cvtColor(np.ascontiguousarray(square), cv2.COLOR_RGB2GRAY) if square.ndim == 3 else square
    side = grey.shape[0]
    if side == FACE_SIDE:
        return np.ascontiguousarray(grey)
    # Area averaging has no aliasing when shrinking; when enlarging it would copy pixels in blocks.
    interpolation = cv2.INTER_AREA if side > FACE_SIDE else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(grey), (FACE_SIDE, FACE_SIDE), interpolation=interpolation)


def crop_central_square(image: np.ndarray) -> np.ndarray:
    """Return the largest centred square of an image, (S, S) or (S, S, C), as a view."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def shrink_to(image: np.ndarray, max_side: int) -> tuple[np.ndarray, float]:
    """Return a copy whose longer side is at most ``max_side`` pixels, and its scale relative to the original.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        max_side: pixels, at least 1.

    Returns:
        The image itself and 1.0 where it is small enough, else the area-averaged copy and a scale below 1.
    """
    height, width = image.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1.0:
        return image, 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale


def write_image(image: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write a picture, whole or not at all; the path's ending decides the format.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB.
        path: a name that ends in .png, .jpg, .jpeg, .webp, .bmp or .gif.

    Raises:
        ImageError: the ending is not known, or the array has another type or shape.
    """
    _check_form(image)
    kind = Image.registered_extensions().get(Path(path).suffix.lower())
    if kind not in FORMATS:
        raise ImageError(f"A picture must end in .png, .jpg, .webp, .bmp or .gif. Received: {os.fspath(path)}.")
    write_atomically(Path(path), lambda stream: Image.fromarray(image).save(stream, format=kind))


def _check_array(image: np.ndarray) -> np.ndarray:
    _check_form(image)
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image)


def _check_form(image: np.ndarray) -> None:
    right_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype == np.uint8 and right_shape and image.size:
        return
    raise ImageError(
        "An image array must be uint8 of shape (H, W) grey or (H, W, 3) RGB and not empty."
        f" Received: {image.dtype} {image.shape}. Remedy: convert it, values 0..255."
    )


def _read_file(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ImageError(f"A picture must be an existing file. Received: {path}. Remedy: check the path.")
        _check_bytes(path.stat().st_size, str(path))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(f"A picture must be a readable file. Received: {path} ({_in_one_line(error)}).") from None


def _check_bytes(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise ImageError(
            f"A picture's file must be at most {MAX_BYTES // 2**20} MiB. Received: {name} with {size / 2**20:.0f} MiB."
            " Remedy: save it smaller."
        )


def _decode_bytes(content: bytes, name: str) -> np.ndarray:
    _check_bytes(len(content), name)
    if not content:
        raise ImageError(f"A picture's file must not be empty. Received: {name} with 0 bytes. Remedy: copy it again.")
    try:
        with _open(content) as image:
            return _decode_pillow(image, name)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(name, _read_pixels(error)) from None
    except Image.UnidentifiedImageError:
        raise ImageError(
            f"A picture must be one of {', '.join(FORMATS)}. Received: {name}, which is none of them or is damaged."
            " Remedy: save it as JPEG or PNG."
        ) from None
    except ImageError:
        raise
    except Exception as error:  # Pillow's parsers let many kinds of exception out of a damaged file.
        raise _damaged(name, error) from None


def _open(content: bytes) -> Image.Image:
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(content), formats=FORMATS)


def _decode_pillow(image: Image.Image, name: str) -> np.ndarray:
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(name, f"{image.width}x{image.height}")
    if not image.width * image.height:
        raise ImageError(f"A picture must not be empty. Received: {name} of {image.width}x{image.height} pixels.")
    try:
        image.load()
        return np.array(_to_rgb(_turn_upright(image), name), dtype=np.uint8)
    except ImageError:
        raise
    except Exception as error:  # as above: a damaged stream can fail anywhere inside Pillow
        raise _damaged(name, error) from None


def _turn_upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # The pixels are loaded: a damaged EXIF block leaves the picture as stored, as browsers do.
        return image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I"):
        return _scale_to_8_bits(image, name)
    if image.mode == "F":
        raise ImageError(
            f"A picture's pixels must be whole numbers. Received: {name} in mode F. Remedy: convert it to mode RGB."
        )
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return image.convert("RGB")


def _scale_to_8_bits(image: Image.Image, name: str) -> Image.Image:
    # Pillow's own conversion clips at 255, which turns nearly all of a 16-bit picture white.
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(
            f"A picture's pixels must have at most 16 bits. Received: {name} with values {values.min()} to"
            f" {values.max()}. Remedy: save it with 8 bits."
        )
    return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")


def _read_pixels(error: Exception) -> str:
    """Return what Pillow's message says of a picture's size: it names the pixels, "(144000000 pixels)"."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(found.group(1)) // 10**6} megapixels" if found else "more"


def _too_many_pixels(name: str, size: str) -> ImageError:
    return ImageError(
        f"A picture must have at most {MAX_PIXELS // 10**6} megapixels. Received: {name} with {size}."
        " Remedy: save it smaller."
    )


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(f"A picture must be undamaged. Received: {name} ({_in_one_line(error)}). Remedy: copy it again.")


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

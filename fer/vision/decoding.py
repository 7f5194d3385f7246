"""Decoding of image files from untrusted sources: limits, formats, and one error for whatever is wrong with a file."""

import io
import re
import threading
import warnings
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile
from pillow_heif import register_heif_opener

from fer.errors import ImageError
from fer.files import show_path
from fer.vision.deep_color import fits_fewer_bits, is_deep_color, select_low_bytes, stretch_deep
from fer.vision.pixels import convert_to_rgb, turn_upright
from fer.vision.png_rows import check_png_rows

#: The suffixes of every format that is decoded; untrusted files reach no other decoder. The content decides, not the
#: suffix; of an animation, or of a file with several images, the first one is decoded.
FORMATS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif", ".hif"),
}
IMAGE_SUFFIXES: tuple[str, ...] = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
#: Largest file in bytes and largest decoded image in pixels: above a phone's 50 megapixels, below what fills a small
#: server.
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
#: A JPEG may be this much larger, because it can be decoded at a half, a quarter or an eighth of its size. The
#: coefficients of a progressive one are all in memory, so fewer are allowed.
JPEG_FACTOR, PROGRESSIVE_FACTOR = 4, 2
#: Longer side, in pixels, above which detection only shrinks an image: a JPEG of twice this side is decoded at half its
#: size, which takes a sixth of the time.
FINE_SIDE = 4000
#: Scans of a progressive JPEG: encoders write about ten, and each costs time however few bytes it has.
MAX_SCANS = 32

_JPEG_SIGNATURE = b"\xff\xd8\xff"
_SIGNATURES = (_JPEG_SIGNATURE, b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")
#: Brands of AVIF and HEIF files.
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")

# warnings.catch_warnings changes the whole process, so only one thread at a time may be inside it.
_OPENING = threading.Lock()


def has_image_signature(path: Path) -> bool:
    """Return whether a file begins like an image of :data:`FORMATS`; a file that cannot be read does not."""
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
    except OSError:
        return False
    is_container = start[4:8] == b"ftyp" and start[8:12] in _BRANDS
    is_webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    return is_container or is_webp or start.startswith(_SIGNATURES)


def read_file(path: Path) -> bytes:
    """Read an image file of at most :data:`MAX_BYTES`.

    Raises:
        ImageError: the file is missing, unreadable or too large.
    """
    name = show_path(path)
    try:
        if not path.is_file():
            raise ImageError(f"An image must be an existing file. Received: {name}. Remedy: check the path.")
        _check_bytes(path.stat().st_size, name)
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"An image must be a readable file. Received: {name} ({error.strerror}).") from None
    except ValueError as error:
        raise ImageError(f"An image must be a readable file. Received: {name} ({_in_one_line(error)}).") from None


def read_stream(stream: BinaryIO) -> bytes:
    """Read an open image file from its present position, at most :data:`MAX_BYTES`.

    Raises:
        ImageError: it cannot be read, is at its end, is too large, or is open as text.
    """
    try:
        content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ImageError(f"An image must be readable. Received: an open file ({_in_one_line(error)}).") from None
    if not isinstance(content, bytes):
        raise ImageError("An image file must be open for reading bytes. Received: text. Remedy: open it with 'rb'.")
    if not content and _is_at_end(stream):
        raise ImageError(
            "An open image file is read from its present position. Received: one at its end. Remedy: seek(0) first."
        )
    _check_bytes(len(content), "an open file")
    return content


def _is_at_end(stream: BinaryIO) -> bool:
    """Return whether nothing is left of a file that is not empty."""
    try:
        return stream.tell() > 0
    except (AttributeError, OSError, ValueError):  # A pipe, or another object, has no position.
        return False


def _check_bytes(size: int, name: str) -> None:
    if size > MAX_BYTES:
        raise ImageError(
            f"An image file must have at most {MAX_BYTES // 2**20} MiB. Received: {name} with {size / 2**20:.0f} MiB."
            " Remedy: save it smaller."
        )


class DecodedImage(NamedTuple):
    """An image that was read from a file, perhaps at reduced size.

    Args:
        pixels: uint8 (H, W, 3), RGB, upright.
        scale: its size relative to that of the file's image; 1 unless it is a large JPEG.
    """

    pixels: np.ndarray
    scale: float


def decode_bytes(content: bytes, name: str) -> DecodedImage:
    """Decode the bytes of an image file, a large JPEG at reduced size.

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
            scale = _limit_work(image, content, name)
            is_deep = is_deep_color(image)
            pixels = decode_pillow(image, name)
        if is_deep and fits_fewer_bits(pixels):
            with _open(content) as image:
                select_low_bytes(image)
                pixels = stretch_deep(pixels, decode_pillow(image, name))
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(name, _read_pixels(error)) from None
    except (UnidentifiedImageError, SyntaxError):
        raise ImageError(
            f"An image must be one of {', '.join(FORMATS)}. Received: {name}, which is none of them or is damaged."
            " Remedy: save it as JPEG or PNG."
        ) from None
    except ImageError:
        raise
    except Exception as error:  # Pillow's parsers raise many kinds of exception on a damaged file.
        raise _damaged(name, error) from None
    return DecodedImage(pixels, scale)


def _open(content: bytes) -> Image.Image:
    """Open an image, which reads its header only."""
    register_heif_opener(thumbnails=False)
    with _OPENING, warnings.catch_warnings():
        # Ours is the limit of pixels; Pillow's own is below a phone's 200 megapixels, so it must not see a JPEG.
        warnings.simplefilter("ignore")
        if content.startswith(_JPEG_SIGNATURE):
            return JpegImageFile(io.BytesIO(content))
        return Image.open(io.BytesIO(content), formats=tuple(FORMATS))


def _limit_work(image: Image.Image, content: bytes, name: str) -> float:
    """Check what decoding costs, choose the reduced size of a large JPEG, and return its scale."""
    width, height = image.size
    if isinstance(image, JpegImageFile):
        scans = content.count(b"\xff\xda")
        if scans > MAX_SCANS:
            raise ImageError(
                f"A JPEG must have at most {MAX_SCANS} scans. Received: {name} with {scans}. Remedy: save it again."
            )
        factor = PROGRESSIVE_FACTOR if image.info.get("progressive") else JPEG_FACTOR
        if width * height <= factor * MAX_PIXELS:
            _reduce(image)
    _check_pixels(image, name)
    if image.format == "PNG":
        check_png_rows(content, name)
    return image.width / width


def _reduce(image: JpegImageFile) -> None:
    width, height = image.size
    divisor = next((d for d in (1, 2, 4) if -(-width // d) * -(-height // d) <= MAX_PIXELS), 8)
    while divisor < 8 and max(width, height) >= 2 * divisor * FINE_SIDE:
        divisor *= 2
    if divisor > 1:
        image.draft(None, (width // divisor, height // divisor))


def _check_pixels(image: Image.Image, name: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_many_pixels(name, f"{image.width}x{image.height}")
    if not image.width * image.height:
        raise ImageError(f"An image must not be empty. Received: {name} of {image.width}x{image.height} pixels.")


def decode_pillow(image: Image.Image, name: str) -> np.ndarray:
    """Decode a PIL image to uint8 (H, W, 3), RGB, upright.

    Args:
        image: an image of any mode, loaded or not.
        name: name of the image in error messages.

    Raises:
        ImageError: the image is empty, damaged or too large, or its pixels do not fit into 16 bits.
    """
    _check_pixels(image, name)
    try:
        image.load()
        orientation = _read_orientation(image)
        return turn_upright(convert_to_rgb(image, name), orientation)
    except ImageError:
        raise
    except Exception as error:  # As above: a damaged stream can fail anywhere inside Pillow.
        raise _damaged(name, error) from None


def _read_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # The pixels are decoded: with a damaged EXIF block the image is not rotated, as in browsers.
        return 1


def _read_pixels(error: Exception) -> str:
    """Return the size of an image from Pillow's message, which contains "(3600000000 pixels)"."""
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

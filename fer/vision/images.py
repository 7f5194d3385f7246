"""Images as arrays: decoding, preparation of faces for the network, resizing and writing.

A decoded image is a uint8 array (H, W, 3), RGB, 0..255, upright, in contiguous memory. A prepared face is a uint8 array
(48, 48), grey, 0..255.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from fer.errors import ImageError
from fer.files import show_path, write_atomically
from fer.labels import FACE_SIZE
from fer.vision.decoding import (
    FORMATS,
    IMAGE_SUFFIXES,
    DecodedImage,
    decode_bytes,
    decode_pillow,
    read_file,
    read_stream,
)

ImageSource = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray


def decode_image(source: ImageSource) -> np.ndarray:
    """Decode an image from a file, bytes, an open file, a PIL image or an array.

    A file is rejected if it is too large, truncated, or of a format outside :data:`fer.vision.decoding.FORMATS`. EXIF
    rotation is applied, 16-bit grey is scaled to 8 bits, transparency becomes white, and of an animation the first
    frame is decoded. A JPEG of 8000 pixels or more on its longer side is decoded at reduced size.

    Args:
        source: a path, the bytes of a file, a binary file open for reading, a PIL image, or an array as
            :func:`convert_array` takes it.

    Returns:
        uint8 (H, W, 3), RGB, 0..255.

    Raises:
        ImageError: the image is missing, damaged, too large, or of another type, shape or format.
    """
    return decode_scaled(source).pixels


def decode_scaled(source: ImageSource) -> DecodedImage:
    """Decode an image as :func:`decode_image` does, and return its scale relative to the source too."""
    if isinstance(source, np.ndarray):
        return DecodedImage(_decode_array(source), 1.0)
    if isinstance(source, Image.Image):
        return DecodedImage(decode_pillow(source, "a PIL image"), 1.0)
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_bytes(bytes(source), "bytes")
    if isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        if not name:
            raise ImageError("An image must be an existing file. Received: an empty path. Remedy: check the path.")
        return decode_bytes(read_file(Path(name)), show_path(name))
    if hasattr(source, "read"):
        return decode_bytes(read_stream(source), "an open file")
    raise ImageError(
        "An image must be a path, bytes, an open binary file, a PIL image or an array. Received:"
        f" {type(source).__name__}. Remedy: pass one of these."
    )


def convert_array(image: np.ndarray) -> np.ndarray:
    """Return an image, or several, as uint8 without an axis of one channel, where there is no doubt what is meant.

    Args:
        image: uint8, or fractions of which all are 0..1; (…, H, W), (…, H, W, 1) or (…, H, W, 3). A last
            axis of one channel is dropped if the one before is longer.

    Raises:
        ImageError: numbers of another type or range.
    """
    if image.ndim >= 3 and image.shape[-1] == 1 and image.shape[-2] > 1:
        image = image[..., 0]
    if np.issubdtype(image.dtype, np.floating) and image.size:
        if not (image.min() >= 0.0 and image.max() <= 1.0):
            is_finite = bool(np.isfinite(image).all())
            remedy = "pass image.astype(np.uint8) if these are 0..255" if is_finite else "replace NaN and infinity"
            raise ImageError(
                "An image array of fractions must be in 0..1. Received:"
                f" {image.dtype} in {image.min():.4g}..{image.max():.4g}. Remedy: {remedy}."
            )
        return np.rint(image * 255.0).astype(np.uint8)
    return image


def prepare_face(image: np.ndarray) -> np.ndarray:
    """Convert a crop of a face to the network's input: the central square, grey, 48x48.

    Training data, whole images and aligned crops are all converted here, so they are scaled alike. The values of a grey
    48x48 array are unchanged.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB, 0..255, at least 1x1.

    Returns:
        uint8 (48, 48), grey by the ITU-R BT.601 weights, area-averaged if shrunk, linearly interpolated if enlarged.

    Raises:
        ImageError: the array has another type or shape.
    """
    _check_array(image)
    square = crop_central_square(image)
    grey = cv2.cvtColor(np.ascontiguousarray(square), cv2.COLOR_RGB2GRAY) if square.ndim == 3 else square
    side = grey.shape[0]
    if side == FACE_SIZE:
        return np.ascontiguousarray(grey)
    size = (FACE_SIZE, FACE_SIZE)
    return cv2.resize(np.ascontiguousarray(grey), size, interpolation=_choose_interpolation(FACE_SIZE / side))


def prepare_faces(faces: np.ndarray) -> np.ndarray:
    """Return faces as uint8 (N, 48, 48), converted by :func:`prepare_face`.

    Args:
        faces: (N, H, W), (N, H, W, 1) or (N, H, W, 3), uint8 or fractions 0..1.

    Raises:
        ImageError: the array has another type or shape.
    """
    faces = convert_array(_stack(faces))
    # A width of 3 is that of one RGB face rather than of a batch.
    grey = faces.ndim == 3 and faces.shape[-1] != 3
    if faces.dtype != np.uint8 or not (grey or (faces.ndim == 4 and faces.shape[-1] == 3)):
        raise ImageError(
            "Faces must be a uint8 array (N, H, W), (N, H, W, 1) or (N, H, W, 3), 0..255, or fractions 0..1."
            f" Received: {faces.dtype} {faces.shape}. Remedy: pass a batch, unscaled."
        )
    if grey and faces.shape[1:] == (FACE_SIZE, FACE_SIZE):
        return faces
    prepared = [prepare_face(face) for face in faces]
    return np.stack(prepared) if prepared else np.zeros((0, FACE_SIZE, FACE_SIZE), np.uint8)


def _stack(faces: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(faces)
    except ValueError:
        raise ImageError(
            "Faces must have one size. Received: several sizes. Remedy: pass np.stack of"
            " fer.vision.images.prepare_face(face) of each."
        ) from None


def check_several(images: object) -> None:
    """Check that a value may hold several images, and is not a single one whose rows, letters or bytes are iterated.

    Raises:
        ImageError: it is a single image, or cannot be iterated.
    """
    received = type(images).__name__
    is_one = isinstance(images, str | os.PathLike | bytes | bytearray | memoryview | Image.Image)
    if isinstance(images, np.ndarray):
        received = f"an array {images.shape}"
        is_one = images.ndim < 3 or (images.ndim == 3 and images.shape[-1] in (1, 3))
    if is_one or hasattr(images, "read") or not isinstance(images, Iterable):
        raise ImageError(
            f"Several images must be a list or another iterable. Received: {received}."
            " Remedy: put one image into a list, or use analyze."
        )


def resize_maps(maps: np.ndarray) -> np.ndarray:
    """Return maps enlarged to the size of a face by linear interpolation.

    Args:
        maps: float32 (N, h, w), N at least 1.

    Returns:
        float32 (N, 48, 48).
    """
    size = (FACE_SIZE, FACE_SIZE)
    return np.stack([cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) for values in maps])


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
        The image and 1.0 if it is small enough, else the area-averaged copy and a scale below 1.
    """
    scale = max_side / max(image.shape[:2])
    return (image, 1.0) if scale >= 1.0 else (resize_by(image, scale), scale)


def resize_by(image: np.ndarray, factor: float) -> np.ndarray:
    """Return a copy resized by a factor, at least 1x1: area-averaged if smaller, linearly interpolated if larger.

    Args:
        image: uint8 (H, W) or (H, W, 3).
        factor: above 0.
    """
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=_choose_interpolation(factor))


def write_image(image: np.ndarray, path: str | os.PathLike[str]) -> None:
    """Write an image atomically, in the format that the path's suffix names.

    Args:
        image: uint8 (H, W) grey or (H, W, 3) RGB.
        path: a path with one of :data:`fer.vision.decoding.IMAGE_SUFFIXES`.

    Raises:
        ImageError: the suffix is unknown, or the array has another type or shape.
    """
    _check_array(image)
    suffix = Path(path).suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise ImageError(
            f"An image must end in {', '.join(IMAGE_SUFFIXES)}. Received: {os.fspath(path)}. Remedy: rename it."
        )
    kind = next(name for name, suffixes in FORMATS.items() if suffix in suffixes)
    write_atomically(Path(path), lambda stream: Image.fromarray(image).save(stream, format=kind))


def _choose_interpolation(factor: float) -> int:
    # Area averaging has no aliasing when shrinking; when enlarging it would copy pixels in blocks.
    return cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR


def _decode_array(image: np.ndarray) -> np.ndarray:
    image = convert_array(image)
    _check_array(image)
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image)


def _check_array(image: np.ndarray) -> None:
    has_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype == np.uint8 and has_shape and image.size:
        return
    raise ImageError(
        "An image array must be uint8 of shape (H, W) grey or (H, W, 3) RGB and not empty."
        f" Received: {image.dtype} {image.shape}. Remedy: convert it, values 0..255."
    )

"""Data URLs: the content of a file as text, inside a page or a message.

Reference:
    RFC 2397, "The 'data' URL scheme".
"""

import base64
import io
from typing import Literal

import numpy as np
from PIL import Image

from fer.errors import ImageError


def encode_data_url(content: bytes, media_type: str) -> str:
    """Return a file's content as a data URL.

    Args:
        content: the bytes of the file.
        media_type: such as "text/csv".
    """
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def encode_image_url(image: np.ndarray, *, kind: Literal["JPEG", "PNG"] = "JPEG", quality: int = 85) -> str:
    """Return an image as a data URL, for an ``<img>`` element.

    Args:
        image: uint8 (H, W) or (H, W, 3), RGB.
        kind: file format.
        quality: of a JPEG, 1 to 95.
    """
    stream = io.BytesIO()
    options = {"quality": quality} if kind == "JPEG" else {}
    Image.fromarray(image).save(stream, format=kind, **options)
    return encode_data_url(stream.getvalue(), f"image/{kind.lower()}")


def decode_image_url(url: str) -> bytes:
    """Return the image file that a browser sent as a data URL.

    Raises:
        ImageError: the text is not a data URL of an image.
    """
    head, _, content = url.partition(",")
    try:
        if head.startswith("data:image/") and head.endswith(";base64"):
            return base64.b64decode(content, validate=True)
    except ValueError:
        pass
    raise ImageError(
        "A camera frame must be a data URL of an image. Received: other or damaged text. Remedy: reload the page, or"
        " send data:image/jpeg;base64, followed by the image file in base64."
    )

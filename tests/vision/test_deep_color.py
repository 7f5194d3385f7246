import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from fer.vision.images import decode_image


def write_png(values: np.ndarray) -> bytes:
    """Return uint16 (H, W, 3) as a PNG of 16 bits a channel, which Pillow cannot write."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def write_tiff(values: np.ndarray, compression: int) -> bytes:
    """Return uint16 (H, W, 3) as a TIFF; its compression is 1 for none and 5 for LZW."""
    return cv2.imencode(".tif", values[:, :, ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["png", "tiff", "tiff lzw"])
def test_colours_of_fewer_bits_than_the_file_has_are_stretched(bits, kind):
    colors = np.random.default_rng(bits).integers(0, 256, (300, 7, 3), dtype=np.uint16)
    colors[0, 0] = 255
    values = np.rint(colors * ((2**bits - 1) / 255)).astype(np.uint16)
    content = write_png(values) if kind == "png" else write_tiff(values, 5 if "lzw" in kind else 1)
    assert Image.open(io.BytesIO(content)).mode == "RGB"
    np.testing.assert_allclose(decode_image(content).astype(int), colors, atol=1)


def test_a_dark_colour_image_of_16_bits_with_one_bright_pixel_is_not_stretched():
    values = np.full((4, 4, 3), 2570, np.uint16)
    values[0, 0] = 65535
    assert decode_image(write_png(values))[1, 1].tolist() == [10, 10, 10]

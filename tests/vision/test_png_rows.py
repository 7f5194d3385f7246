import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fer.errors import ImageError
from fer.vision.images import decode_image
from fer.vision.png_rows import check_png_rows

NOISE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)


def write_png(width: int, height: int, *, rows: int, interlaced: bool = False, depth: int = 8, color: int = 2) -> bytes:
    """A whole PNG file whose data end after some rows, without an error of the compression."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[color]
    row = bytes(1 + width * samples * depth // 8)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("color", [0, 2, 4, 6])
@pytest.mark.parametrize("interlaced", [False, True])
def test_data_that_end_early_are_refused(depth, color, interlaced):
    with pytest.raises(ImageError, match=r"\d+% of its rows"):
        decode_image(write_png(40, 40, rows=10, depth=depth, color=color, interlaced=interlaced))


def test_a_small_file_with_many_pixels_and_no_rows_is_refused():
    with pytest.raises(ImageError, match="0% of its rows"):
        decode_image(write_png(8000, 8000, rows=0))


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_whole_images_of_every_mode_pass(mode):
    stream = io.BytesIO()
    image = Image.fromarray(NOISE)
    if mode == "I;16":
        image = Image.fromarray(NOISE[..., 0].astype(np.uint16) * 256)
    image.convert(mode).save(stream, "PNG")
    check_png_rows(stream.getvalue(), "whole")
    assert decode_image(stream.getvalue()).shape == NOISE.shape


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 2), (8, 8), (53, 37)])
def test_the_passes_of_a_whole_interlaced_image_are_counted(width, height):
    starts = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    data = b""
    for left, top, step_x, step_y in starts:
        columns, rows = len(range(left, width, step_x)), len(range(top, height, step_y))
        data += bytes((1 + 3 * columns) * rows if columns else 0)
    content = write_png(width, height, rows=0, interlaced=True)
    start = content.index(b"IDAT") - 4
    packed = zlib.compress(data)
    chunk = struct.pack(">I", len(packed)) + b"IDAT" + packed + struct.pack(">I", zlib.crc32(b"IDAT" + packed))
    check_png_rows(content[:start] + chunk + content[-12:], "whole")

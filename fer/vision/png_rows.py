"""A check that the data of a PNG file hold all of its rows; Pillow leaves missing ones black."""

import struct
import zlib
from collections.abc import Iterator

from fer.errors import ImageError

_SIGNATURE = 8
#: Start and step, in pixels, of the columns and rows of each pass of an interlaced PNG (Adam7).
_PASSES = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
#: Bytes that are expanded at a time, and given to the expander at a time.
_MOST_BYTES, _MOST_INPUT = 2**20, 2**16


def check_png_rows(content: bytes, name: str) -> None:
    """Check that the compressed data of a PNG file expand to all of its rows.

    Args:
        content: the bytes of the file.
        name: name of the image in the error message.

    Raises:
        ImageError: rows are missing.

    Reference:
        W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", sections 5, 7, 8 and 10.
    """
    chunks = _read_chunks(content)
    kind, header = next(chunks, (b"", b""))
    if kind != b"IHDR" or len(header) < 13:
        return
    expected = _count_bytes(header)
    received = _count_expanded((data for kind, data in chunks if kind == b"IDAT"), expected)
    if received < expected:
        raise ImageError(
            f"An image must be undamaged. Received: {name}, with {received / expected:.0%} of its rows."
            " Remedy: copy it again."
        )


def _read_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, start = memoryview(content), _SIGNATURE
    while start + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, start)
        yield content[start + 4 : start + 8], view[start + 8 : start + 8 + length]
        start += 12 + length


def _count_bytes(header: memoryview | bytes) -> int:
    """Return the number of bytes of all rows, each after one byte for its filter."""
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    bits = depth * _SAMPLES.get(color, 1)
    total = 0
    for left, step_x, top, step_y in _PASSES if interlaced else ((0, 1, 0, 1),):
        columns, rows = max(0, -(-(width - left) // step_x)), max(0, -(-(height - top) // step_y))
        total += rows * (1 + (columns * bits + 7) // 8) if columns else 0
    return total


def _count_expanded(parts: Iterator[memoryview], expected: int) -> int:
    """Return how many bytes compressed parts expand to, without keeping them."""
    expander, total = zlib.decompressobj(), 0
    try:
        for part in _cut(parts):
            pending: bytes | memoryview = part
            # An empty input once more: the limit may have held back output.
            while not expander.eof and total < expected:
                expanded = expander.decompress(pending, _MOST_BYTES)
                if not expanded and not len(expander.unconsumed_tail):
                    break
                total, pending = total + len(expanded), expander.unconsumed_tail
    except zlib.error:
        return total
    return total


def _cut(parts: Iterator[memoryview]) -> Iterator[memoryview]:
    for part in parts:
        for start in range(0, len(part), _MOST_INPUT):
            yield part[start : start + _MOST_INPUT]

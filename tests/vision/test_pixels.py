import io

import numpy as np
import pytest
from PIL import Image

from fer.vision.images import decode_image

RAMP = np.linspace(0, 1, 600).reshape(20, 30)


def write_grey16(highest: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.rint(RAMP * highest).astype(np.uint16)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_fewer_bits_in_a_16_bit_file_are_stretched(bits, kind):
    decoded = decode_image(write_grey16(2**bits - 1, kind))[..., 0]
    np.testing.assert_allclose(decoded, RAMP * 255, atol=1)


def test_large_images_are_converted_in_strips_as_small_ones_are_at_once():
    rgba = np.random.default_rng(0).integers(0, 256, (600, 7, 4), dtype=np.uint8)
    decoded = decode_image(Image.fromarray(rgba))
    alpha = rgba[..., 3:] / 255.0
    np.testing.assert_allclose(decoded, rgba[..., :3] * alpha + 255 * (1 - alpha), atol=1)


@pytest.mark.parametrize("depth", [8, 12, 16])
def test_big_endian_grey_of_16_bits_is_read_as_little_endian_is(depth):
    values = np.linspace(0, 2**depth - 1, 600 * 10).astype(np.uint16).reshape(600, 10)
    decoded = []
    for mode in ("I;16", "I;16B"):
        stream = io.BytesIO()
        order = ">u2" if mode == "I;16B" else "<u2"
        Image.frombytes(mode, (10, 600), values.astype(order).tobytes()).save(stream, "TIFF")
        decoded.append(decode_image(stream.getvalue()))
    assert (decoded[0].min(), decoded[0].max()) == (0, 255)
    np.testing.assert_array_equal(*decoded)

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pillow_heif import register_heif_opener

from fer.errors import ImageError
from fer.vision import decoding
from fer.vision.images import decode_image, decode_scaled


def encode(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def draw_gradient(width: int = 37, height: int = 23) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2).astype(np.uint8)


def write_png_header(width: int, height: int) -> bytes:
    """A PNG whose header has the given size, without pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + body + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_every_type_of_source_gives_the_same_array(tmp_path, kind):
    image = draw_gradient()
    content = encode(Image.fromarray(image), kind, **({"lossless": True} if kind == "WEBP" else {}))
    path = tmp_path / f"image.{kind.lower()}"
    path.write_bytes(content)
    for source in (path, str(path), content, bytearray(content), Image.open(io.BytesIO(content)), image):
        decoded = decode_image(source)
        assert decoded.dtype == np.uint8
        assert decoded.flags.c_contiguous
        np.testing.assert_array_equal(decoded, image)


def test_jpeg_is_rgb_and_not_bgr():
    decoded = decode_image(encode(Image.new("RGB", (16, 16), (250, 10, 20)), "JPEG"))
    assert np.abs(decoded.reshape(-1, 3).mean(0) - (250, 10, 20)).max() < 4


@pytest.mark.parametrize(("side", "size"), [(12_000, "12000x12000"), (60_000, "3600 megapixels")])
def test_an_image_with_too_many_pixels_is_rejected_before_it_is_decoded(side, size):
    with pytest.raises(ImageError, match=f"with {size}"):
        decode_image(write_png_header(side, side))


def test_an_image_with_the_largest_number_of_pixels_is_decoded(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 37 * 23)
    assert decode_image(encode(Image.fromarray(draw_gradient()), "PNG")).shape == (23, 37, 3)


def test_an_image_with_one_pixel_more_is_rejected(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_PIXELS", 37 * 23 - 1)
    content = encode(Image.fromarray(draw_gradient()), "PNG")
    for source in (content, Image.open(io.BytesIO(content))):
        with pytest.raises(ImageError, match="37x23"):
            decode_image(source)


def test_a_file_with_too_many_bytes_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "MAX_BYTES", 100)
    path = tmp_path / "large.png"
    path.write_bytes(bytes(101))
    with pytest.raises(ImageError, match=r"at most 0 MiB.*large\.png"):
        decode_image(path)


def test_too_many_bytes_in_memory_are_rejected(monkeypatch):
    monkeypatch.setattr(decoding, "MAX_BYTES", 100)
    with pytest.raises(ImageError, match="at most 0 MiB"):
        decode_image(bytes(101))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_truncated_file_is_rejected(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), kind)
    assert decode_image(content).shape == (40, 50, 3)
    with pytest.raises(ImageError):
        decode_image(content[: len(content) * 2 // 3])


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA"])
def test_other_formats_are_rejected(kind):
    with pytest.raises(ImageError, match="JPEG, PNG, WEBP, BMP, GIF, TIFF, AVIF, HEIF"):
        decode_image(encode(Image.fromarray(draw_gradient(32, 32)), kind))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    upright = draw_gradient()
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(np.ascontiguousarray(undo(upright))), "PNG", exif=exif)
    np.testing.assert_array_equal(decode_image(content), upright)


def test_an_image_with_a_damaged_exif_block_is_not_rotated():
    image = draw_gradient()
    content = encode(Image.fromarray(image), "PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7fgarbage")
    np.testing.assert_array_equal(decode_image(content), image)


def test_16_bit_grey_is_scaled_to_8_bits():
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (4, 1))
    decoded = decode_image(encode(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(decoded[0, :, 0], np.arange(256))
    np.testing.assert_array_equal(decode_image(Image.fromarray(ramp))[0, :, 2], np.arange(256))
    wide = Image.fromarray(ramp.astype(np.int32))
    np.testing.assert_array_equal(decode_image(wide)[0, :, 1], np.arange(256))


def test_pixels_of_more_than_16_bits_are_rejected():
    with pytest.raises(ImageError, match="16 bits"):
        decode_image(Image.fromarray(np.full((2, 2), 70_000, dtype=np.int32)))


def test_floating_point_pixels_are_rejected():
    with pytest.raises(ImageError, match="mode F"):
        decode_image(Image.fromarray(np.zeros((2, 2), dtype=np.float32)))


def test_transparent_pixels_become_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (decode_image(encode(clear, "PNG")) == 255).all()


def test_half_transparent_black_becomes_grey():
    half = Image.new("LA", (4, 4), (0, 128))
    assert np.abs(decode_image(encode(half, "PNG")).astype(int) - 127).max() <= 1


def test_a_transparent_colour_of_a_palette_becomes_white():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert (decode_image(encode(palette, "PNG", transparency=1)) == 255).all()


def test_the_colours_of_a_palette_are_decoded():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 200, 50])
    for kind in ("GIF", "PNG"):
        assert (decode_image(encode(palette, kind)) == (0, 200, 50)).all()


def test_the_first_frame_of_an_animation_is_decoded():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)
        assert (decode_image(content) == (255, 0, 0)).all()


def test_cmyk_is_converted_to_rgb():
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(decode_image(encode(red, "JPEG")).astype(int) - (255, 0, 0)).max() < 6


def test_a_bilevel_image_is_decoded_to_0_and_255():
    assert (decode_image(encode(Image.new("1", (8, 8), 1), "PNG")) == 255).all()


@pytest.mark.parametrize("source", [b"", b"no image", None, 3, "/does/not/exist.png", "a\0b", [1, 2]])
def test_other_sources_are_image_errors_of_one_line(source):
    with pytest.raises(ImageError) as caught:
        decode_image(source)
    assert "\n" not in str(caught.value)


def test_a_folder_is_an_image_error(tmp_path):
    with pytest.raises(ImageError, match="existing file"):
        decode_image(tmp_path)


def test_decoding_in_threads_does_not_change_the_warning_filters():
    before = list(warnings.filters)
    content = encode(Image.fromarray(draw_gradient()), "PNG")
    threads = [threading.Thread(target=decode_image, args=(content,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


CORPUS = [
    encode(Image.fromarray(draw_gradient()), "JPEG"),
    encode(Image.fromarray(draw_gradient()), "PNG"),
    encode(Image.fromarray(draw_gradient()), "GIF"),
    encode(Image.fromarray(draw_gradient()), "BMP"),
    encode(Image.fromarray(draw_gradient()), "WEBP"),
    encode(Image.fromarray(draw_gradient()).convert("P"), "PNG"),
    encode(Image.fromarray(draw_gradient()).convert("CMYK"), "JPEG"),
    encode(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)), "PNG"),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(CORPUS), st.data())
def test_a_damaged_file_gives_an_image_or_an_image_error(content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(1, len(damaged)))])
    try:
        decoded = decode_image(damaged)
    except ImageError as error:
        message = str(error)
    else:
        message = ""
        assert decoded.dtype == np.uint8
        assert decoded.ndim == 3
        assert decoded.shape[2] == 3
    assert "\n" not in message


# Formats of phones and cameras


@pytest.mark.parametrize(("kind", "suffix"), [("HEIF", "heic"), ("AVIF", "avif"), ("TIFF", "tif"), ("MPO", "mpo")])
def test_formats_of_phones_and_scanners_are_read(tmp_path, kind, suffix):
    register_heif_opener()
    path = tmp_path / f"image.{suffix}"
    Image.new("RGB", (64, 48), (200, 40, 90)).save(path, kind, quality=95)
    decoded = decode_image(path)
    assert decoded.shape == (48, 64, 3)
    assert np.abs(decoded.reshape(-1, 3).mean(0) - (200, 40, 90)).max() < 6


@pytest.mark.parametrize("name", ["a.jfif", "b.jpe", "c.HEIC", "d.png", "e"])
def test_the_content_decides_and_not_the_suffix(tmp_path, name):
    (tmp_path / name).write_bytes(encode(Image.new("RGB", (16, 16), "white"), "JPEG"))
    assert decode_image(tmp_path / name).min() > 250


def test_an_mpo_file_gives_its_first_image():
    stream = io.BytesIO()
    first, second = Image.new("RGB", (32, 32), "white"), Image.new("RGB", (32, 32), "black")
    first.save(stream, "MPO", save_all=True, append_images=[second])
    assert decode_image(stream.getvalue()).min() > 250


# Limits of memory and time


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_with_too_many_pixels_is_read_at_half_size(monkeypatch, progressive):
    content = encode(Image.fromarray(draw_gradient(400, 300)), "JPEG", progressive=progressive, quality=95)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 64_000)
    decoded = decode_scaled(content)
    assert (decoded.pixels.shape, decoded.scale) == ((150, 200, 3), 0.5)
    whole = draw_gradient(200, 150).astype(int)
    assert np.abs(decoded.pixels.astype(int) - whole)[5:-5, 5:-5, :2].max() < 12


@pytest.mark.parametrize(("size", "scale"), [((398, 300), 1.0), ((400, 300), 0.5), ((300, 808), 0.25)])
def test_a_jpeg_whose_half_is_fine_enough_is_read_at_reduced_size(monkeypatch, size, scale):
    monkeypatch.setattr(decoding, "FINE_SIDE", 200)
    decoded = decode_scaled(encode(Image.fromarray(draw_gradient(*size)), "JPEG"))
    assert (decoded.pixels.shape[1] / size[0], decoded.scale) == (scale, scale)
    whole = decode_scaled(encode(Image.fromarray(draw_gradient(*size)), "PNG"))
    assert (whole.pixels.shape[1], whole.scale) == (size[0], 1.0)


def test_a_jpeg_beyond_the_reducible_size_is_refused(monkeypatch):
    content = encode(Image.fromarray(draw_gradient(400, 300)), "JPEG")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 29_000)
    with pytest.raises(ImageError, match="400x300"):
        decode_image(content)


def test_a_progressive_jpeg_with_thousands_of_scans_is_refused_at_once():
    content = encode(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="scans"):
        decode_image(content[:last] + content[last:-2] * 2000 + b"\xff\xd9")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the memory figures of Linux")
@pytest.mark.parametrize(("kind", "mode"), [("WEBP", "RGBA"), ("PNG", "RGBA"), ("JPEG", "CMYK")])
def test_an_image_of_the_largest_size_takes_little_memory(tmp_path, kind, mode):
    path = tmp_path / f"large.{kind.lower()}"
    Image.new(mode, (8000, 8000)).save(path, kind, **({"lossless": True} if kind == "WEBP" else {}))
    script = (
        "import resource, sys; from fer.vision.images import decode_image, decode_scaled;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "base = peak(); decode_image(sys.argv[1]); print((peak() - base) // 1024)"
    )
    command = [sys.executable, "-c", script, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert int(result.stdout) < 1200

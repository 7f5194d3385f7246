import io
import struct
import threading
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from fer.errors import ImageError
from fer.vision import images
from fer.vision.images import FACE_SIDE, decode_image, prepare_face, shrink_to


def encode(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def draw_picture(width: int = 37, height: int = 23) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 256], axis=2).astype(np.uint8)


def write_png_header(width: int, height: int) -> bytes:
    """The first chunk of a PNG that claims a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    data = b"IDAT" + zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + body + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_every_source_of_a_picture_gives_the_same_array(tmp_path, kind):
    picture = draw_picture()
    content = encode(Image.fromarray(picture), kind, **({"lossless": True} if kind == "WEBP" else {}))
    path = tmp_path / f"picture.{kind.lower()}"
    path.write_bytes(content)
    for source in (path, str(path), content, bytearray(content), Image.open(io.BytesIO(content)), picture):
        decoded = decode_image(source)
        assert decoded.dtype == np.uint8
        assert decoded.flags.c_contiguous
        np.testing.assert_array_equal(decoded, picture)


def test_jpeg_is_rgb_and_not_bgr():
    decoded = decode_image(encode(Image.new("RGB", (16, 16), (250, 10, 20)), "JPEG"))
    assert np.abs(decoded.reshape(-1, 3).mean(0) - (250, 10, 20)).max() < 4


def test_a_picture_of_144_megapixels_is_refused_before_it_is_decoded():
    with pytest.raises(ImageError, match="with 144 megapixels"):
        decode_image(write_png_header(12_000, 12_000))
    with pytest.raises(ImageError, match="with 3600 megapixels"):
        decode_image(write_png_header(60_000, 60_000))


def test_the_pixel_cap_is_inclusive(monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 37 * 23)
    content = encode(Image.fromarray(draw_picture()), "PNG")
    assert decode_image(content).shape == (23, 37, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 37 * 23 - 1)
    with pytest.raises(ImageError, match="37x23"):
        decode_image(content)
    with pytest.raises(ImageError, match="37x23"):
        decode_image(Image.open(io.BytesIO(content)))


def test_the_byte_cap_holds_for_files_and_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    path = tmp_path / "large.png"
    path.write_bytes(bytes(101))
    with pytest.raises(ImageError, match=r"at most 0 MiB.*large\.png"):
        decode_image(path)
    with pytest.raises(ImageError, match="at most"):
        decode_image(bytes(101))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_truncated_file_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noise), kind)
    assert decode_image(content).shape == (40, 50, 3)
    with pytest.raises(ImageError):
        decode_image(content[: len(content) * 2 // 3])


@pytest.mark.parametrize("kind", ["TIFF", "PPM", "ICO", "TGA"])
def test_formats_outside_the_list_are_refused(kind):
    with pytest.raises(ImageError, match="JPEG, PNG, WEBP, BMP, GIF"):
        decode_image(encode(Image.fromarray(draw_picture(32, 32)), kind))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation):
    upright = draw_picture()
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


def test_a_damaged_exif_block_leaves_the_picture_as_stored():
    picture = draw_picture()
    content = encode(Image.fromarray(picture), "PNG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7fgarbage")
    np.testing.assert_array_equal(decode_image(content), picture)


def test_16_bit_grey_is_scaled_and_not_clipped_to_white():
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (4, 1))
    decoded = decode_image(encode(Image.fromarray(ramp), "PNG"))
    np.testing.assert_array_equal(decoded[0, :, 0], np.arange(256))
    np.testing.assert_array_equal(decode_image(Image.fromarray(ramp))[0, :, 2], np.arange(256))
    wide = Image.fromarray(ramp.astype(np.int32))
    np.testing.assert_array_equal(decode_image(wide)[0, :, 1], np.arange(256))


def test_pixels_beyond_16_bits_are_refused():
    with pytest.raises(ImageError, match="16 bits"):
        decode_image(Image.fromarray(np.full((2, 2), 70_000, dtype=np.int32)))
    with pytest.raises(ImageError, match="mode F"):
        decode_image(Image.fromarray(np.zeros((2, 2), dtype=np.float32)))


def test_transparency_is_laid_on_white():
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    half = Image.new("LA", (4, 4), (0, 128))
    assert (decode_image(encode(clear, "PNG")) == 255).all()
    assert np.abs(decode_image(encode(half, "PNG")).astype(int) - 127).max() <= 1
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    assert (decode_image(encode(palette, "PNG", transparency=1)) == 255).all()


def test_a_palette_gives_colours_and_not_indices():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 200, 50])
    for kind in ("GIF", "PNG"):
        assert (decode_image(encode(palette, kind)) == (0, 200, 50)).all()


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    for kind in ("GIF", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **options)
        assert (decode_image(content) == (255, 0, 0)).all()


def test_cmyk_and_bilevel_pictures():
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert np.abs(decode_image(encode(red, "JPEG")).astype(int) - (255, 0, 0)).max() < 6
    assert (decode_image(encode(Image.new("1", (8, 8), 1), "PNG")) == 255).all()


@pytest.mark.parametrize("source", [b"", b"no picture", None, 3, "/does/not/exist.png", "a\0b", [1, 2]])
def test_what_is_no_picture_gives_a_one_line_error(source, tmp_path):
    with pytest.raises(ImageError) as caught:
        decode_image(source)
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="existing file"):
        decode_image(tmp_path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4), bool),
    ],
)
def test_arrays_of_another_form_are_refused(array):
    with pytest.raises(ImageError, match="uint8"):
        decode_image(array)
    with pytest.raises(ImageError, match="uint8"):
        prepare_face(array)


def test_decoding_in_many_threads_leaves_the_warning_filters_alone():
    import warnings

    before = list(warnings.filters)
    content = encode(Image.fromarray(draw_picture()), "PNG")
    threads = [threading.Thread(target=decode_image, args=(content,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before


CORPUS = [
    encode(Image.fromarray(draw_picture()), "JPEG"),
    encode(Image.fromarray(draw_picture()), "PNG"),
    encode(Image.fromarray(draw_picture()), "GIF"),
    encode(Image.fromarray(draw_picture()), "BMP"),
    encode(Image.fromarray(draw_picture()), "WEBP"),
    encode(Image.fromarray(draw_picture()).convert("P"), "PNG"),
    encode(Image.fromarray(draw_picture()).convert("CMYK"), "JPEG"),
    encode(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)), "PNG"),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(CORPUS), st.data())
def test_a_damaged_file_gives_a_picture_or_an_image_error(content, data):
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


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 120), st.integers(1, 120), st.just(3))))
def test_a_prepared_face_has_one_form_and_stays_in_range(image):
    face = prepare_face(image)
    assert face.shape == (FACE_SIDE, FACE_SIDE)
    assert face.dtype == np.uint8
    square = images.crop_central_square(image)
    assert int(face.min()) >= int(square.min()) - 1
    assert int(face.max()) <= int(square.max()) + 1


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.uint8, (48, 48)))
def test_a_grey_face_of_the_right_size_is_unchanged(face):
    np.testing.assert_array_equal(prepare_face(face), face)
    np.testing.assert_array_equal(prepare_face(decode_image(face)), face)
    np.testing.assert_array_equal(prepare_face(np.kron(face, np.ones((4, 4), np.uint8))), face)


def test_grey_follows_bt_601():
    picture = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    expected = picture @ np.array([0.299, 0.587, 0.114])
    assert np.abs(prepare_face(picture) - expected).max() <= 1.0


def test_shrinking_averages_and_does_not_alias():
    checks = np.indices((480, 480)).sum(0) % 2 * 255
    assert np.abs(prepare_face(checks.astype(np.uint8)).astype(int) - 127).max() <= 1


def test_a_wide_picture_gives_its_centre_undistorted():
    picture = np.zeros((100, 300), np.uint8)
    cv2.circle(picture, (150, 50), 30, 255, -1)
    face = prepare_face(picture) > 127
    assert abs(int(face.any(0).sum()) - int(face.any(1).sum())) <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_shrinking_to_a_side_keeps_it_within_the_limit(height, width, max_side):
    small, scale = shrink_to(np.zeros((height, width, 3), np.uint8), max_side)
    assert max(small.shape[:2]) == min(max_side, max(height, width))
    assert 0 < scale <= 1

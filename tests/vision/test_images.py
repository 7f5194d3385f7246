import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from fer.errors import ImageError
from fer.labels import FACE_SIZE
from fer.vision.decoding import FORMATS, IMAGE_SUFFIXES
from fer.vision.images import (
    convert_array,
    crop_central_square,
    decode_image,
    prepare_face,
    resize_by,
    resize_maps,
    shrink_to,
    write_image,
)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.int32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((2, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4), bool),
    ],
)
def test_arrays_of_another_type_or_shape_are_image_errors(array):
    with pytest.raises(ImageError, match="uint8"):
        decode_image(array)
    with pytest.raises(ImageError, match="uint8"):
        prepare_face(array)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 120), st.integers(1, 120), st.just(3))))
def test_a_prepared_face_has_size_and_range_of_the_network_input(image):
    face = prepare_face(image)
    assert face.shape == (FACE_SIZE, FACE_SIZE)
    assert face.dtype == np.uint8
    square = crop_central_square(image)
    assert int(face.min()) >= int(square.min()) - 1
    assert int(face.max()) <= int(square.max()) + 1


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.uint8, (48, 48)))
def test_a_grey_face_of_48_pixels_is_unchanged(face):
    np.testing.assert_array_equal(prepare_face(face), face)
    np.testing.assert_array_equal(prepare_face(decode_image(face)), face)
    np.testing.assert_array_equal(prepare_face(np.kron(face, np.ones((4, 4), np.uint8))), face)


def test_grey_values_follow_bt_601():
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    expected = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(prepare_face(image) - expected).max() <= 1.0


def test_shrinking_averages_without_aliasing():
    checks = np.indices((480, 480)).sum(0) % 2 * 255
    assert np.abs(prepare_face(checks.astype(np.uint8)).astype(int) - 127).max() <= 1


def test_the_centre_of_a_wide_image_is_prepared_undistorted():
    image = np.zeros((100, 300), np.uint8)
    cv2.circle(image, (150, 50), 30, 255, -1)
    face = prepare_face(image) > 127
    assert abs(int(face.any(0).sum()) - int(face.any(1).sum())) <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 200))
def test_a_shrunk_image_has_the_side_that_was_asked_for(height, width, max_side):
    small, scale = shrink_to(np.zeros((height, width, 3), np.uint8), max_side)
    assert max(small.shape[:2]) == min(max_side, max(height, width))
    assert 0 < scale <= 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 100), st.integers(1, 100), st.floats(0.001, 4.0))
def test_a_resized_image_has_at_least_one_pixel_a_side(height, width, factor):
    resized = resize_by(np.full((height, width, 3), 77, np.uint8), factor)
    assert resized.shape == (max(1, round(height * factor)), max(1, round(width * factor)), 3)
    assert (resized == 77).all()


@pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".PNG"])
def test_an_image_is_written_in_the_format_of_its_suffix(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    write_image(np.full((20, 30, 3), 77, np.uint8), path)
    with Image.open(path) as image:
        assert suffix.lower() in FORMATS[image.format]
    assert decode_image(path).mean() == pytest.approx(77, abs=1)


@pytest.mark.parametrize("name", ["image.tga", "image", "image.txt"])
def test_an_image_is_not_written_with_another_suffix(tmp_path, name):
    with pytest.raises(ImageError, match=r"\.png"):
        write_image(np.zeros((2, 2), np.uint8), tmp_path / name)
    assert not list(tmp_path.iterdir())


# Arrays and open files whose meaning is clear


def test_an_open_file_is_decoded_like_its_bytes():
    stream = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(stream, "PNG")
    stream.seek(0)
    np.testing.assert_array_equal(decode_image(stream), decode_image(stream.getvalue()))


def test_an_open_file_at_its_end_is_not_called_empty():
    with pytest.raises(ImageError, match=r"at its end. Remedy: seek\(0\)"):
        decode_image(_move_to_end())
    with pytest.raises(ImageError, match="0 bytes"):
        decode_image(io.BytesIO())


def _move_to_end():
    stream = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(stream, "PNG")
    stream.seek(0, io.SEEK_END)
    return stream


def test_an_empty_path_is_not_taken_for_the_folder():
    with pytest.raises(ImageError, match="empty path"):
        decode_image("")


def test_a_file_that_is_open_as_text_is_refused():
    with pytest.raises(ImageError, match="'rb'"):
        decode_image(io.StringIO("text"))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_fractions_are_scaled_to_bytes(dtype):
    image = np.linspace(0, 1, 16).reshape(4, 4).astype(dtype)
    np.testing.assert_array_equal(decode_image(image)[..., 0], np.rint(image.astype(np.float64) * 255))


@pytest.mark.parametrize("highest", [1.5, 255.0, -1.0])
def test_floats_in_another_range_are_refused_with_the_remedy(highest):
    image = np.zeros((4, 4, 3))
    image[0, 0, 0] = highest
    with pytest.raises(ImageError, match="astype"):
        decode_image(image)


def test_an_axis_of_one_channel_is_dropped():
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    np.testing.assert_array_equal(decode_image(grey[..., None]), decode_image(grey))
    assert convert_array(grey[None, ..., None]).shape == (1, 4, 5)


def test_maps_are_enlarged_linearly_and_keep_their_corners():
    maps = np.arange(2 * 6 * 6, dtype=np.float32).reshape(2, 6, 6)
    large = resize_maps(maps)
    assert large.shape == (2, 48, 48)
    assert large.dtype == np.float32
    np.testing.assert_allclose(large[:, [0, 0, -1, -1], [0, -1, 0, -1]], maps[:, [0, 0, -1, -1], [0, -1, 0, -1]])
    # The centre of a cell of the map lies between two pixels.
    np.testing.assert_allclose(large[:, 11:13, 11:13].mean(axis=(1, 2)), maps[:, 1, 1], rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_nan_or_infinity_is_not_said_to_be_scaled(value):
    image = np.zeros((4, 4, 3))
    image[0, 0] = value
    with pytest.raises(ImageError, match="replace NaN"):
        decode_image(image)

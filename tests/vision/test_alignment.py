import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer.errors import ImageError
from fer.vision.alignment import (
    FRAME,
    Frame,
    align_face,
    align_views,
    compute_crop_matrix,
    compute_crop_side,
    compute_tilt,
)
from fer.vision.detection import Detection
from fer.vision.images import prepare_face

EXACT = Frame(side=1.0, offset=(0.0, 0.0), kept_tilt=0.0)
CENTRES = st.floats(-100, 900)
SIDES = st.floats(5, 800)


def build_landmarks(angle: float, x: float = 100.0, y: float = 100.0) -> np.ndarray:
    """Five landmarks of an upright face, turned clockwise by an angle in degrees."""
    points = np.array([[-20, -15], [20, -15], [0, 0], [-15, 20], [15, 20]], np.float32)
    radians = math.radians(angle)
    turn = np.array([[math.cos(radians), -math.sin(radians)], [math.sin(radians), math.cos(radians)]])
    return (points @ turn.T + (x, y)).astype(np.float32)


def draw_smooth(height: int = 300, width: int = 400) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    grey = 128 + 60 * np.sin(rows / 23) + 60 * np.cos(columns / 31)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


@given(CENTRES, CENTRES, SIDES, st.floats(-80, 80))
def test_crop_matrix_is_a_similarity_that_centres_the_box(x, y, side, tilt):
    face = Detection((x, y, x + side, y + side), 1.0, build_landmarks(tilt))
    matrix = compute_crop_matrix(face, 48, frame=EXACT)
    turn = matrix[:, :2]
    scale = 48 / side
    np.testing.assert_allclose(turn @ turn.T, np.eye(2) * scale**2, rtol=1e-6, atol=1e-9)
    assert np.linalg.det(turn) > 0
    centre = np.array([x + side / 2 - 0.5, y + side / 2 - 0.5])
    np.testing.assert_allclose(turn @ centre + matrix[:, 2], (23.5, 23.5), atol=1e-6)


@given(st.floats(-80, 80))
def test_only_the_tilt_beyond_the_kept_one_is_removed(tilt):
    landmarks = build_landmarks(tilt)
    assert compute_tilt(landmarks) == pytest.approx(tilt, abs=1e-3)
    frame = Frame(side=1.0, offset=(0.0, 0.0), kept_tilt=16.0)
    matrix = compute_crop_matrix(Detection((50, 50, 150, 150), 1.0, landmarks), 48, frame=frame)
    turned = landmarks.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    assert compute_tilt(turned) == pytest.approx(np.clip(tilt, -16, 16), abs=1e-3)


def test_a_crop_without_landmarks_is_not_rotated():
    assert compute_tilt(None) == 0.0
    matrix = compute_crop_matrix(Detection((10, 20, 58, 68), 1.0), 48, frame=EXACT)
    np.testing.assert_allclose(matrix, [[1, 0, -10], [0, 1, -20]], atol=1e-9)


@pytest.mark.parametrize("box", [(10, 20, 58, 68), (4, 3, 196, 195)])
def test_a_box_on_whole_pixels_gives_the_prepared_pixels_inside_it(box):
    """Its side is that of a prepared face, or four times as long, so that pixels are averaged."""
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    x_min, y_min, x_max, y_max = box
    crop = align_face(image, Detection(box, 1.0), frame=EXACT)
    np.testing.assert_array_equal(crop, prepare_face(image[y_min:y_max, x_min:x_max]))


def test_the_side_of_a_crop_is_relative_to_the_longer_side_of_the_box():
    assert compute_crop_side(Detection((10, 20, 50, 70), 1.0)) == pytest.approx(FRAME.side * 50)


def test_the_views_are_the_crop_a_closer_one_and_two_mirrored_ones():
    image, face = draw_smooth(), Detection((100, 80, 196, 176), 1.0, build_landmarks(5.0, 148.0, 128.0))
    views = align_views(image, face, frame=EXACT)
    np.testing.assert_array_equal(views[0], align_face(image, face, frame=EXACT))
    crops = [align_face(image, face, frame=replace(EXACT, side=side)) for side in (0.9, 0.8, 1.2)]
    np.testing.assert_array_equal(views[1:], [crops[0], crops[1][:, ::-1], crops[2][:, ::-1]])
    assert all((crop != views[0]).any() for crop in crops)


def test_a_large_face_is_averaged_without_aliasing():
    checks = (np.indices((900, 900)).sum(0) % 2 * 255).astype(np.uint8)
    crop = align_face(checks, Detection((101.3, 99.7, 801.3, 799.7), 1.0), frame=EXACT)
    assert np.abs(crop.astype(int) - 127).max() < 16


@settings(max_examples=30, deadline=None)
@given(st.floats(60, 200), st.floats(80, 300), st.floats(30, 110), st.floats(-40, 40), st.floats(0.5, 3.0))
def test_a_crop_does_not_depend_on_the_size_of_the_photo(y, x, side, tilt, scale):
    image = draw_smooth()
    face = Detection((x - side / 2, y - side / 2, x + side / 2, y + side / 2), 1.0, build_landmarks(tilt, x, y))
    resized = cv2.resize(image, (round(400 * scale), round(300 * scale)), interpolation=cv2.INTER_AREA)
    factors = np.array([resized.shape[1] / 400, resized.shape[0] / 300])
    box = tuple(float(value) for value in np.array(face.box) * np.tile(factors, 2))
    other = Detection(box, 1.0, ((face.landmarks + 0.5) * factors - 0.5).astype(np.float32))
    difference = align_face(image, face).astype(int) - align_face(resized, other)
    assert np.abs(difference).mean() < 4


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), CENTRES, CENTRES, SIDES, st.floats(-180, 180))
def test_any_box_gives_a_crop(height, width, x, y, side, tilt):
    """A box may lie partly or wholly outside the image, whose border is repeated."""
    image = np.full((height, width, 3), 77, np.uint8)
    crop = align_face(image, Detection((x - 100, y - 100, x + side, y + side), 1.0, build_landmarks(tilt)))
    assert crop.shape == (48, 48)
    assert crop.dtype == np.uint8
    assert (crop == 77).all()


def test_an_image_wider_than_opencv_can_warp_can_be_cropped():
    image = np.zeros((60, 40_000, 3), np.uint8)
    image[:, 39_000:] = 200
    assert align_face(image, Detection((39_100, 5, 39_150, 55), 1.0)).min() == 200


def test_grey_and_colour_images_give_the_same_crop():
    grey = draw_smooth()[..., 0]
    face = Detection((50.3, 60.1, 170.2, 190.7), 1.0, build_landmarks(7))
    np.testing.assert_array_equal(align_face(grey, face), align_face(np.repeat(grey[..., None], 3, 2), face))


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (9, 5, 5, 9), (0, 0, math.inf, 4), (math.nan, 0, 4, 4)])
def test_an_empty_or_infinite_box_is_an_image_error(box):
    with pytest.raises(ImageError, match="box"):
        align_face(np.zeros((9, 9, 3), np.uint8), Detection(box, 1.0))


def test_a_face_at_the_edge_does_not_move_the_crop_of_another():
    """A fault seen in another project: padding for a face at the edge shifted the crops of all later faces."""
    image = draw_smooth()
    face = Detection((200, 100, 280, 180), 1.0)
    before = align_face(image, face)
    untouched = image.copy()
    align_face(image, Detection((-60, -60, 40, 40), 1.0))
    np.testing.assert_array_equal(align_face(image, face), before)
    np.testing.assert_array_equal(image, untouched)

"""Degradations of single faces: what each does to the pixels."""

import numpy as np
import pytest

from fer.vision.degradation import (
    add_light,
    apply_gamma,
    blur,
    blur_motion,
    change_contrast,
    compress,
    move,
    occlude,
    reduce_resolution,
    to_pixels,
    turn,
)


@pytest.fixture
def face():
    """A smooth face with a bright square right of and below its middle, float32 (48, 48)."""
    face = np.tile(np.linspace(60, 120, 48, dtype=np.float32), (48, 1)).T.copy()
    face[26:36, 28:38] = 240.0
    return face


def locate_square(face):
    """The centre (x, y) of the bright pixels."""
    rows, columns = np.nonzero(face > 180)
    return columns.mean(), rows.mean()


@pytest.mark.parametrize(
    "soften",
    [lambda face: blur(face, 1.5), lambda face: blur_motion(face, 7, 0), lambda face: reduce_resolution(face, 12)],
)
def test_blurs_soften_edges_and_keep_the_mean_grey(face, soften):
    softened = soften(face)
    assert np.abs(np.diff(softened, axis=1)).max() < np.abs(np.diff(face, axis=1)).max() / 2
    assert softened.mean() == pytest.approx(face.mean(), abs=1.0)


def test_motion_blur_smears_along_its_direction_only(face):
    horizontal, vertical = blur_motion(face, 7, 0), blur_motion(face, 7, 90)
    point = np.zeros((48, 48), np.float32)
    point[24, 24] = 255.0
    rows, columns = np.nonzero(blur_motion(point, 6, 0) > 1)
    assert np.ptp(rows) == 0
    assert np.ptp(columns) == 6
    assert np.abs(np.diff(horizontal, axis=0)).max() > np.abs(np.diff(vertical, axis=0)).max()


def test_motion_blur_of_a_point_is_a_line_at_its_angle():
    point = np.zeros((48, 48), np.float32)
    point[24, 24] = 255.0
    rows, columns = np.nonzero(blur_motion(point, 10, 45) > 3)
    assert np.corrcoef(rows, columns)[0, 1] > 0.9


def test_compression_returns_other_whole_grey_values(face):
    compressed = compress(face, 5)
    assert compressed.dtype == np.float32
    assert (compressed == np.rint(compressed)).all()
    assert np.abs(compressed - face).max() > 5


def test_gamma_above_one_darkens_and_keeps_black_and_white():
    levels = np.array([[0.0, 128.0, 255.0]], np.float32)
    dark = apply_gamma(levels, 2.0)
    np.testing.assert_allclose(dark, [[0.0, 64.25, 255.0]], atol=0.01)


def test_light_differs_by_its_range_across_the_face():
    lit = add_light(np.full((48, 48), 100.0, np.float32), np.array([40.0, 0.0], np.float32))
    assert lit[:, -1] - lit[:, 0] == pytest.approx(40.0)
    assert lit.mean() == pytest.approx(100.0)


def test_contrast_is_a_share_of_the_differences(face):
    flat = change_contrast(face, 0.25)
    assert flat.std() == pytest.approx(face.std() / 4, rel=1e-4)
    assert flat.mean() == pytest.approx(face.mean(), rel=1e-4)


@pytest.mark.parametrize(("is_ellipse", "share"), [(False, 0.16), (True, 0.16 * np.pi / 4)])
def test_occlusion_covers_the_box_or_its_ellipse_and_leaves_the_face_as_it_was(face, is_ellipse, share):
    before = face.copy()
    covered = occlude(face, np.array([0.3, 0.3, 0.4, 0.4]), 7.0, is_ellipse=is_ellipse)
    assert (covered == 7.0).mean() == pytest.approx(share, abs=0.04)
    np.testing.assert_array_equal(face, before)


def test_a_move_shifts_to_the_right_and_down(face):
    x, y = locate_square(face)
    moved_x, moved_y = locate_square(move(face, shift=(3.0, 2.0)))
    assert (moved_x - x, moved_y - y) == (3.0, 2.0)


def test_a_scale_above_one_is_a_tighter_crop(face):
    assert (move(face, scale=1.3) > 180).sum() > 1.4 * (face > 180).sum()


def test_a_rotation_keeps_the_centre(face):
    assert move(face, angle=30.0)[23:25, 23:25].mean() == pytest.approx(face[23:25, 23:25].mean(), abs=2)
    x, y = locate_square(move(face, angle=90.0))
    # Counter-clockwise: from right of and below the middle to right of and above it.
    assert x > 24 > y


def test_a_face_that_is_not_turned_is_the_same(face):
    np.testing.assert_allclose(turn(face, 0.0), face, atol=0.05)


@pytest.mark.parametrize("yaw", [20.0, 40.0])
def test_a_turn_moves_the_middle_and_narrows_the_far_half(yaw):
    stripes = np.zeros((48, 48), np.float32)
    stripes[:, 23:25] = 255.0
    turned = turn(stripes, yaw)
    assert np.flatnonzero(turned[0] > 100).mean() > 24
    np.testing.assert_allclose(turned, np.fliplr(turn(np.fliplr(stripes), -yaw)), atol=0.1)
    ramp = np.tile(np.arange(48, dtype=np.float32), (48, 1))
    # Fewer columns show the half that turns away than the half that turns to the camera.
    shown = turn(ramp, yaw)[0]
    assert (shown > 24).sum() < (shown < 23).sum()


def test_pixels_are_rounded_and_clipped():
    np.testing.assert_array_equal(to_pixels(np.array([-3.0, 1.6, 300.0])), np.array([0, 2, 255], np.uint8))

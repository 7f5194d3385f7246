import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer.vision.boxes import (
    build_whole_box,
    clip_box,
    compute_area,
    compute_centre,
    compute_containment,
    compute_iou,
    compute_longer_side,
    compute_shared_area,
    contains_point,
    flip_box,
    scale_box,
    shift_box,
)

BOXES = st.tuples(st.floats(-50, 500), st.floats(-50, 500), st.floats(1, 300), st.floats(1, 300)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)


def test_a_box_is_flipped_by_hand():
    assert flip_box((10.0, 20.0, 30.0, 25.0), 100.0) == (70.0, 20.0, 90.0, 25.0)


@given(BOXES)
def test_two_flips_give_the_box(box):
    assert flip_box(flip_box(box, 640.0), 640.0) == pytest.approx(box)


def test_measures_by_hand():
    box = (10.0, 20.0, 30.0, 25.0)
    assert compute_area(box) == 100.0
    assert compute_centre(box) == (20.0, 22.5)
    assert compute_longer_side(box) == 20.0


def test_scaling_and_shifting_by_hand():
    assert scale_box((1.0, 2.0, 3.0, 5.0), 2.0) == (2.0, 4.0, 6.0, 10.0)
    assert shift_box((1.0, 2.0, 3.0, 5.0), 10.0, -1.0) == (11.0, 1.0, 13.0, 4.0)


def test_whole_box_covers_an_image_of_any_number_of_channels():
    assert build_whole_box((480, 640)) == build_whole_box((480, 640, 3)) == (0.0, 0.0, 640.0, 480.0)


@pytest.mark.parametrize(
    ("other", "shared"), [((1, 0, 3, 2), 2.0), ((2, 0, 3, 2), 0.0), ((5, 5, 6, 6), 0.0), ((-1, -1, 9, 9), 4.0)]
)
def test_shared_area_by_hand(other, shared):
    assert compute_shared_area((0, 0, 2, 2), other) == shared


def test_iou_by_hand():
    assert compute_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)


def test_iou_of_touching_boxes_is_0():
    assert compute_iou((0, 0, 2, 2), (2, 0, 3, 2)) == 0.0


def test_containment_by_hand():
    assert compute_containment((0, 0, 2, 2), (1, 0, 9, 9)) == 0.5
    assert compute_containment((1, 0, 9, 9), (0, 0, 2, 2)) == pytest.approx(2 / 72)


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_between_0_and_1(one, other):
    assert compute_iou(one, other) == pytest.approx(compute_iou(other, one))
    assert 0 <= compute_iou(one, other) <= 1 + 1e-9


@given(BOXES)
def test_iou_of_a_box_with_itself_is_1(box):
    assert compute_iou(box, box) == pytest.approx(1.0)


@given(BOXES, BOXES, st.floats(0.1, 10), st.floats(-300, 300), st.floats(-300, 300))
def test_iou_does_not_depend_on_scale_or_position(one, other, factor, x, y):
    moved = [shift_box(scale_box(box, factor), x, y) for box in (one, other)]
    assert compute_iou(*moved) == pytest.approx(compute_iou(one, other), abs=1e-6)


@given(BOXES, st.integers(1, 400), st.integers(1, 400))
def test_clipped_box_is_the_part_inside_the_image(box, height, width):
    clipped = clip_box(box, height, width)
    assert 0 <= clipped[0] <= clipped[2] <= width
    assert 0 <= clipped[1] <= clipped[3] <= height
    assert compute_area(clipped) == pytest.approx(compute_shared_area(box, build_whole_box((height, width))), abs=1e-6)


@given(BOXES, st.floats(-60, 900), st.floats(-60, 900))
def test_a_box_contains_the_points_that_clipping_leaves_unchanged(box, x, y):
    inside = np.clip(x, box[0], box[2]) == x and np.clip(y, box[1], box[3]) == y
    on_edge = x in (box[0], box[2]) or y in (box[1], box[3])
    assert contains_point(box, x, y) == (inside and not on_edge)

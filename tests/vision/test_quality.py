import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from fer.vision.alignment import align_face
from fer.vision.detection import Detection
from fer.vision.faces import DetectedFace
from fer.vision.quality import compute_cut, compute_sharpness, compute_turn, compute_warnings
from fer.vision.yunet import YuNetDetector


@pytest.fixture(scope="module")
def astronaut() -> tuple[np.ndarray, Detection]:
    image = skimage.data.astronaut()
    return image, YuNetDetector().detect(image)[0]


def list_warnings(image: np.ndarray, face: Detection) -> tuple[str, ...]:
    return compute_warnings(face, align_face(image, face), image.shape)


def test_a_good_face_has_no_warnings(astronaut):
    assert list_warnings(*astronaut) == ()


def test_a_small_face_has_the_warning_small(astronaut):
    image, face = astronaut
    factor = 20 / (face.box[3] - face.box[1])
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    box = tuple(value * factor for value in face.box)
    assert "small" in list_warnings(small, Detection(box, 1.0, face.landmarks * factor))


def test_a_blurred_face_has_the_warning_blurred(astronaut):
    image, face = astronaut
    assert list_warnings(cv2.GaussianBlur(image, (0, 0), 5), face) == ("blurred",)


def test_a_turned_face_has_the_warning_profile(astronaut):
    image, face = astronaut
    turned = face.landmarks.copy()
    turned[2, 0] = turned[0, 0]
    assert list_warnings(image, Detection(face.box, 1.0, turned)) == ("profile",)


def test_a_face_without_landmarks_counts_as_frontal():
    assert compute_turn(None) == 0.0


def test_a_face_cut_by_the_edge_has_the_warning_edge(astronaut):
    image, face = astronaut
    middle = int((face.box[0] + face.box[2]) / 2)
    cut = image[:, middle:]
    x_min, y_min, x_max, y_max = face.box
    moved = Detection((x_min - middle, y_min, x_max - middle, y_max), 1.0, face.landmarks - (middle, 0))
    assert "edge" in list_warnings(cut, moved)
    assert compute_cut(moved, cut.shape) == pytest.approx(0.5, abs=0.1)


def test_no_part_of_a_face_inside_the_image_is_cut(astronaut):
    image, face = astronaut
    assert compute_cut(face, image.shape) == 0.0


@settings(max_examples=40)
@given(st.floats(-170, 170), st.floats(0.2, 5.0))
def test_the_turn_does_not_depend_on_tilt_or_size(angle, scale):
    points = np.array([[-20, -15], [20, -15], [9, 0], [-15, 20], [15, 20]], float)
    radians = np.radians(angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    assert compute_turn(points @ turn.T * scale + 50) == pytest.approx(compute_turn(points), rel=1e-6)
    assert compute_turn(points) == pytest.approx(9 / 35)


def test_the_sharpness_of_a_uniform_crop_is_0():
    assert compute_sharpness(np.full((48, 48), 9, np.uint8)) == 0.0


def test_the_turn_is_infinite_if_all_landmarks_coincide():
    assert compute_turn(np.zeros((5, 2))) == float("inf")


def test_a_nearly_black_face_is_dark_and_never_certain(astronaut):
    image, face = astronaut
    black = image // 16
    detected = DetectedFace(face, align_face(black, face)[None], black.shape)
    probabilities = np.array([0.9, 0.1, 0, 0, 0, 0, 0], np.float32)
    classified = detected.classify(probabilities, uncertain_below=0.5)
    assert "dark" in classified.warnings
    assert classified.uncertain
    assert classified.smooth(1, probabilities, 0.5).uncertain
    whole = DetectedFace(face, align_face(image, face)[None], image.shape).classify(probabilities, uncertain_below=0.5)
    assert not whole.uncertain

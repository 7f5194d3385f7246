"""The photo check: synthetic photos of faces, and the accuracies on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.config import read_json
from fer.errors import SettingsError
from fer.evaluation.metrics_file import read_metrics
from fer.evaluation.photo_check import compute_difference, measure_photo_accuracy, render_photo_check
from fer.files import compute_digest
from fer.runs import Run
from fer.vision.alignment import FRAME, align_face
from fer.vision.synthetic_photos import show_as_photo
from fer.vision.yunet import YuNetDetector

ROOT = Path(__file__).parents[2]
RUN = Run(ROOT / "artifacts" / "xception")
#: The crops of the analyzer are a twentieth tighter.
FRAME_OF_FER2013 = replace(FRAME, side=0.97)


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A face framed like those of FER2013."""
    image = skimage.data.astronaut()
    detector = YuNetDetector()
    return align_face(image, detector.detect(image)[0], frame=FRAME_OF_FER2013)


def test_a_face_shown_as_a_photo_is_detected_and_cropped_to_the_same_face(face):
    detector = YuNetDetector()
    correlations = []
    for seed in range(6):
        photo = show_as_photo(face, np.random.default_rng(seed))
        (detection,) = detector.detect(photo)
        crop = align_face(photo, detection, frame=FRAME_OF_FER2013)
        correlations.append(np.corrcoef(crop.ravel(), face.ravel())[0, 1])
    assert np.mean(correlations) > 0.8


def test_a_photo_is_determined_by_its_seed(face):
    one, same, other = (show_as_photo(face, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_photo_is_a_large_rgb_image(face):
    photo = show_as_photo(face, np.random.default_rng(1))
    assert photo.shape == (480, 640, 3)
    assert photo.dtype == np.uint8


@pytest.fixture
def labelled(face):
    """A classifier, four equal faces, and labels of which the classifier predicts the first three."""
    classifier, faces = StubClassifier(), np.stack([face] * 4)
    label = int(classifier.predict(faces)[0].argmax())
    return classifier, faces, np.array([label, label, label, (label + 1) % 7])


def test_the_check_counts_faces_that_are_not_detected(labelled):
    classifier, faces, y_true = labelled
    check = measure_photo_accuracy(faces, y_true, Analyzer(classifier, StubDetector([])))
    assert (check.n, check.num_undetected) == (4, 4)
    assert check.accuracy_original == check.accuracy_original_flip == 0.75
    assert check.accuracy_original_detected == check.accuracy_photo_detected == 0.0


def test_the_check_measures_detected_faces(labelled):
    classifier, faces, y_true = labelled
    check = measure_photo_accuracy(faces, y_true, Analyzer(classifier), limit=3, seed=5)
    assert (check.n, check.num_undetected, check.accuracy_original, check.seed) == (3, 0, 1.0, 5)
    assert check.accuracy_photo == check.accuracy_photo_detected == check.agreement


def test_the_check_needs_a_face(labelled):
    classifier, faces, y_true = labelled
    with pytest.raises(SettingsError, match="none"):
        measure_photo_accuracy(faces[:0], y_true[:0], Analyzer(classifier))


def test_the_difference_and_its_interval_in_a_hand_worked_case():
    before, after = np.array([1, 1, 0, 0], bool), np.array([1, 0, 0, 0], bool)
    difference, (low, high) = compute_difference(before, after)
    assert difference == -25.0
    # The changes are 0, -1, 0, 0: a standard deviation of the square root of 3/16, over that of 4.
    assert high - difference == pytest.approx(196.0 * (3 / 16) ** 0.5 / 2)
    assert difference - low == pytest.approx(high - difference)


def test_the_kept_photo_check_belongs_to_the_shipped_network_and_its_data():
    figures, metrics = read_json(RUN.photo_check), read_metrics(RUN.folder)
    assert figures["model_sha256"] == compute_digest(RUN.model)
    assert figures["data_sha256"] == metrics["data_sha256"]
    assert (figures["data"], figures["part"], figures["n"]) == ("fer2013", "validation", 3589)
    assert figures["accuracy_original"] == pytest.approx(metrics["validation"]["accuracy"], abs=1e-3)


def test_the_table_of_the_kept_photo_check_counts_detected_faces():
    figures = read_json(RUN.photo_check)
    row = render_photo_check(figures).splitlines()[3]
    assert row.startswith(f"| detected in their photos | {figures['n'] - figures['num_undetected']:,} |")

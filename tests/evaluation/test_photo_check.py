import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.errors import SettingsError
from fer.evaluation.model_card import read_marked_section
from fer.evaluation.photo_check import compute_difference, measure_photo_accuracy, render_photo_check
from fer.vision.alignment import align_face
from fer.vision.synthetic_photos import show_as_photo
from fer.vision.yunet import YuNetDetector

ROOT = Path(__file__).parents[2]
RUN = ROOT / "artifacts" / "xception"


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """A face framed as FER2013's are."""
    image = skimage.data.astronaut()
    detector = YuNetDetector()
    return align_face(image, detector.detect(image)[0])


def test_a_face_shown_as_a_photo_comes_back(face):
    detector = YuNetDetector()
    likeness = []
    for seed in range(6):
        photo = show_as_photo(face, np.random.default_rng(seed))
        found = detector.detect(photo)
        assert len(found) == 1
        crop = align_face(photo, found[0])
        likeness.append(np.corrcoef(crop.ravel(), face.ravel())[0, 1])
    assert np.mean(likeness) > 0.8


def test_a_photo_is_the_same_for_the_same_seed_and_shows_the_face_large_enough(face):
    one, same, other = (show_as_photo(face, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.shape == (480, 640, 3)
    assert one.dtype == np.uint8


def test_the_check_counts_what_is_right_and_what_is_not_found(face):
    faces = np.stack([face] * 4)
    classifier = StubClassifier()
    label = int(classifier.predict(faces)[0].argmax())
    y_true = np.array([label, label, label, (label + 1) % 7])
    blind = measure_photo_accuracy(faces, y_true, Analyzer(classifier, StubDetector([])))
    assert (blind.n, blind.num_undetected) == (4, 4)
    assert blind.accuracy_original == blind.accuracy_original_flip == 0.75
    assert blind.accuracy_photo_detected == 0.0
    seeing = measure_photo_accuracy(faces, y_true, Analyzer(classifier), limit=3, seed=5)
    assert (seeing.n, seeing.num_undetected, seeing.accuracy_original) == (3, 0, 1.0)
    assert seeing.accuracy_photo == seeing.accuracy_photo_detected == seeing.agreement
    assert seeing.to_dict()["seed"] == 5
    assert "3 faces" in seeing.describe()
    with pytest.raises(SettingsError, match="none"):
        measure_photo_accuracy(faces[:0], y_true[:0], Analyzer(classifier))


def test_the_difference_and_its_interval_by_hand():
    before, after = np.array([1, 1, 0, 0], bool), np.array([1, 0, 0, 0], bool)
    difference, (low, high) = compute_difference(before, after)
    assert difference == -25.0
    # The changes are 0, -1, 0, 0: a standard deviation of the square root of 3/16, over that of 4.
    assert high - difference == pytest.approx(196.0 * (3 / 16) ** 0.5 / 2)
    assert difference - low == pytest.approx(high - difference)


def test_the_documents_figures_are_those_of_the_shipped_run():
    figures = json.loads((RUN / "photo_check.json").read_text(encoding="utf-8"))
    assert read_marked_section(ROOT / "docs" / "evaluation.md") == render_photo_check(figures)
    assert figures["model_sha256"] == hashlib.sha256((RUN / "model.keras").read_bytes()).hexdigest()
    assert (figures["data"], figures["part"], figures["n"]) == ("fer2013", "validation", 3589)
    metrics = json.loads((RUN / "metrics.json").read_text(encoding="utf-8"))
    assert figures["accuracy_original"] == pytest.approx(metrics["validation"]["accuracy"], abs=1e-3)
    assert figures["data_sha256"] == metrics["data_sha256"]

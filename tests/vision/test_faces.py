import json
from dataclasses import replace

import numpy as np
import pytest

from fer.labels import EXPRESSIONS
from fer.vision.detection import Detection
from fer.vision.faces import DetectedFace, Face

PROBABILITIES = np.array([0.1, 0.0, 0.0, 0.6, 0.1, 0.1, 0.1], np.float32)


def build_face(box=(10.0, 10.0, 60.0, 60.0), uncertain_below=0.5) -> Face:
    views = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    return DetectedFace(Detection(box, 0.9), views, (90, 80, 3)).classify(PROBABILITIES, uncertain_below)


def test_the_label_is_the_most_probable_expression():
    face = build_face()
    assert (face.label, face.confidence) == ("happy", pytest.approx(0.6))
    assert (face.detection_score, face.track_id, face.warnings) == (0.9, None, ())


@pytest.mark.parametrize(("threshold", "uncertain"), [(0.59, False), (0.61, True)])
def test_a_face_below_the_threshold_is_uncertain(threshold, uncertain):
    assert build_face(uncertain_below=threshold).uncertain is uncertain


def test_a_box_is_clipped_to_the_image():
    face = build_face(box=(-10.0, 5.0, 40.0, 400.0))
    assert face.box == (0.0, 5.0, 40.0, 90.0)
    assert "edge" in face.warnings


def test_a_smoothed_face_follows_the_smoothed_probabilities():
    smoothed = np.full(7, 0.1, np.float32)
    smoothed[EXPRESSIONS.index("sad")] = 0.4
    face = build_face().smooth(3, smoothed, 0.5)
    assert (face.track_id, face.label, face.uncertain) == (3, "sad", True)
    np.testing.assert_array_equal(face.probabilities, smoothed)
    np.testing.assert_array_equal(face.raw_probabilities, PROBABILITIES)


def test_a_face_is_printed_with_its_answer_and_without_its_arrays():
    face = build_face(box=(10.04, 10.0, 60.0, 60.0))
    assert repr(face) == "Face('happy', confidence=0.600, box=(10.0, 10.0, 60.0, 60.0))"
    unsure = build_face(uncertain_below=0.7).smooth(3, PROBABILITIES, 0.7)
    assert "uncertain=True" in repr(unsure)
    assert "track_id=3" in repr(unsure)


def test_a_face_as_a_dict_survives_json():
    face = build_face()
    values = json.loads(json.dumps(face.to_dict()))
    assert values == face.to_dict()
    assert (values["label"], values["box"], values["landmarks"]) == ("happy", [10.0, 10.0, 60.0, 60.0], None)
    assert values["probabilities"] == dict(zip(EXPRESSIONS, PROBABILITIES.tolist(), strict=True))
    assert values["baseline_label"] is values["baseline_probabilities"] is None
    resting = replace(face, baseline_probabilities=PROBABILITIES[::-1]).to_dict()
    assert resting["baseline_label"] == EXPRESSIONS[len(EXPRESSIONS) - 1 - EXPRESSIONS.index("happy")]
    assert list(resting["baseline_probabilities"].values()) == PROBABILITIES[::-1].tolist()

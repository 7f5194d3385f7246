import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from fer.data import draw_sample
from fer.data.drawn.action_units import NAMES, PROTOTYPES, draw_action_units
from fer.data.drawn.canvas import draw_identity, draw_pose
from fer.data.drawn.face import draw_face
from fer.data.drawn.sample import draw_sample_face
from fer.data.leaks import find_leaks
from fer.errors import SettingsError
from fer.labels import EXPRESSIONS


@pytest.fixture(scope="module")
def sample():
    return draw_sample(1400)


def test_the_same_seed_draws_the_same_faces():
    assert draw_sample(140).fingerprint == draw_sample(140).fingerprint


def test_another_seed_draws_other_faces():
    assert draw_sample(140).fingerprint != draw_sample(140, seed=1).fingerprint


def test_a_larger_sample_begins_with_the_same_faces(sample):
    assert np.array_equal(sample.faces[:140], draw_sample(140).faces)


def test_a_face_depends_only_on_its_index(sample):
    assert np.array_equal(draw_sample_face("happy", 703), sample.faces[703])


def test_splits_and_classes_are_balanced(sample):
    assert sample.count_classes().tolist() == [[140] * 7, [30] * 7, [30] * 7]


def test_a_sample_is_marked_as_one(sample):
    assert sample.is_sample
    assert sample.source == "sample"
    assert not sample.votes.any()


def test_no_face_has_a_duplicate_in_another_split(sample):
    assert sample.clean.all()


def test_the_mask_of_clean_faces_is_that_of_the_duplicate_guard(monkeypatch):
    monkeypatch.setattr("fer.data.leaks.NEAR", 0.9)
    sample = draw_sample(700)
    assert not sample.clean.all()
    assert np.array_equal(sample.clean, find_leaks(sample.faces, sample.split).clean)


def test_the_expressions_can_be_learned(sample):
    train, test = sample.part("train"), sample.part("test")
    model = make_pipeline(PCA(60, whiten=True, random_state=0), SVC(C=3.0))
    model.fit(flatten(train.faces), train.labels)
    recalls = [model.score(flatten(test.faces[test.labels == i]), test.labels[test.labels == i]) for i in range(7)]
    # Chance is 0.14; pixels alone, without a network, give about 0.55.
    assert np.mean(recalls) > 0.4
    assert min(recalls) > 0.15


def test_shuffled_labels_cannot_be_learned(sample):
    train, test = sample.part("train"), sample.part("test")
    model = make_pipeline(PCA(60, whiten=True, random_state=0), SVC(C=3.0))
    model.fit(flatten(train.faces), np.random.default_rng(0).permutation(train.labels))
    assert model.score(flatten(test.faces), test.labels) < 0.25


def flatten(faces):
    values = faces.astype(np.float32).reshape(len(faces), -1)
    return values - values.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("unit", NAMES)
def test_every_action_unit_alters_the_drawing(unit):
    rng = np.random.default_rng(0)
    identity, pose = draw_identity(rng), draw_pose(rng)
    calm = dict.fromkeys(NAMES, 0.0)
    assert np.abs(draw_face(calm | {unit: 1.0}, identity, pose) - draw_face(calm, identity, pose)).max() > 20


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_shows_its_units_strongly_and_the_others_weakly(expression):
    for seed in range(20):
        units = draw_action_units(expression, np.random.default_rng(seed))
        strong = {unit for unit, intensity in units.items() if intensity >= 0.65}
        assert strong in [set(variant) for variant in PROTOTYPES[expression]]
        assert all(intensity <= 0.1 for unit, intensity in units.items() if unit not in strong)


def test_a_drawing_has_the_requested_size():
    rng = np.random.default_rng(3)
    drawn = draw_face(draw_action_units("fear", rng), draw_identity(rng), draw_pose(rng), size=96)
    assert drawn.shape == (96, 96)
    assert 0 <= drawn.min() < drawn.max() <= 255


@pytest.mark.parametrize("arguments", [{"num_faces": 139}, {"seed": -1}])
def test_too_few_faces_or_a_negative_seed_are_refused(arguments):
    with pytest.raises(SettingsError, match="at least 140 faces"):
        draw_sample(**arguments)

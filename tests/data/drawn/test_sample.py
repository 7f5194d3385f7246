import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from fer import labels
from fer.data import draw_sample
from fer.data.drawn.action_units import NAMES, PROTOTYPES, draw_action_units
from fer.data.drawn.canvas import draw_identity, draw_pose
from fer.data.drawn.face import draw_face
from fer.data.drawn.sample import draw_sample_face
from fer.errors import SettingsError


@pytest.fixture(scope="module")
def sample():
    return draw_sample(1400)


def test_the_same_seed_draws_the_same_faces(sample):
    assert draw_sample(140).fingerprint == draw_sample(140).fingerprint
    assert draw_sample(140).fingerprint != draw_sample(140, seed=1).fingerprint
    assert np.array_equal(sample.faces[:140], draw_sample(140).faces)


def test_a_face_depends_on_its_own_number_alone(sample):
    assert np.array_equal(draw_sample_face("happy", 703), sample.faces[703])


def test_splits_and_classes_are_balanced(sample):
    assert sample.count_classes().tolist() == [[140] * 7, [30] * 7, [30] * 7]


def test_a_sample_says_that_it_is_one(sample):
    assert sample.is_sample
    assert sample.source == "sample"
    assert not sample.votes.any()


def test_no_face_stands_in_two_splits(sample):
    assert sample.clean.all()


def test_the_classes_can_be_told_apart(sample):
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
def test_every_action_unit_moves_the_drawing(unit):
    rng = np.random.default_rng(0)
    identity, pose = draw_identity(rng), draw_pose(rng)
    # The lips must be open for the jaw to be seen, and a raised lid is seen on any face.
    calm = dict.fromkeys(NAMES, 0.0)
    assert np.abs(draw_face(calm | {unit: 1.0}, identity, pose) - draw_face(calm, identity, pose)).max() > 20


@pytest.mark.parametrize("expression", labels.EXPRESSIONS)
def test_an_expression_shows_its_units_and_hardly_any_other(expression):
    for seed in range(20):
        units = draw_action_units(expression, np.random.default_rng(seed))
        strong = {unit for unit, intensity in units.items() if intensity >= 0.65}
        assert strong in [set(variant) for variant in PROTOTYPES[expression]]
        assert all(intensity <= 0.1 for unit, intensity in units.items() if unit not in strong)


def test_a_drawing_fills_any_size():
    rng = np.random.default_rng(3)
    drawn = draw_face(draw_action_units("fear", rng), draw_identity(rng), draw_pose(rng), size=96)
    assert drawn.shape == (96, 96)
    assert 0 <= drawn.min() < drawn.max() <= 255


@pytest.mark.parametrize("arguments", [{"num_faces": 139}, {"seed": -1}])
def test_settings_that_make_no_sample_are_refused(arguments):
    with pytest.raises(SettingsError, match="140 faces or more"):
        draw_sample(**arguments)

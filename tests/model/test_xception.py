import functools

import keras
import numpy as np
import pytest

from fer.config import list_presets, load_config
from fer.model.layers import use_stock_layers
from fer.model.xception import FEATURES_LAYER, LOGITS_LAYER, build_xception

#: `original` is Chollet's 20,861,480 without top (keras.io, Xception), less 576 weights as there is one input channel,
#: not three, plus 14,343 for a dense layer of seven classes.
NUM_PARAMS = {
    "mini": 59_474,
    "small": 591_252,
    "base": 1_885_324,
    "teacher": 3_114_866,
    "original": 20_875_247,
    "sample": 14_423,
}


@functools.cache
def build(preset, *overrides):
    return build_xception(load_config(preset, overrides=overrides).model)


def test_no_preset_is_missing_from_the_table():
    assert set(NUM_PARAMS) == set(list_presets())


@pytest.mark.parametrize("preset", sorted(NUM_PARAMS))
def test_number_of_parameters(preset):
    assert build(preset).count_params() == NUM_PARAMS[preset]


def test_mini_and_base_have_the_size_that_the_documents_state():
    assert NUM_PARAMS["mini"] <= 60_000
    assert 1_000_000 <= NUM_PARAMS["base"] <= 2_000_000


@pytest.fixture(scope="module")
def mini():
    return build("mini")


def make_faces(num_faces, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_faces, 48, 48, 1)).astype(np.float32)


def test_the_network_maps_faces_to_probabilities_of_each_head(mini):
    probabilities = mini.predict(make_faces(3), verbose=0)
    assert mini.input_shape == (None, 48, 48, 1)
    assert probabilities.shape == (3, 2, 7)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, atol=1e-5)


def test_contrast_normalization_makes_answers_independent_of_light_and_contrast():
    faces = make_faces(3)

    def change(network):
        return np.abs(network.predict(40.0 + 0.5 * faces, verbose=0) - network.predict(faces, verbose=0)).max()

    assert change(build("mini", "model.contrast_normalization=true")) < 2e-3 < change(build("mini"))


def test_contrast_normalization_accepts_a_face_without_contrast():
    network = build("mini", "model.contrast_normalization=true")
    assert np.isfinite(network.predict(np.full((1, 48, 48, 1), 128.0), verbose=0)).all()


def test_the_network_scales_grey_levels_itself(mini):
    faces = make_faces(3)
    rescaled = keras.Model(mini.inputs, mini.get_layer("rescaling").output).predict(faces, verbose=0)
    np.testing.assert_allclose(rescaled, faces / 127.5 - 1.0, atol=1e-5)


def test_the_same_seed_gives_the_same_weights():
    config = load_config("sample").model
    first, second = (build_xception(config, seed=1).get_weights() for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_another_seed_gives_other_weights():
    config = load_config("sample").model
    first, second = (build_xception(config, seed=seed).get_weights() for seed in (1, 2))
    assert any((a != b).any() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("preset", "shape"), [("mini", (6, 6, 96)), ("base", (6, 6, 368))])
def test_features_are_the_last_maps_before_pooling(preset, shape):
    assert build(preset).get_layer(FEATURES_LAYER).output.shape[1:] == shape


@pytest.mark.parametrize(
    ("heads", "outputs", "shape"), [('["labels"]', 7, (None, 7)), ('["labels","votes"]', 14, (None, 2, 7))]
)
@pytest.mark.parametrize(("preset", "features"), [("mini", 96), ("base", 368)])
def test_the_logits_layer_has_seven_outputs_per_head(preset, features, heads, outputs, shape):
    model = build(preset, f"model.heads={heads}")
    assert model.get_layer(LOGITS_LAYER).kernel.shape == (features, outputs)
    assert model.output_shape == shape


def test_stock_layers_give_the_probabilities_of_fast_layers(mini):
    faces, model = make_faces(4, seed=3), mini
    np.testing.assert_allclose(
        use_stock_layers(model).predict(faces, verbose=0), model.predict(faces, verbose=0), atol=1e-5
    )


def test_the_largest_seed_builds_a_network():
    config = load_config("sample", overrides=["model.dropout=0.1", "training.seed=4294967295"])
    assert build_xception(config.model, seed=config.training.seed).count_params()

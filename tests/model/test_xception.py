import keras
import numpy as np
import pytest

from fer.config import list_presets, load_config
from fer.model.layers import use_stock_layers
from fer.model.xception import FEATURES_LAYER, LOGITS_LAYER, build_xception

#: `original` is Chollet's 20,861,480 without top (keras.io, Xception), less 576 weights as there is one input channel,
#: not three, plus 14,343 for a dense layer of seven classes.
NUM_PARAMS = {
    "mini": 57_326,
    "small": 591_252,
    "base": 1_615_278,
    "teacher": 3_114_866,
    "original": 20_875_247,
    "sample": 14_423,
}


def test_no_preset_is_missing_from_the_table():
    assert set(NUM_PARAMS) == set(list_presets())


@pytest.mark.parametrize("preset", sorted(NUM_PARAMS))
def test_number_of_parameters(preset):
    assert build_xception(load_config(preset).model).count_params() == NUM_PARAMS[preset]


def test_mini_and_base_keep_to_their_size():
    assert NUM_PARAMS["mini"] <= 60_000
    assert 1_000_000 <= NUM_PARAMS["base"] <= 2_000_000


def test_the_network_takes_grey_levels_and_gives_probabilities():
    model = build_xception(load_config("mini").model)
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1)).astype(np.float32)
    probabilities = model.predict(faces, verbose=0)
    assert model.input_shape == (None, 48, 48, 1)
    assert probabilities.shape == (3, 2, 7)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, atol=1e-5)
    rescaled = keras.Model(model.inputs, model.get_layer("rescaling").output).predict(faces, verbose=0)
    np.testing.assert_allclose(rescaled, faces / 127.5 - 1.0, atol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    config = load_config("sample").model
    first, again, other = (build_xception(config, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_the_head_is_global_average_pooling_and_a_dense_layer():
    model = build_xception(load_config("base").model)
    features = model.get_layer(FEATURES_LAYER).output
    assert features.shape[1:] == (6, 6, 384)
    assert model.get_layer(LOGITS_LAYER).kernel.shape == (384, 14)
    one_head = build_xception(load_config("base", overrides=['model.heads=["labels"]']).model)
    assert one_head.get_layer(LOGITS_LAYER).kernel.shape == (384, 7)
    assert one_head.output_shape == (None, 7)


def test_stock_form_has_the_fast_forms_probabilities():
    model = build_xception(load_config("mini").model)
    faces = np.random.default_rng(3).integers(0, 256, (4, 48, 48, 1)).astype(np.float32)
    np.testing.assert_allclose(
        use_stock_layers(model).predict(faces, verbose=0), model.predict(faces, verbose=0), atol=1e-5
    )

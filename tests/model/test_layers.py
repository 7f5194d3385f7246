import keras
import numpy as np
import pytest
from keras import layers

from fer.model.layers import (
    FastConv2D,
    FastMaxPooling2D,
    FastSeparableConv2D,
    change_dtype_policy,
    use_fast_layers,
    use_stock_layers,
    uses,
)
from fer.training.devices import use_dtype_policy

needs_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="gradients are taken with JAX")


def compute_values_and_gradients(layer, x):
    """Return the layer's outputs, and the gradients of a weighted sum of them by input and weights."""
    import jax

    weights = [variable.value for variable in layer.trainable_variables]

    def loss(x, weights):
        outputs, _ = layer.stateless_call(weights, [], x)
        ramp = np.linspace(-1, 1, outputs.size, dtype=np.float32).reshape(outputs.shape)
        return (outputs * ramp).sum(), outputs

    (_, outputs), gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(x, weights)
    return outputs, *jax.tree.leaves(gradients)


def assert_same(stock, fast, shape):
    assert uses("depthwise")
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    stock.build(shape)
    fast.build(shape)
    fast.set_weights(stock.get_weights())
    for expected, received in zip(
        compute_values_and_gradients(stock, x), compute_values_and_gradients(fast, x), strict=True
    ):
        np.testing.assert_allclose(received, expected, atol=1e-4 * max(1.0, float(np.abs(expected).max())))


@needs_jax
@pytest.mark.parametrize("size", [(12, 12), (7, 9), (5, 6), (3, 3)])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel_size", [3, 2])
def test_separable_convolution_equals_the_stock_layer(size, strides, padding, kernel_size):
    arguments = {"filters": 5, "kernel_size": kernel_size, "strides": strides, "padding": padding}
    assert_same(layers.SeparableConv2D(**arguments), FastSeparableConv2D(**arguments), (3, *size, 4))


@needs_jax
def test_separable_convolution_with_bias_and_activation_equals_the_stock_layer():
    arguments = {"filters": 5, "kernel_size": 3, "activation": "relu", "bias_initializer": "random_normal"}
    assert_same(layers.SeparableConv2D(**arguments), FastSeparableConv2D(**arguments), (2, 8, 8, 3))


@needs_jax
@pytest.mark.parametrize("option", [{"dilation_rate": 2}, {"depth_multiplier": 2}])
def test_unsupported_options_fall_back_to_the_stock_computation(option):
    arguments = {"filters": 4, "kernel_size": 3, "padding": "same", **option}
    assert_same(layers.SeparableConv2D(**arguments), FastSeparableConv2D(**arguments), (2, 9, 9, 3))


@needs_jax
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_convolution_equals_the_stock_layer(kernel_size, strides, padding):
    arguments = {"filters": 6, "kernel_size": kernel_size, "strides": strides, "padding": padding}
    assert_same(layers.Conv2D(**arguments), FastConv2D(**arguments), (2, 7, 9, 4))


@needs_jax
@pytest.mark.parametrize(
    ("pool_size", "strides", "size"), [(2, 2, (8, 6)), (2, 2, (7, 7)), (3, 2, (8, 8)), (3, 3, (9, 6))]
)
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_max_pooling_equals_the_stock_layer(pool_size, strides, size, padding):
    arguments = {"pool_size": pool_size, "strides": strides, "padding": padding}
    assert_same(layers.MaxPooling2D(**arguments), FastMaxPooling2D(**arguments), (2, *size, 3))


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((12, 12, 1))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.BatchNormalization()(layers.SeparableConv2D(6, 3)(x))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x)))


def test_fast_layers_replace_stock_layers(model):
    names = [type(layer).__name__ for layer in use_fast_layers(model).layers[1:5]]
    assert names == ["FastConv2D", "FastSeparableConv2D", "FastBatchNormalization", "FastMaxPooling2D"]


def test_stock_layers_replace_fast_layers(model):
    assert all(type(layer).__module__.startswith("keras.") for layer in use_stock_layers(use_fast_layers(model)).layers)


@pytest.mark.parametrize("exchange", [use_fast_layers, lambda model: use_stock_layers(use_fast_layers(model))])
def test_exchanging_layers_keeps_the_outputs(model, exchange):
    faces = np.random.default_rng(2).normal(size=(4, 12, 12, 1)).astype(np.float32)
    np.testing.assert_allclose(exchange(model).predict(faces, verbose=0), model.predict(faces, verbose=0), atol=1e-5)


def test_stock_layers_compute_in_float32():
    with use_dtype_policy("mixed_bfloat16"):
        inputs = keras.Input((12, 12, 1))
        mixed = keras.Model(inputs, FastConv2D(4, 3)(inputs))
    assert {layer.compute_dtype for layer in use_stock_layers(mixed).layers} == {"float32"}


def test_another_precision_keeps_the_weights_and_the_softmax_in_float32(model):
    mixed = change_dtype_policy(use_fast_layers(model), "mixed_bfloat16")
    assert {layer.compute_dtype for layer in mixed.layers[1:-1]} == {"bfloat16"}
    assert mixed.layers[-1].compute_dtype == "float32"
    for value, expected in zip(mixed.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, expected)

"""The fused kernels equal Keras' own layers; `.ci/run` runs this file with torch as the backend."""

import keras
import numpy as np
import pytest
from keras import layers

from fer.model.layers import FastBatchNormalization, FastConv2D, FastSeparableConv2D

if keras.backend.backend() != "torch":
    pytest.skip("runs with KERAS_BACKEND=torch", allow_module_level=True)

SIZES = [(12, 12), (7, 9), (5, 6), (3, 3)]


def compute_values_and_gradients(layer, x):
    """Return the layer's outputs, and the gradients of a weighted sum of them by input and weights."""
    import torch

    inputs = torch.tensor(x, requires_grad=True)
    outputs = layer(inputs, training=True)
    ramp = torch.linspace(-1, 1, outputs.numel()).reshape(outputs.shape)
    (outputs * ramp).sum().backward()
    gradients = [variable.value.grad for variable in layer.trainable_variables]
    return [keras.ops.convert_to_numpy(value) for value in (outputs, inputs.grad, *gradients)]


def assert_same(stock, fast, shape):
    x = np.random.default_rng(0).normal(1.0, 2.0, size=shape).astype(np.float32)
    for layer in (stock, fast):
        layer.build(shape)
    fast.set_weights(stock.get_weights())
    for expected, received in zip(
        compute_values_and_gradients(stock, x), compute_values_and_gradients(fast, x), strict=True
    ):
        np.testing.assert_allclose(received, expected, atol=1e-4 * max(1.0, float(np.abs(expected).max())))
    for expected, received in zip(stock.get_weights(), fast.get_weights(), strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel_size", [3, 2])
def test_separable_convolution_equals_the_stock_layer(size, strides, padding, kernel_size):
    arguments = {"filters": 5, "kernel_size": kernel_size, "strides": strides, "padding": padding}
    assert_same(layers.SeparableConv2D(**arguments), FastSeparableConv2D(**arguments), (3, *size, 4))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_convolution_equals_the_stock_layer(size, strides, padding, kernel_size):
    arguments = {"filters": 6, "kernel_size": kernel_size, "strides": strides, "padding": padding, "activation": "relu"}
    assert_same(layers.Conv2D(**arguments), FastConv2D(**arguments), (2, *size, 4))


@pytest.mark.parametrize("size", SIZES)
def test_batch_normalisation_and_its_moving_statistics_equal_the_stock_layer(size):
    arguments = {"momentum": 0.9, "epsilon": 1e-3, "gamma_initializer": "random_normal"}
    assert_same(layers.BatchNormalization(**arguments), FastBatchNormalization(**arguments), (4, *size, 3))


def test_batch_normalisation_at_inference_uses_the_moving_statistics():
    layer = FastBatchNormalization()
    layer.build((None, 4, 4, 2))
    layer.set_weights([np.ones(2), np.zeros(2), np.full(2, 3.0), np.full(2, 4.0)])
    outputs = keras.ops.convert_to_numpy(layer(np.full((1, 4, 4, 2), 5.0, np.float32), training=False))
    np.testing.assert_allclose(outputs, 1.0, atol=1e-3)

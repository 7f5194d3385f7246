import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("runs with KERAS_BACKEND=jax", allow_module_level=True)

from jax.test_util import check_grads

from fer.model.depthwise import convolve_depthwise, multiply_channels
from fer.model.padding import compute_padding


def draw(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 3)])
def test_the_gradient_of_a_depthwise_convolution_agrees_with_finite_differences(strides):
    padding = compute_padding((6, 7), (3, 3), strides, "same")
    arrays = draw(2, 6, 7, 3), draw(3, 3, 3, seed=2)
    check_grads(lambda x, k: convolve_depthwise(x, k, strides, padding), arrays, order=1, modes=["rev"], rtol=2e-2)


@pytest.mark.parametrize("size", [(6, 7), (5, 3)], ids=["even", "odd"])
def test_the_gradient_of_a_product_of_channels_agrees_with_finite_differences(size):
    check_grads(multiply_channels, (draw(1, *size, 3), draw(3, 4, seed=2)), order=1, modes=["rev"], rtol=2e-2)


def test_a_product_of_channels_is_a_matrix_product_at_each_position():
    x, kernel = draw(2, 3, 4, 5), draw(5, 6, seed=2)
    np.testing.assert_allclose(multiply_channels(x, kernel), x @ kernel, atol=1e-5)

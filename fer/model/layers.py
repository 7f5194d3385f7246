"""Drop-in replacements of stock Keras layers: the same weights and results, computed faster on some backends.

Each class derives from the stock layer it replaces and has the same configuration and weights, so a network can be
converted either way at any time (:func:`use_fast_layers`, :func:`use_stock_layers`). Networks are trained and run with
fast layers and saved with stock layers: a saved file needs none of this code.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from fer.model.padding import compute_padding

#: How layers compute by techniques of their own on JAX: depthwise convolutions as shifted products, 1x1 convolutions as
#: matrix products, pools as reshaped maxima.
_TECHNIQUES = {"cpu": ("depthwise", "pointwise", "pooling"), "gpu": ("pointwise",)}


@contextlib.contextmanager
def use_techniques(names: tuple[str, ...]) -> Iterator[None]:
    """Choose the techniques of the programs that are compiled in a block, to compare them."""
    previous = dict(_TECHNIQUES)
    _TECHNIQUES.update(dict.fromkeys(_TECHNIQUES, names))
    try:
        yield
    finally:
        _TECHNIQUES.update(previous)


def uses(technique: str) -> bool:
    """Return whether layers use a technique of their own instead of the stock computation of Keras.

    On a GPU, an epoch of ``teacher`` took 0.71 s with matrix products, 0.75 s without, and 1.36 s with shifted products
    too (H100, batches of 512, bfloat16).
    """
    if keras.backend.backend() != "jax":
        return False
    import jax

    return technique in _TECHNIQUES.get(jax.default_backend(), ())


@functools.cache
def runs_on_torch() -> bool:
    """Return whether Keras runs on torch, some of whose fused kernels the stock layers do not use."""
    return bool(keras.backend.backend() == "torch")


class FastSeparableConv2D(keras.layers.SeparableConv2D):
    """A separable convolution: shifted multiply-adds for the depthwise part, a matrix product for the pointwise part.

    On torch, two convolutions on channels-last memory. The stock computation runs where that is no faster
    (TensorFlow, a GPU) or not supported (dilation, a depth multiplier, channels first).
    """

    def call(self, inputs: Any) -> Any:
        """Convolve inputs (N, H, W, C) to (N, H', W', filters)."""
        if self._is_supported() and runs_on_torch():
            return self._call_torch(inputs)
        if not (uses("pointwise") and self._is_supported()):
            return super().call(inputs)
        from fer.model.depthwise import multiply_channels

        pointwise_kernel = ops.cast(self.pointwise_kernel, inputs.dtype)[0, 0]
        return _add_bias_and_activate(self, multiply_channels(self._convolve_depthwise(inputs), pointwise_kernel))

    def _convolve_depthwise(self, inputs: Any) -> Any:
        kernel = ops.cast(self.depthwise_kernel, inputs.dtype)
        if not uses("depthwise"):
            return ops.depthwise_conv(inputs, kernel, self.strides, self.padding)
        from fer.model.depthwise import convolve_depthwise

        padding = compute_padding(inputs.shape[1:3], self.kernel_size, self.strides, self.padding)
        return convolve_depthwise(inputs, kernel[..., 0], tuple(self.strides), padding)

    def _call_torch(self, inputs: Any) -> Any:
        from fer.model import torch_kernels

        outputs = torch_kernels.convolve(
            inputs, ops.convert_to_tensor(self.depthwise_kernel), self.strides, self.padding, groups=inputs.shape[-1]
        )
        outputs = torch_kernels.convolve(outputs, ops.convert_to_tensor(self.pointwise_kernel), (1, 1), "valid")
        return _add_bias_and_activate(self, outputs)

    def _is_supported(self) -> bool:
        return self.data_format == "channels_last" and self.depth_multiplier == 1 and set(self.dilation_rate) == {1}


class FastConv2D(keras.layers.Conv2D):
    """A convolution that is a matrix product if its kernel is 1×1; on torch, it uses channels-last memory."""

    def call(self, inputs: Any) -> Any:
        """Convolve inputs (N, H, W, C) to (N, H', W', filters)."""
        if runs_on_torch() and self._is_plain():
            return self._call_torch(inputs)
        if not (uses("pointwise") and self._is_pointwise()):
            return super().call(inputs)
        from fer.model.depthwise import multiply_channels

        strided = inputs[:, :: self.strides[0], :: self.strides[1]]
        outputs = multiply_channels(strided, ops.cast(self.kernel, inputs.dtype)[0, 0])
        return _add_bias_and_activate(self, outputs)

    def _call_torch(self, inputs: Any) -> Any:
        from fer.model import torch_kernels

        outputs = torch_kernels.convolve(inputs, ops.convert_to_tensor(self.kernel), self.strides, self.padding)
        return _add_bias_and_activate(self, outputs)

    def _is_plain(self) -> bool:
        return self.groups == 1 and self.data_format == "channels_last" and set(self.dilation_rate) == {1}

    def _is_pointwise(self) -> bool:
        return self._is_plain() and set(self.kernel_size) == {1}


class FastBatchNormalization(keras.layers.BatchNormalization):
    """A batch normalisation that is one fused kernel when training on torch."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise inputs (..., C) to zero mean and unit variance over the batch, then scale and shift."""
        covered = mask is None and self.scale and self.center and len(inputs.shape) == 4 and self.axis in (-1, 3)
        if not (training and self.trainable and covered and runs_on_torch()):
            return super().call(inputs, training=training, mask=mask)
        from fer.model import torch_kernels

        outputs, mean, variance = torch_kernels.normalize_batch(
            inputs, ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta), self.epsilon
        )
        for moving, current in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + current * (1.0 - self.momentum))
        return outputs


class FastMaxPooling2D(keras.layers.MaxPooling2D):
    """A max pooling that is a reshape and a maximum if the windows tile the input."""

    def call(self, inputs: Any) -> Any:
        """Pool inputs (N, H, W, C) to (N, H', W', C)."""
        if not (uses("pooling") and self._tiles(inputs.shape)):
            return super().call(inputs)
        (_, height, width, channels), (rows, columns) = inputs.shape, self.pool_size
        windows = ops.reshape(inputs, (-1, height // rows, rows, width // columns, columns, channels))
        views = [windows[:, :, row, :, column] for row in range(rows) for column in range(columns)]
        return functools.reduce(ops.maximum, views)

    def _tiles(self, shape: tuple[int, ...]) -> bool:
        fits = shape[1] % self.pool_size[0] == 0 and shape[2] % self.pool_size[1] == 0
        return self.data_format == "channels_last" and tuple(self.strides) == tuple(self.pool_size) and fits


def _add_bias_and_activate(layer: Any, outputs: Any) -> Any:
    if layer.use_bias:
        outputs = ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


_FAST_OF_STOCK: dict[Any, Any] = {
    keras.layers.SeparableConv2D: FastSeparableConv2D,
    keras.layers.Conv2D: FastConv2D,
    keras.layers.BatchNormalization: FastBatchNormalization,
    keras.layers.MaxPooling2D: FastMaxPooling2D,
}
_STOCK_OF_FAST = {fast: stock for stock, fast in _FAST_OF_STOCK.items()}


def use_fast_layers(model: keras.Model) -> keras.Model:
    """Return a copy of a functional network, weights included, with fast layers instead of stock ones."""
    return _exchange_layers(model, _FAST_OF_STOCK)


def use_stock_layers(model: keras.Model) -> keras.Model:
    """Return a float32 copy of a functional network, weights included, built of stock Keras layers only."""
    return _exchange_layers(model, _STOCK_OF_FAST, dtype="float32")


def change_dtype_policy(model: keras.Model, name: str) -> keras.Model:
    """Return a copy of a functional network, weights included, that computes by a Keras dtype policy.

    The input and the last layer, the softmax, keep their own.
    """
    kept = (model.layers[0], model.layers[-1])

    def clone_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
        settings = {} if layer in kept else {"dtype": name}
        return type(layer).from_config({**layer.get_config(), **settings})

    return _clone(model, clone_layer)


def _exchange_layers(model: keras.Model, exchange: dict[Any, Any], **settings: Any) -> keras.Model:
    def clone_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
        return exchange.get(type(layer), type(layer)).from_config({**layer.get_config(), **settings})

    return _clone(model, clone_layer)


def _clone(model: keras.Model, clone_layer: Callable[[keras.layers.Layer], keras.layers.Layer]) -> keras.Model:
    copy = keras.models.clone_model(model, clone_function=clone_layer)
    copy.set_weights(model.get_weights())
    return copy

"""The Xception family (Chollet, 2017, arXiv:1610.02357) in functional Keras, built from settings.

A network takes uint8-valued faces (N, 48, 48, 1), 0 to 255, scales them itself and returns probabilities: (N, 7), or
(N, heads, 7) with several heads.
"""

import functools
from typing import Any

import keras
from keras import layers

from fer.config import ModelConfig, StageConfig
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.model.layers import FastBatchNormalization, FastConv2D, FastMaxPooling2D, FastSeparableConv2D

IMAGE_SHAPE = (FACE_SIZE, FACE_SIZE, 1)
#: The layer whose output holds the last feature maps, before global average pooling.
FEATURES_LAYER = "features"
#: The layer whose weights turn pooled features into the logits of the expressions.
LOGITS_LAYER = "logits"
#: Added to the variance of a face in contrast normalization, that of about one grey level: noise is not amplified.
_LEAST_VARIANCE = 1e-4


def build_xception(config: ModelConfig, *, seed: int = 0) -> keras.Model:
    """Build a network with random initial weights.

    Args:
        config: widths, depths and regularisation.
        seed: seed of the initial weights and of the dropout layers, 0 to 2³² - 1.

    Returns:
        A functional model from (N, 48, 48, 1), 0..255, to float32 (N, 7), or (N, heads, 7), rows that sum to 1.
    """
    return _Builder(config, seed).build()


class _Builder:
    """Settings and shared layer arguments of one network under construction."""

    def __init__(self, config: ModelConfig, seed: int) -> None:
        self.config = config
        # Keras takes seeds of 32 bits.
        self._seeds = (number % 2**32 for number in range(seed * 100_000, (seed + 1) * 100_000))
        self._conv = functools.partial(FastConv2D, padding="same", use_bias=False)
        self._sepconv = functools.partial(FastSeparableConv2D, kernel_size=3, padding="same", use_bias=False)

    def build(self) -> keras.Model:
        inputs = keras.Input(IMAGE_SHAPE, name="faces")
        x = layers.Rescaling(1.0 / 127.5, offset=-1.0, name="rescaling")(inputs)
        if self.config.contrast_normalization:
            normalize = layers.LayerNormalization(
                axis=(1, 2, 3), epsilon=_LEAST_VARIANCE, center=False, scale=False, name="contrast"
            )
            x = normalize(x)
        for number, (filters, kernel_size, strides) in enumerate(self.config.stem, start=1):
            x = self._stem_conv(x, filters, kernel_size, strides, name=f"stem{number}")
        for stage, (settings, drop_rates) in enumerate(
            zip(self.config.stages, self._drop_rates(), strict=True), start=1
        ):
            x = self._stage(x, settings, drop_rates, name=f"stage{stage}")
        for number, filters in enumerate(self.config.exit_filters, start=1):
            x = self._separable(x, filters, name=f"exit{number}", activate_first=number > 1)
        outputs = self._classify(layers.Activation("relu", name=FEATURES_LAYER)(x))
        return keras.Model(inputs, outputs, name=f"xception_{self.config.name}")

    def _drop_rates(self) -> list[list[float]]:
        """Return the drop rate of every identity block, growing linearly with depth (arXiv:1603.09382, section 3)."""
        total = sum(stage.identity_blocks for stage in self.config.stages)
        rates = iter(self.config.stochastic_depth * (block + 1) / total for block in range(total))
        return [[next(rates) for _ in range(stage.identity_blocks)] for stage in self.config.stages]

    def _initializer(self) -> keras.initializers.Initializer:
        return keras.initializers.HeNormal(seed=next(self._seeds))

    def _batch_norm(self, x: Any, name: str) -> Any:
        return FastBatchNormalization(momentum=self.config.batch_norm_momentum, name=f"{name}_bn")(x)

    def _stem_conv(self, x: Any, filters: int, kernel_size: int, strides: int, *, name: str) -> Any:
        initializer = self._initializer()
        x = self._conv(filters, kernel_size, strides=strides, kernel_initializer=initializer, name=name)(x)
        return layers.Activation("relu", name=f"{name}_relu")(self._batch_norm(x, name))

    def _separable(self, x: Any, filters: int, *, name: str, strides: int = 1, activate_first: bool = True) -> Any:
        if activate_first:
            x = layers.Activation("relu", name=f"{name}_relu")(x)
        if self.config.convolution == "plain":
            convolve = self._conv(filters, 3, strides=strides, kernel_initializer=self._initializer(), name=name)
        else:
            initializers = {"depthwise_initializer": self._initializer(), "pointwise_initializer": self._initializer()}
            convolve = self._sepconv(filters, strides=strides, name=name, **initializers)
        return self._batch_norm(convolve(x), name)

    def _stage(self, x: Any, stage: StageConfig, drop_rates: list[float], *, name: str) -> Any:
        x = self._first_block(x, stage, name=f"{name}_block1")
        for number, rate in enumerate(drop_rates, start=2):
            x = self._identity_block(x, stage, rate, name=f"{name}_block{number}")
        return x

    def _first_block(self, x: Any, stage: StageConfig, *, name: str) -> Any:
        steps = 1 if stage.downsample == "none" else 2
        shortcut = self._shortcut(x, stage.filters[-1], strides=steps, name=f"{name}_shortcut")
        for number, filters in enumerate(stage.filters, start=1):
            strides = 2 if stage.downsample == "stride" and number == 1 else 1
            x = self._separable(x, filters, strides=strides, name=f"{name}_sepconv{number}")
        if stage.downsample == "pool":
            x = FastMaxPooling2D(self.config.pool_size, strides=2, padding="same", name=f"{name}_pool")(x)
        return layers.Add(name=f"{name}_add")([self._squeeze(x, name), shortcut])

    def _shortcut(self, x: Any, filters: int, *, strides: int, name: str) -> Any:
        if strides == 1 and x.shape[-1] == filters:
            return x
        projection = self._conv(filters, 1, strides=strides, kernel_initializer=self._initializer(), name=name)
        return self._batch_norm(projection(x), name)

    def _identity_block(self, x: Any, stage: StageConfig, drop_rate: float, *, name: str) -> Any:
        shortcut = x
        for number in range(1, stage.convolutions + 1):
            x = self._separable(x, stage.filters[-1], name=f"{name}_sepconv{number}")
        x = self._squeeze(x, name)
        if drop_rate:
            noise_shape = (None, 1, 1, 1)
            x = layers.Dropout(drop_rate, noise_shape=noise_shape, seed=next(self._seeds), name=f"{name}_drop")(x)
        return layers.Add(name=f"{name}_add")([x, shortcut])

    def _squeeze(self, x: Any, name: str) -> Any:
        if not self.config.squeeze_ratio:
            return x
        channels = x.shape[-1]
        dense = functools.partial(layers.Dense, kernel_initializer=self._initializer())
        gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
        gate = dense(max(channels // self.config.squeeze_ratio, 4), activation="relu", name=f"{name}_reduce")(gate)
        gate = dense(channels, activation="sigmoid", name=f"{name}_excite")(gate)
        return layers.Multiply(name=f"{name}_scale")([x, gate])

    def _classify(self, features: Any) -> Any:
        x = layers.GlobalAveragePooling2D(name="pool")(features)
        if self.config.dropout:
            x = layers.Dropout(self.config.dropout, seed=next(self._seeds), name="dropout")(x)
        initializer = keras.initializers.GlorotUniform(seed=next(self._seeds))
        num_heads = len(self.config.heads)
        x = layers.Dense(num_heads * len(EXPRESSIONS), kernel_initializer=initializer, name=LOGITS_LAYER)(x)
        if num_heads > 1:
            x = layers.Reshape((num_heads, len(EXPRESSIONS)), name="heads")(x)
        return layers.Activation("softmax", dtype="float32", name="probabilities")(x)

"""Speed of networks: the package's layers against stock Keras layers, and against mini-Xception.

A comparison runs both sides alternately in one process (A B A B …) and reports medians. Ratios can be compared between
machines; rates cannot.
"""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from fer.config import load_config
from fer.model.forward import compile_forward
from fer.model.layers import use_fast_layers, use_stock_layers
from fer.model.xception import build_xception


@dataclass(frozen=True)
class Comparison:
    """Times of two networks that do the same work.

    Args:
        name: the work.
        images: number of images per call.
        ours: median seconds per call of the package's network.
        other: median seconds per call of the other network.
        other_name: name of the other network.
    """

    name: str
    images: int
    ours: float
    other: float
    other_name: str

    @property
    def ratio(self) -> float:
        """Speed of the package's network relative to the other."""
        return self.other / self.ours

    def describe(self) -> str:
        """Return one line with both rates and the ratio."""
        return (
            f"{self.name}: {self.images / self.ours:,.0f} images/s ({1e3 * self.ours:.2f} ms per call)"
            f" against {self.images / self.other:,.0f} for {self.other_name}: {self.ratio:.2f} times"
        )


def compare_training(preset: str = "small", *, batch_size: int = 32, repeats: int = 5) -> Comparison:
    """Time a training step, without augmentation, of a preset's network with the package's layers and with stock ones.

    Args:
        preset: name of the preset.
        batch_size: number of faces per step.
        repeats: number of timed steps of each network.
    """
    network = build_xception(load_config(preset).model)
    steps = [_make_step(model, batch_size) for model in (network, use_stock_layers(network))]
    ours, other = time_alternately(steps, repeats)
    return Comparison(f"training step of {preset!r}, batch {batch_size}", batch_size, ours, other, "stock layers")


def compare_inference(preset: str = "small", *, batch_size: int = 64, repeats: int = 15) -> Comparison:
    """Time a forward pass of a preset's network with the package's layers and with stock ones.

    Args:
        preset: name of the preset.
        batch_size: number of faces per pass.
        repeats: number of timed passes of each network.
    """
    network = build_xception(load_config(preset).model)
    passes = [_make_pass(model, batch_size) for model in (network, use_stock_layers(network))]
    ours, other = time_alternately(passes, repeats)
    return Comparison(f"forward pass of {preset!r}, batch {batch_size}", batch_size, ours, other, "stock layers")


def compare_baseline(preset: str = "small", *, batch_size: int = 1, repeats: int = 30) -> Comparison:
    """Time a forward pass of a preset's network and of mini-Xception, a common small network, compiled in the same way.

    Args:
        preset: name of the preset.
        batch_size: number of faces per pass.
        repeats: number of timed passes of each network.
    """
    network = use_fast_layers(build_xception(load_config(preset).model))
    passes = [_make_pass(model, batch_size) for model in (network, build_mini_xception())]
    ours, other = time_alternately(passes, repeats)
    return Comparison(
        f"forward pass of {preset!r}, batch {batch_size}", batch_size, ours, other, "mini-Xception, 64x64"
    )


def time_alternately(calls: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Time several functions alternately, after one call each to warm up.

    Args:
        calls: the functions.
        repeats: number of timed calls of each.

    Returns:
        Median seconds of each function.
    """
    for call in calls:
        call()
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, call_seconds in zip(calls, seconds, strict=True):
            start = time.perf_counter()
            call()
            call_seconds.append(time.perf_counter() - start)
    return [float(np.median(call_seconds)) for call_seconds in seconds]


def build_mini_xception() -> keras.Model:
    """Build an untrained mini-Xception for 64x64 faces from stock layers.

    Reference:
        Arriaga, Ploeger and Valdenegro-Toro, 2017, "Real-time Convolutional Neural Networks for Emotion and Gender
        Classification", arXiv:1710.07557, figure 2.
    """
    inputs = x = keras.Input((64, 64, 1))
    for _ in range(2):
        x = layers.Conv2D(8, 3, use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
    for filters in (16, 32, 64, 128):
        shortcut = layers.BatchNormalization()(layers.Conv2D(filters, 1, strides=2, padding="same", use_bias=False)(x))
        x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.Activation("relu")(layers.BatchNormalization()(x))
        x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(layers.BatchNormalization()(x))
        x = layers.Add()([x, shortcut])
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(7, 3, padding="same")(x))
    return keras.Model(inputs, layers.Activation("softmax")(x))


def run_network_bench(*, log: Callable[[str], None] = print) -> list[Comparison]:
    """Run every comparison and print each when it is measured.

    Args:
        log: called with each line of output.
    """
    compares: list[Callable[[], Comparison]] = [
        compare_training,
        functools.partial(compare_inference, batch_size=1),
        compare_inference,
        *(
            functools.partial(compare_baseline, preset, batch_size=batch_size)
            for preset in ("base", "small", "mini")
            for batch_size in (1, 64)
        ),
    ]
    comparisons = []
    for compare in compares:
        comparisons.append(compare())
        log(comparisons[-1].describe())
    return comparisons


def _make_step(model: keras.Model, batch_size: int) -> Callable[[], object]:
    model.compile(keras.optimizers.AdamW(1e-3), "categorical_crossentropy")
    faces = _draw_faces(batch_size, model)
    classes = np.arange(batch_size).reshape(-1, *[1] * (len(model.output_shape) - 2)) % 7
    targets = np.broadcast_to(np.eye(7, dtype=np.float32)[classes], (batch_size, *model.output_shape[1:]))
    return lambda: model.train_on_batch(faces, targets)


def _make_pass(model: keras.Model, batch_size: int) -> Callable[[], object]:
    forward, faces = compile_forward(model), _draw_faces(batch_size, model)
    return lambda: forward(faces)


def _draw_faces(batch_size: int, model: keras.Model) -> np.ndarray:
    shape = (batch_size, *model.input_shape[1:])
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)

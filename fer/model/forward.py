"""The one way in which faces pass through a network outside a training step: compiled once for each of a few sizes."""

import threading
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

#: Batches are padded to one of these, so that nothing is compiled in the middle of a stream.
BATCH_SIZES = (1, 8, 64, 256)

Forward = Callable[[np.ndarray], np.ndarray]


def compile_forward(*models: keras.Model) -> Forward:
    """Return a compiled function from faces to outputs that reads the models' weights anew at each call.

    Args:
        models: functional networks of one input and one output; the outputs of several are averaged.

    Returns:
        A function from float32 (N, H, W, 1), 0..255, to a float32 array of N rows.
    """
    if keras.backend.backend() != "jax":
        return _predict_in_turn(models)
    import jax

    from fer.model.compile_cache import use_compile_cache
    from fer.model.jax_versions import check_jax_version

    check_jax_version()
    use_compile_cache()

    @jax.jit
    def forward(weights: list[tuple[list[jax.Array], list[jax.Array]]], faces: np.ndarray) -> jax.Array:
        outputs = [
            model.stateless_call(trainable, non_trainable, faces, training=False)[0]
            for model, (trainable, non_trainable) in zip(models, weights, strict=True)
        ]
        return sum(outputs[1:], outputs[0]) / len(outputs)

    def run(faces: np.ndarray) -> np.ndarray:
        return np.asarray(forward([_read_weights(model) for model in models], faces))

    return run


def _predict_in_turn(models: tuple[keras.Model, ...]) -> Forward:
    lock = threading.Lock()  # Keras's own prediction is not made for several threads

    def run(faces: np.ndarray) -> np.ndarray:
        with lock:
            return np.mean([model.predict_on_batch(faces) for model in models], axis=0)

    return run


def _read_weights(model: keras.Model) -> tuple[list[Any], list[Any]]:
    return [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]


def run_in_batches(forward: Forward, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
    """Pass any number of faces through a compiled function, every face once, in batches of fixed sizes.

    Args:
        forward: from :func:`compile_forward`.
        faces: uint8 or float32 (N, 48, 48), 0..255, N at least 1.
        batch_sizes: the allowed sizes, ascending.

    Returns:
        The outputs, N rows.
    """
    outputs, start = [], 0
    while start < len(faces):
        size = _choose_size(len(faces) - start, batch_sizes)
        chunk = faces[start : start + size].astype(np.float32)[..., None]
        padded = np.pad(chunk, ((0, size - len(chunk)), (0, 0), (0, 0), (0, 0)))
        outputs.append(forward(padded)[: len(chunk)])
        start += size
    return np.concatenate(outputs)


def _choose_size(num_faces: int, batch_sizes: tuple[int, ...]) -> int:
    """Return the largest size that the faces left fill at least by half: 65 faces are 64 and 1, and not 256."""
    return max((size for size in batch_sizes if size <= 2 * num_faces), default=batch_sizes[0])

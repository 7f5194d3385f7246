"""Inference outside a training step: a network compiled once for each of a few batch sizes."""

import threading
from typing import Any

import keras
import numpy as np

from fer.labels import EXPRESSIONS
from fer.model.batching import Forward


def compile_forward(model: keras.Model) -> Forward:
    """Return a compiled function from faces to outputs that reads the model's weights anew at each call.

    It may be called from several threads.

    Args:
        model: a functional network with one input and one output.

    Returns:
        A function from float32 (N, H, W, 1), 0..255, to a float32 array with N rows.
    """
    if keras.backend.backend() != "jax":
        return _lock_predict(model)
    import jax

    from fer.model.compile_cache import use_compile_cache
    from fer.model.jax_versions import check_jax_version

    check_jax_version()
    use_compile_cache()

    @jax.jit
    def forward(trainable: list[jax.Array], non_trainable: list[jax.Array], faces: np.ndarray) -> Any:
        return model.stateless_call(trainable, non_trainable, faces, training=False)[0]

    def run(faces: np.ndarray) -> np.ndarray:
        trainable = [variable.value for variable in model.trainable_variables]
        non_trainable = [variable.value for variable in model.non_trainable_variables]
        return np.asarray(forward(trainable, non_trainable, faces))

    return run


def compile_heads(model: keras.Model) -> Forward:
    """Return a compiled function from faces to the probabilities of every head, float32 (N, heads, 7).

    A saved network with one head gives (N, 7); the axis of heads is added here, so that no other code depends on it.
    """
    forward = compile_forward(model)
    return lambda faces: forward(faces).reshape(len(faces), -1, len(EXPRESSIONS))


def _lock_predict(model: keras.Model) -> Forward:
    lock = threading.Lock()  # Keras' own prediction is not safe under several threads

    def run(faces: np.ndarray) -> np.ndarray:
        with lock:
            return np.asarray(model.predict_on_batch(faces))

    return run

"""The one way in which faces pass through a network outside a training step: compiled once for each of a few sizes."""

from collections.abc import Callable

import keras
import numpy as np

#: Batches are padded to one of these, so that nothing is compiled in the middle of a stream.
BATCH_SIZES = (1, 8, 64, 256)

Forward = Callable[[np.ndarray], np.ndarray]


def compile_forward(model: keras.Model) -> Forward:
    """Return a compiled function from faces to outputs that reads the model's weights anew at each call.

    Args:
        model: a functional network of one input and one output.

    Returns:
        A function from float32 (N, H, W, 1), 0..255, to a float32 array of N rows.
    """
    if keras.backend.backend() != "jax":
        return lambda faces: np.asarray(model.predict_on_batch(faces))
    import jax

    from fer.model.compile_cache import use_compile_cache

    use_compile_cache()

    @jax.jit
    def forward(trainable: list[jax.Array], non_trainable: list[jax.Array], faces: np.ndarray) -> jax.Array:
        return model.stateless_call(trainable, non_trainable, faces, training=False)[0]

    def run(faces: np.ndarray) -> np.ndarray:
        trainable = [variable.value for variable in model.trainable_variables]
        non_trainable = [variable.value for variable in model.non_trainable_variables]
        return np.asarray(forward(trainable, non_trainable, faces))

    return run


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

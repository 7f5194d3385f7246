"""Predictions of teachers for augmented views of all training faces, computed on one device.

For each teacher, one compiled program augments all faces, mixes them and predicts them, in batches.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import lax

from fer.labels import EXPRESSIONS
from fer.model.layers import change_dtype_policy
from fer.training import device_faces
from fer.training.batches import VIEW_BATCH, TrainingBatches, prefetch
from fer.training.devices import choose_dtype_policy

#: Views whose random parameters are drawn ahead.
_AHEAD = 2


def predict_views(models: list[keras.Model], batches: TrainingBatches, views: int) -> Iterator[list[np.ndarray]]:
    """Yield the predictions for each view: a list with an array of every teacher, float32 (N, heads, 7).

    Args:
        models: the teachers; they compute in the precision of the student's run.
        batches: the training split, which draws the views.
        views: number of views.
    """
    policy = choose_dtype_policy(batches.config.training.dtype_policy)
    programs = [_compile_view(change_dtype_policy(model, policy)) for model in models]
    faces = jnp.asarray(batches.load_faces())

    def draw(view: int) -> tuple[device_faces.AugmentationArrays, device_faces.Mixture | None]:
        augmentation = batches.draw_augmentation(view)
        arrays = device_faces.convert_augmentation(augmentation, batches.side)
        return arrays, device_faces.convert_mixture(augmentation)

    with closing(prefetch((functools.partial(draw, view) for view in range(views)), _AHEAD)) as drawn:
        for arrays, mixture in drawn:
            # All programs are started before the first result is read.
            yield [np.asarray(output) for output in [program(faces, arrays, mixture) for program in programs]]


def _compile_view(model: keras.Model) -> Callable[..., jax.Array]:
    """Return a function from all faces and the parameters of a view to the probabilities, float32 (N, heads, 7)."""

    @jax.jit
    def predict(
        weights: Any,
        faces: jax.Array,
        augmentation: device_faces.AugmentationArrays,
        mixture: device_faces.Mixture | None,
    ) -> jax.Array:
        def predict_batch(rows: jax.Array) -> Any:
            augmented = device_faces.augment_rows(faces, augmentation, mixture, rows)
            return model.stateless_call(*weights, augmented[..., None], training=False)[0]

        rows = jnp.resize(jnp.arange(len(faces)), (-(-len(faces) // VIEW_BATCH), VIEW_BATCH))
        outputs: jax.Array = lax.map(predict_batch, rows)
        return outputs.reshape(rows.size, -1, len(EXPRESSIONS))[: len(faces)]

    groups = (model.trainable_variables, model.non_trainable_variables)
    return functools.partial(predict, [[variable.value for variable in group] for group in groups])

"""Epochs of training as single compiled JAX programs, with the faces, their augmentation and all steps on the device.

A GPU that is fed batch by batch waits for the host. Here the host only draws the random parameters of the next epoch
while the device computes the current one. Order, augmentation, degradation and targets are those of
:class:`fer.training.batches.TrainingBatches`.
"""

import functools
import time
from collections.abc import Generator
from contextlib import closing
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
from jax import lax

from fer.training import device_degradation, device_faces
from fer.training.batches import EpochPlan, TrainingBatches, prefetch

#: Epochs whose random parameters are drawn ahead.
_AHEAD = 2


class _Data(NamedTuple):
    """The training split on the device."""

    faces: jax.Array  # uint8 (N, 48, 48)
    targets: jax.Array  # float32 (N, heads, 7)
    weights: jax.Array  # float32 (N,)


class _Draws(NamedTuple):
    """What one epoch needs beside the training split, on the device."""

    order: jax.Array  # rows of each step, int32 (steps, B)
    augmentation: device_faces.AugmentationArrays
    degradation: device_degradation.DegradationArrays | None
    mixture: device_faces.Mixture | None
    mirrored: jax.Array  # whether all augmented faces are mirrored, bool ()
    predictions: jax.Array | None  # of the teachers, float (N, heads, 7)


class DeviceEpochs:
    """Trains a network by whole epochs on one device.

    Args:
        model: the network.
        optimizer: its optimiser, already built.
        batches: the training split.

    Attributes:
        seconds_waited: how long the device has waited for the random parameters of an epoch so far.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, batches: TrainingBatches) -> None:
        self.model, self.optimizer, self.batches = model, optimizer, batches
        self.seconds_waited = 0.0
        self._data = _Data(*map(jnp.asarray, (batches.load_faces(), batches.targets, batches.weights)))
        self._run = _compile_epoch(model, optimizer, batches.config.distillation.weight)

    def run(self, first_epoch: int, last_epoch: int) -> Generator[dict[str, float]]:
        """Train epochs ``first_epoch`` up to, not including, ``last_epoch``; yield loss and accuracy of each."""
        tasks = (functools.partial(self._draw, epoch) for epoch in range(first_epoch, last_epoch))
        with closing(prefetch(tasks, _AHEAD)) as epochs:
            for _ in range(first_epoch, last_epoch):
                start = time.perf_counter()
                draws = next(epochs)
                self.seconds_waited += time.perf_counter() - start
                yield self._run_epoch(draws)

    def compile(self) -> None:
        """Compile the program of an epoch without running it, for JAX's cache of compiled programs on disk."""
        self._run.lower(self._read_state(), self._data, self._draw(0)).compile()

    def _draw(self, epoch: int) -> _Draws:
        return convert_plan(self.batches.plan(epoch), self.batches.predictions_of(epoch))

    @property
    def _groups(self) -> tuple[list[Any], list[Any], list[Any]]:
        """All variables that an epoch changes, in the order of its program."""
        return self.model.trainable_variables, self.model.non_trainable_variables, self.optimizer.variables

    def _read_state(self) -> list[list[jax.Array]]:
        return [[variable.value for variable in group] for group in self._groups]

    def _run_epoch(self, draws: _Draws) -> dict[str, float]:
        state, (losses, accuracies) = self._run(self._read_state(), self._data, draws)
        for variables, values in zip(self._groups, state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return {"loss": float(losses.mean()), "accuracy": float(accuracies.mean())}


def convert_plan(plan: EpochPlan, predictions: Any = None) -> _Draws:
    """Return the plan of an epoch as arrays of a compiled program."""
    augmentation, degradation = plan.augmentation, plan.degradation
    return _Draws(
        jnp.asarray(plan.rows, jnp.int32),
        device_faces.convert_augmentation(augmentation, plan.side),
        None if degradation is None else device_degradation.convert_degradation(degradation),
        device_faces.convert_mixture(augmentation),
        jnp.asarray(plan.mirrored),
        None if predictions is None else jnp.asarray(predictions),
    )


def build_batch(data: _Data, draws: _Draws, rows: jax.Array, teacher_weight: float) -> tuple[jax.Array, ...]:
    """Return faces (B, 48, 48, 1), targets (B, heads, 7) and weights (B, 1) of some rows, all float32."""
    faces = device_faces.augment_rows(data.faces, draws.augmentation, draws.mixture, rows)
    faces = jnp.where(draws.mirrored, faces[:, :, ::-1], faces)
    targets = data.targets[rows]
    if draws.mixture is not None:
        partners, share = device_faces.select(draws.mixture, rows)
        targets = device_faces.mix_faces(targets, data.targets[partners], share)
    if draws.predictions is not None:
        targets = (1.0 - teacher_weight) * targets + teacher_weight * draws.predictions[rows].astype(jnp.float32)
    if draws.degradation is not None:
        faces = device_degradation.degrade_faces(faces, device_faces.select(draws.degradation, rows))
    return faces[..., None], targets, data.weights[rows][:, None]


def _compile_epoch(model: keras.Model, optimizer: Any, teacher_weight: float) -> Any:
    """Return a compiled function from state, data and draws to the next state, and losses and accuracies by step."""
    measure_loss = keras.losses.CategoricalCrossentropy()

    def compute_loss(trainable: Any, non_trainable: Any, batch: tuple[jax.Array, ...]) -> Any:
        faces, targets, weights = batch
        outputs, non_trainable = model.stateless_call(trainable, non_trainable, faces, training=True)
        outputs = outputs.reshape(targets.shape)
        accuracy = (outputs.argmax(axis=-1) == targets.argmax(axis=-1)).mean()
        return measure_loss(targets, outputs, sample_weight=weights), (non_trainable, accuracy)

    differentiate = jax.value_and_grad(compute_loss, has_aux=True)

    @jax.jit
    def run(state: Any, data: _Data, draws: _Draws) -> Any:
        def step(state: Any, rows: jax.Array) -> Any:
            trainable, non_trainable, optimizer_variables = state
            batch = build_batch(data, draws, rows, teacher_weight)
            (loss, (non_trainable, accuracy)), gradients = differentiate(trainable, non_trainable, batch)
            trainable, optimizer_variables = optimizer.stateless_apply(optimizer_variables, gradients, trainable)
            return [trainable, non_trainable, optimizer_variables], (loss, accuracy)

        return lax.scan(step, state, draws.order)

    return run

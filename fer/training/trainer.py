"""One network in training: optimiser, averaged weights, validation after each epoch, checkpoints and the final save."""

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import keras
import numpy as np
import pandas as pd

from fer.errors import ModelError, SettingsError, shorten_path
from fer.files import write_atomically
from fer.model.batching import run_in_batches
from fer.model.forward import compile_heads
from fer.model.saved import load_model, save_model
from fer.model.xception import build_xception
from fer.runs import Run
from fer.training.batches import TrainingBatches
from fer.training.devices import runs_on_device, use_own_devices
from fer.training.freezing import freeze_layers
from fer.training.hosts import current_hosts
from fer.training.optimizers import build_optimizer
from fer.training.progress import ProgressBar
from fer.training.run_folders import remove_replaced
from fer.training.schedule import PhaseSchedule
from fer.training.state import RunState, load_state, remove_states, save_state
from fer.training.validation import Validation

#: A moving average has forgotten its start after this many times the length of its memory.
_MEMORIES = 5
#: Faces whose statistics replace the moving ones until then.
_STATISTICS_FACES = 512
#: Shortest time between two checkpoints; epochs on a GPU may take less than a checkpoint.
_CHECKPOINT_SECONDS = 20.0


class Trainer:
    """A network in training, with its optimiser and its history.

    Args:
        run: the run folder.
        batches: the training split, with the settings of the run.
        validation: the faces and classes on which each epoch is measured.
        log: called with each line of output.
    """

    def __init__(self, run: Run, batches: TrainingBatches, validation: Validation, log: Callable[[str], None]) -> None:
        self.run, self.batches, self.validation, self.log = run, batches, validation, log
        self.config, self.hosts = batches.config, current_hosts()
        training = self.config.training
        self.model = build_xception(self.config.model, seed=training.seed)
        freeze_layers(self.model, training.layers)
        self.averaged = build_xception(self.config.model, seed=training.seed)
        weights = {id(variable) for variable in self.averaged.weights}
        seeds = [variable for variable in self.averaged.variables if id(variable) not in weights]
        self._initial_seeds = [(seed, np.array(keras.ops.convert_to_numpy(seed))) for seed in seeds]
        self._forward = compile_heads(self.averaged)
        self.schedule = PhaseSchedule(training.phases, batches.steps_per_epoch)
        self.optimizer = build_optimizer(training, self.schedule)
        self.optimizer.build(self.model.trainable_variables)
        self.model.compile(self.optimizer, "categorical_crossentropy", metrics=["accuracy"])
        self._compute_statistics: Callable[..., Any] | None = None
        self._checkpoint_seconds = self._next_checkpoint = 0.0
        self.history: list[dict[str, Any]] = []
        self.best: list[np.ndarray] = []
        self.epoch = 0

    @property
    def variables(self) -> list[Any]:
        """Every variable that the next epoch depends on: weights, dropout seeds and the optimiser's state."""
        metric_variables = {id(variable) for metric in self.model.metrics for variable in metric.variables}
        kept = [variable for variable in self.model.variables if id(variable) not in metric_variables]
        return [*kept, *self.optimizer.variables]

    def start(self) -> None:
        """Start from the weights of ``training.initial_run``, if there is one.

        Raises:
            ModelError: the run is missing or damaged.
            SettingsError: its network has another architecture.
        """
        if name := self.config.training.initial_run:
            self.model.set_weights(read_initial_weights(name, self.model))

    def restore(self) -> None:
        """Continue from the newest whole checkpoint of the run folder.

        Raises:
            ModelError: there is no whole checkpoint, or it is of a network or optimiser of other settings.
        """
        with self.hosts.agree():
            state = self._load_state()
        self.hosts.compare({"checkpoint": f"epoch {state.epoch}"})
        for variable, value in zip(self.variables, state.variables, strict=True):
            variable.assign(value)
        self.history, self.best, self.epoch = state.history, state.best, state.epoch
        self.log(f"Resuming after epoch {self.epoch} of {self.config.training.epochs}.")

    def _load_state(self) -> RunState:
        state = load_state(self.run.state, log=self.log)
        saved, expected = ([tuple(value.shape) for value in values] for values in (state.variables, self.variables))
        if saved != expected:
            raise ModelError(
                "A checkpoint must have the settings of its run. Received:"
                f" {shorten_path(self.run.state)}, of another network or optimiser than {self.run.config_name}."
                " Remedy: restore that file, or start a new run."
            )
        return state

    def fit(self, *, progress: bool) -> None:
        """Train to the last epoch, with validation and a checkpoint after each."""
        last = self.config.training.epochs
        if self.epoch == last:
            return
        if runs_on_device(self.config.training.engine) and not self.batches.needs_host:
            self._fit_on_device(last, progress)
            return
        batches = self.batches.read(self.epoch, last)
        try:
            self.model.fit(
                batches,
                steps_per_epoch=self.batches.steps_per_epoch,
                initial_epoch=self.epoch,
                epochs=last,
                shuffle=False,
                verbose=0,
                callbacks=[
                    _EpochEnd(self),
                    self._build_progress_bar(last, progress),
                ],
            )
        finally:
            batches.close()

    def _fit_on_device(self, last: int, progress: bool) -> None:
        from fer.training.device_epochs import DeviceEpochs

        self._checkpoint_seconds = _CHECKPOINT_SECONDS
        epochs = DeviceEpochs(self.model, self.optimizer, self.batches)
        bar = self._build_progress_bar(last, progress)
        start, waited = time.perf_counter(), 0.0
        with closing(epochs.run(self.epoch, last)) as results:
            for logs in results:
                bar.on_epoch_begin(self.epoch)
                seconds, start = time.perf_counter() - start, time.perf_counter()
                self.end_epoch(logs, seconds, epochs.seconds_waited - waited)
                waited = epochs.seconds_waited
                bar.advance(self.batches.steps_per_epoch)
                bar.on_epoch_end(self.epoch)
        bar.on_train_end()

    def _build_progress_bar(self, last: int, shown: bool) -> ProgressBar:
        steps = self.batches.steps_per_epoch
        return ProgressBar(self.schedule, steps, self.epoch, last, describe=self.describe_last_epoch, shown=shown)

    def end_epoch(self, logs: dict[str, float], seconds: float, seconds_waited: float) -> None:
        """Measure the averaged weights on validation, keep the best, and write history and checkpoint."""
        self.epoch += 1
        self._average_weights()
        with self.hosts.agree():
            row = self._describe_epoch(logs, seconds) | {"data_share": seconds_waited / seconds}
        row = self.hosts.share(row)
        is_best = all(row["validation_score"] > past["validation_score"] for past in self.history)
        if is_best or self.config.training.kept_epoch == "last":
            self.best = [np.asarray(value) for value in self.averaged.get_weights()]
        self.history.append(row)
        is_due = self.epoch == self.config.training.epochs or time.monotonic() >= self._next_checkpoint
        with self.hosts.agree():
            if self.hosts.is_writer and is_due:
                self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        values = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in self.variables]
        save_state(self.run.state, RunState(self.epoch, values, self.best, self.history))
        remove_replaced(self.run)
        write_atomically(self.run.history, pd.DataFrame(self.history).to_csv(index=False, float_format="%.6g"))
        self._next_checkpoint = time.monotonic() + self._checkpoint_seconds

    def finish(self) -> pd.DataFrame:
        """Save the best network in stock layers with its calibration, remove the checkpoints, return the history."""
        self.averaged.set_weights(self.hosts.share_arrays(self.best))
        probabilities = self._predict_validation()
        with self.hosts.agree():
            if self.hosts.is_writer:
                self.run.write_calibrations(*self.validation.calibrate(probabilities, self.batches.class_shares))
                with use_own_devices():
                    save_model(self.averaged, self.run.model)
                remove_states(self.run.state)
        return pd.DataFrame(self.history)

    @property
    def has_converged_statistics(self) -> bool:
        """Whether the moving statistics of batch normalisation are frozen, or have forgotten their initial values."""
        if self.config.training.layers == "head":
            return True
        steps = self.epoch * self.batches.steps_per_epoch
        return steps >= _MEMORIES / max(1.0 - self.config.model.batch_norm_momentum, 1e-6)

    def describe_last_epoch(self) -> str:
        """Return the figures of the last epoch in one line."""
        row = self.history[-1]
        first, *others = self.validation.heads
        accuracies = {first: row["validation_accuracy"]}
        accuracies |= {head: row[f"validation_accuracy_{head}"] for head in others}
        heads = ", ".join(f"{head} {accuracy:.4f}" for head, accuracy in accuracies.items())
        return (
            f"epoch {row['epoch']}: training accuracy {row['train_accuracy']:.4f}, loss {row['train_loss']:.4f};"
            f" validation accuracy {heads}, loss {row['validation_loss']:.4f}"
        )

    def _average_weights(self) -> None:
        """Copy the network into ``averaged``, with the moving averages of its weights if the optimiser has them."""
        weights = _read_weights(self.model)
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        _assign_weights(self.averaged, _read_weights(self.model))
        _assign_weights(self.model, weights)
        if not self.has_converged_statistics:
            self._estimate_statistics()

    def _estimate_statistics(self) -> None:
        """Give ``averaged`` the batch statistics of some augmented training faces, instead of moving ones."""
        faces = self.batches.draw_faces(self.epoch - 1, _STATISTICS_FACES)
        norms = [layer for layer in self.averaged.layers if isinstance(layer, keras.layers.BatchNormalization)]
        for layer in norms:
            layer.momentum = 0.0
        # The same dropout each time: a resumed run must not differ from an uninterrupted one.
        for variable, value in self._initial_seeds:
            variable.assign(value)
        self._update_statistics(faces)
        for layer in norms:
            layer.momentum = self.config.model.batch_norm_momentum

    def _update_statistics(self, faces: np.ndarray) -> None:
        if keras.backend.backend() != "jax":
            self.averaged(faces, training=True)
            return
        if self._compute_statistics is None:
            import jax

            self._compute_statistics = jax.jit(partial(self.averaged.stateless_call, training=True))
        groups = self.averaged.trainable_variables, self.averaged.non_trainable_variables
        _, values = self._compute_statistics(*([v.value for v in group] for group in groups), faces)
        for variable, value in zip(groups[1], values, strict=True):
            variable.assign(value)

    def _predict_validation(self) -> np.ndarray:
        return run_in_batches(self._forward, self.validation.faces)

    def _check_finite(self, logs: dict[str, float], probabilities: np.ndarray) -> None:
        if not (np.isfinite(logs["loss"]) and np.isfinite(probabilities).all()):
            raise SettingsError(
                f"Training must not diverge. Received: a loss of {logs['loss']:.3g} in epoch {self.epoch}, and"
                " probabilities that are not numbers. Remedy: lower the learning rate of training.phases, or set"
                " training.gradient_clip."
            )

    def _describe_epoch(self, logs: dict[str, float], seconds: float) -> dict[str, Any]:
        probabilities = self._predict_validation()
        self._check_finite(logs, probabilities)
        return {
            "epoch": self.epoch,
            "phase": self.config.training.phase_at(self.epoch - 1).name,
            "learning_rate": float(self.schedule(self.epoch * self.batches.steps_per_epoch - 1)),
            "train_loss": float(logs["loss"]),
            "train_accuracy": float(logs["accuracy"]),
            **self.validation.measure(probabilities),
            "seconds": seconds,
            "images_per_second": self.batches.steps_per_epoch * self.config.training.batch_size / seconds,
        }


class _EpochEnd(keras.callbacks.Callback):
    """Measures the time of each epoch and ends it in the trainer."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__()
        self.trainer = trainer

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start, self.waited = time.perf_counter(), self.trainer.batches.seconds_waited

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        seconds_waited = self.trainer.batches.seconds_waited - self.waited
        self.trainer.end_epoch(logs, time.perf_counter() - self.start, seconds_waited)


def _read_weights(model: keras.Model) -> list[Any]:
    """Return the weights; on JAX without leaving the device."""
    if keras.backend.backend() == "jax":
        return [variable.value for variable in model.weights]
    return list(model.get_weights())


def _assign_weights(model: keras.Model, values: list[Any]) -> None:
    for variable, value in zip(model.weights, values, strict=True):
        variable.assign(value)


def read_initial_weights(name: str, model: keras.Model) -> list[np.ndarray]:
    """Return the weights of a saved network that has the architecture of ``model``.

    Args:
        name: a run by its name or folder, or a ``.keras`` file.
        model: the network to be trained.

    Raises:
        ModelError: the file is missing or damaged.
        SettingsError: the networks differ in shape.
    """
    weights: list[np.ndarray] = load_model(Run.find_trained(name).model).get_weights()
    if [value.shape for value in weights] != [value.shape for value in model.get_weights()]:
        raise SettingsError(
            f"Training starts from a network of the same settings `model`. Received: {name}, which differs."
            " Remedy: start from the preset and heads of that run."
        )
    return weights

"""Training in phases, with the best network by validation kept and a run that resumes exactly where it was.

After every epoch the whole state (weights, averages, optimiser, dropout seeds, history) is written atomically; order
and changes of the faces follow from the seed and the epoch. A run that was killed therefore ends, once resumed, with
the weights of one that was not.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from fer.config import Config
from fer.data.dataset import Dataset
from fer.data.ferplus import compute_ferplus_majority
from fer.errors import DataError, ModelError, SettingsError
from fer.files import write_atomically
from fer.model.forward import compile_forward, run_in_batches
from fer.model.saved import save_model
from fer.model.xception import build_xception
from fer.runs import Run
from fer.training.batches import TrainingBatches
from fer.training.progress import ProgressBar
from fer.training.schedule import PhaseSchedule
from fer.training.state import RunState, load_state, remove_states, save_state
from fer.training.validation import Validation

_STATE_FOLDER = "state"
Say = Callable[[str], None]


@dataclass(frozen=True)
class TrainedRun:
    """What a finished run left: its folder, its history (a row an epoch) and the epoch that was kept (from 1)."""

    folder: Path
    history: pd.DataFrame
    best_epoch: int
    validation_accuracy: float


def train(
    dataset: Dataset,
    config: Config,
    folder: str | Path,
    *,
    resume: bool = False,
    progress: bool = True,
    say: Say = print,
) -> TrainedRun:
    """Train a network and write ``model.keras``, ``config.json`` and ``history.csv`` into a run folder.

    Args:
        dataset: a prepared set with training and validation parts.
        config: settings of the run; ignored in favour of the folder's own when resuming.
        folder: the run folder, made where it is missing.
        resume: go on with the unfinished run in the folder.
        progress: show a bar with time left, accuracy and learning rate.
        say: receives one-line messages.

    Raises:
        ModelError: the folder already holds a run, or none that could be resumed.
        DataError: the set lacks a part, or is not the one that the run began with.
        SettingsError: the settings do not fit the data or the devices.
    """
    folder = Path(folder)
    if resume:
        _check_parts(dataset)
    else:
        config = fit_settings(config, dataset, folder, say=say)
    config = _open_folder(folder, config, resume)
    with _all_devices(config.training.batch_size), _dtype_policy(config.training.dtype_policy):
        run = _Run(dataset, config, folder, say)
        if resume:
            run.restore()
        run.fit(progress)
        return run.finish()


class _Run:
    """The network, its optimiser and its data while they are being trained."""

    def __init__(self, dataset: Dataset, config: Config, folder: Path, say: Say) -> None:
        self.config, self.folder, self.say = config, folder, say
        self.fingerprint = dataset.fingerprint
        self.validation = Validation.build(dataset.part("validation"), config.model.heads)
        if config.distillation.teacher:
            when = "at every step" if config.distillation.consistent else "once"
            say(f"Asking the teachers {', '.join(config.distillation.teacher)} about the training faces, {when}.")
        self.batches = TrainingBatches(dataset, config)
        self.model = build_xception(config.model, seed=config.training.seed)
        self.averaged = build_xception(config.model, seed=config.training.seed)
        self.forward = compile_forward(self.averaged)
        self.schedule = PhaseSchedule(config.training.phases, self.batches.steps_per_epoch)
        self.optimizer = _build_optimizer(config, self.schedule)
        self.optimizer.build(self.model.trainable_variables)
        self.model.compile(self.optimizer, "categorical_crossentropy", metrics=["accuracy"])
        self.history: list[dict[str, Any]] = []
        self.best: list[np.ndarray] = []
        self.epoch = 0

    @property
    def variables(self) -> list[Any]:
        return [*_state_variables(self.model), *self.optimizer.variables]

    def restore(self) -> None:
        state = load_state(self.folder / _STATE_FOLDER, say=self.say)
        if state.record["fingerprint"] != self.fingerprint:
            raise DataError(
                f"A run goes on with the data set it began with. Received: fingerprint {self.fingerprint[:12]},"
                f" not {state.record['fingerprint'][:12]}. Remedy: prepare that set again with `invoke preprocess`."
            )
        for variable, value in zip(self.variables, state.variables, strict=True):
            variable.assign(value)
        self.history, self.best, self.epoch = state.record["history"], state.best, state.epoch
        self.say(f"Resuming after epoch {self.epoch} of {self.config.training.epochs}.")

    def fit(self, progress: bool) -> None:
        last = self.config.training.epochs
        if self.epoch == last:
            return
        bar = ProgressBar(self.schedule, self.batches.steps_per_epoch, self.epoch, last, shown=progress)
        batches = self.batches.read_from(self.epoch, last)
        try:
            self.model.fit(
                batches,
                steps_per_epoch=self.batches.steps_per_epoch,
                initial_epoch=self.epoch,
                epochs=last,
                shuffle=False,
                verbose=0,
                callbacks=[_EpochEnd(self), bar],
            )
        finally:
            batches.close()  # type: ignore[attr-defined]

    def end_epoch(self, logs: dict[str, float], seconds: float) -> None:
        """Measure the averaged weights on validation, keep the best, and write history and state."""
        self.epoch += 1
        self._average()
        row = self._describe_epoch(logs, run_in_batches(self.forward, self.validation.faces), seconds)
        if not self.best or self._is_best(row):
            self.best = [np.asarray(value) for value in self.averaged.get_weights()]
        self.history.append(row)
        record = {"fingerprint": self.fingerprint, "history": self.history}
        values = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in self.variables]
        save_state(self.folder / _STATE_FOLDER, RunState(self.epoch, values, self.best, record))
        self._write_history()

    def _average(self) -> None:
        """Give the second network the averaged weights, and the batch statistics as they stand."""
        self.averaged.set_weights(self.model.get_weights())
        averages = [variable for variable in self.optimizer.variables if variable.name.endswith("_average")]
        for variable, value in zip(self.averaged.trainable_variables if averages else [], averages, strict=True):
            variable.assign(value)

    def _describe_epoch(self, logs: dict[str, float], outputs: np.ndarray, seconds: float) -> dict[str, Any]:
        images = self.batches.steps_per_epoch * self.config.training.batch_size
        return {
            "epoch": self.epoch,
            "phase": self.config.training.phase_at(self.epoch - 1).name,
            "learning_rate": float(self.schedule(self.epoch * self.batches.steps_per_epoch - 1)),
            "train_loss": float(logs["loss"]),
            "train_accuracy": float(logs["accuracy"]),
            **self.validation.measure(outputs),
            "seconds": seconds,
            "images_per_second": images / seconds,
            "data_share": self.batches.seconds_waited / seconds,
        }

    def _is_best(self, row: dict[str, Any]) -> bool:
        return row["validation_score"] > max(earlier["validation_score"] for earlier in self.history)

    def _write_history(self) -> None:
        write_atomically(
            self.folder / "history.csv", pd.DataFrame(self.history).to_csv(index=False, float_format="%.6g")
        )

    def finish(self) -> TrainedRun:
        """Save the best network in stock layers, and the settings with its calibration."""
        self.averaged.set_weights(self.best)
        calibrations = self.validation.calibrate(run_in_batches(self.forward, self.validation.faces))
        save_model(self.averaged, self.folder / "model.keras")
        Run(self.folder).write_calibrations(calibrations)
        remove_states(self.folder / _STATE_FOLDER)
        history = pd.DataFrame(self.history)
        best = history.iloc[int(history["validation_score"].argmax())]
        return TrainedRun(self.folder, history, int(best["epoch"]), float(best["validation_accuracy"]))


class _EpochEnd(keras.callbacks.Callback):
    """Hands each finished epoch to the run."""

    def __init__(self, run: _Run) -> None:
        super().__init__()
        self.run = run

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start, self.run.batches.seconds_waited = time.perf_counter(), 0.0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.run.end_epoch(logs, time.perf_counter() - self.start)


def fit_settings(config: Config, dataset: Dataset, folder: Path, *, say: Say = print) -> Config:
    """Return the settings of a new run once data and teacher are found fit for them; nothing is written.

    Where no validation face has a FER+ majority, a head for the votes beside the labels' is left out, said aloud.

    Raises:
        ModelError: the teacher is missing, or stands in the folder that the run is to have.
        DataError: the set lacks a part, or there is nothing that the heads could be validated on.
    """
    _check_parts(dataset)
    check_teachers_stand_outside(config, folder)
    part = dataset.part("validation")
    if config.model.heads == ("labels", "votes") and not (compute_ferplus_majority(part.votes) >= 0).any():
        say(f"Data set {dataset.name!r} has no FER+ votes to validate on: training the head 'labels' alone.")
        config = config.model_copy(update={"model": config.model.model_copy(update={"heads": ("labels",)})})
    Validation.build(part, config.model.heads)
    return config


def check_teachers_stand_outside(config: Config, folder: Path) -> None:
    """Raise a :class:`ModelError` where a teacher stands, or is to stand, in the folder of its pupil."""
    for teacher in config.distillation.teacher:
        if folder.resolve() in (Path(teacher).resolve(), *Path(teacher).resolve().parents):
            raise ModelError(
                f"A teacher must stand outside its pupil's folder. Received: {teacher} for the run {folder}."
                " Remedy: name another run with --run."
            )


def has_begun(folder: Path) -> bool:
    """Return whether a folder holds an unfinished run."""
    return (folder / _STATE_FOLDER).is_dir() and any((folder / _STATE_FOLDER).iterdir())


def write_settings(config: Config, folder: Path) -> None:
    """Write a run's settings to its ``config.json``, whole or not at all."""
    write_atomically(folder / "config.json", config.to_json())


def check_folder(folder: Path, *, resume: bool = False) -> None:
    """Raise a :class:`ModelError` where a folder cannot take a new run, or has none to resume."""
    if (folder / "model.keras").exists():
        raise ModelError(
            f"A run folder holds one run. Received: {folder}, which holds a finished one."
            " Remedy: name another with --run, or move it away."
        )
    begun = has_begun(folder)
    if resume and not begun:
        raise ModelError(
            f"Only an unfinished run can be resumed. Received: {folder}, which holds none. Remedy: drop --resume."
        )
    if begun and not resume:
        raise ModelError(
            f"A run folder holds one run. Received: {folder}, which holds an unfinished one."
            " Remedy: go on with --resume, or name another with --run."
        )


def _open_folder(folder: Path, config: Config, resume: bool) -> Config:
    """Return the settings to train with, once the folder is found fit for them."""
    check_folder(folder, resume=resume)
    if resume:
        return Run(folder).read_config()
    write_settings(config, folder)
    return config


def _check_parts(dataset: Dataset) -> None:
    for split in ("train", "validation"):
        if not len(dataset.part(split)):
            raise DataError(
                f"Training needs train and validation parts. Received: {dataset.name!r} without {split}."
                " Remedy: prepare a source that has them with `invoke preprocess`."
            )


def _build_optimizer(config: Config, schedule: PhaseSchedule) -> keras.optimizers.Optimizer:
    training = config.training
    shared: dict[str, Any] = {
        "learning_rate": schedule,
        "weight_decay": training.weight_decay or None,
        "global_clipnorm": training.gradient_clip or None,
        "use_ema": training.ema_momentum > 0,
        "ema_momentum": training.ema_momentum or 0.99,
    }
    if training.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **shared)
    else:
        optimizer = keras.optimizers.AdamW(**shared)
    if training.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _state_variables(model: keras.Model) -> list[Any]:
    """Return the weights and the dropout seeds, not the running sums of metrics, which every epoch starts at zero."""
    metric_variables = {id(variable) for metric in model.metrics for variable in metric.variables}
    return [variable for variable in model.variables if id(variable) not in metric_variables]


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(previous)


@contextlib.contextmanager
def _all_devices(batch_size: int) -> Iterator[None]:
    """Share each batch among the devices where there are several (JAX).

    Raises:
        SettingsError: the batch cannot be shared evenly.
    """
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    if len(devices) < 2:
        yield
        return
    if batch_size % len(devices):
        raise SettingsError(
            f"training.batch_size must be a multiple of the number of devices ({len(devices)}). Received: {batch_size}."
            f" Remedy: --set training.batch_size={len(devices) * max(batch_size // len(devices), 1)}."
        )
    previous = keras.distribution.distribution()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        yield
    finally:
        keras.distribution.set_distribution(previous)

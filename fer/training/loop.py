"""From a prepared data set to a run folder: checks, missing teachers, training in phases, resuming, and the plot.

After every epoch a checkpoint of the whole state (weights, averages, optimiser, dropout seeds, history) is written
atomically. Order and augmentation of the faces depend only on seed and epoch. A run that was killed and resumed
therefore ends with the weights of an uninterrupted one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fer.config import Config, DistillationConfig, load_config
from fer.data.dataset import Dataset
from fer.errors import SettingsError
from fer.labels import EXPRESSIONS
from fer.runs import Run
from fer.training.batches import TrainingBatches, count_steps
from fer.training.checks import (
    check_combinations,
    check_preset_teachers,
    check_splits,
    check_teachers_exist,
    check_teachers_outside,
)
from fer.training.connection import connect_hosts
from fer.training.curves import plot_history
from fer.training.devices import (
    check_batch_size,
    choose_dtype_policy,
    runs_on_device,
    use_all_devices,
    use_dtype_policy,
)
from fer.training.distillation import Teachers, check_teacher_heads
from fer.training.hosts import current_hosts
from fer.training.lock import lock_shared_run
from fer.training.provenance import check_fingerprint, check_teachers, describe_provenance
from fer.training.run_folders import check_name, check_new, check_resumable, move_aside, restore_replaced
from fer.training.targets import complete_votes, has_votes, select_training_rows
from fer.training.trainer import Trainer
from fer.training.validation import Validation

Log = Callable[[str], None]


@dataclass(frozen=True)
class TrainedRun:
    """A finished run.

    Args:
        folder: the run folder.
        history: one row per epoch.
        best_epoch: the epoch whose weights were kept, from 1.
        validation_accuracy: accuracy of these weights on validation, first head, 0..1.
    """

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
    overwrite: bool = False,
    progress: bool = True,
    log: Log = print,
) -> TrainedRun:
    """Train a network, after its missing teachers, and write a run folder.

    The folder then holds ``model.keras``, ``config.json``, ``calibration.json``, ``provenance.json``, ``history.csv``
    and ``curves.png``.

    Args:
        dataset: a prepared data set with train and validation splits.
        config: settings of the run; a resumed run keeps those in its folder instead.
        folder: the run folder, created if missing.
        resume: continue the unfinished run in the folder.
        overwrite: replace the run in the folder, after all checks of the new one; not together with ``resume``. The
            old run is in the folder ``replaced`` until the new one has a checkpoint, and comes back if training ends
            before.
        progress: show a bar with time left, accuracy and learning rate.
        log: called with each line of output.

    Raises:
        ModelError: the folder holds a run or other files, or nothing to resume, or another process trains into it; or a
            teacher cannot be used.
        OutputError: the folder cannot be written.
        DataError: the data set lacks a split or FER+ votes, or is not the one that the run began with.
        SettingsError: the settings do not fit the data, the teachers or the devices.
        HostError: on several hosts, the processes differ or lost each other.

    Example:
        >>> from fer.config import load_config
        >>> from fer.data import load_dataset
        >>> train(load_dataset("sample"), load_config("sample"), "artifacts/sample")  # doctest: +SKIP
    """
    run = Run(Path(folder))
    with connect_hosts() as hosts:
        progress, log = progress and hosts.is_writer, hosts.choose_log(log)
        hosts.compare(_describe_task(dataset, config) | {"resume": resume, "overwrite": overwrite})
        with lock_shared_run(run):
            return _train_locked(dataset, config, run, resume=resume, overwrite=overwrite, progress=progress, log=log)


def _describe_task(dataset: Dataset, config: Config) -> dict[str, object]:
    """Return what must be the same on all hosts: the fingerprint of the data set, and each setting by its name."""
    sections = config.model_dump()
    settings = {f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()}
    return {"data set": dataset.fingerprint} | settings


def _train_locked(
    dataset: Dataset, config: Config, run: Run, *, resume: bool, overwrite: bool, progress: bool, log: Log
) -> TrainedRun:
    hosts = current_hosts()
    with hosts.agree():
        config = _open_run(run, config, resume, overwrite)
        config = config.model_copy(update={"data": config.data.model_copy(update={"name": dataset.name})})
        check_splits(dataset)
        check_teachers_outside(config, run)
        if resume:
            check_fingerprint(run, dataset)
            check_teachers_exist(config)
        else:
            check_combinations(config)
            check_preset_teachers(config, dataset.name)
        config = _choose_heads(config, dataset, log)
        count_steps(len(select_training_rows(dataset, config.data)), config)
        check_batch_size(config.training.batch_size)
        runs_on_device(config.training.engine)
        own = complete_votes(dataset, config)
        if own is not dataset:
            log(f"Data set {dataset.name!r} has no FER+ votes: its labels train the head 'votes' too.")
        validation = Validation.build(own.part("validation"), config.model.heads)
        check_teacher_heads(config)
    if not resume:
        _train_missing_teachers(config, dataset, progress=progress, log=log)
    with hosts.agree():
        teachers = _load_teachers(config, log)
        provenance = describe_provenance(dataset, config, teachers)
        if resume:
            check_teachers(run, provenance)
    hosts.compare(provenance["teachers"] | provenance["initial_run"])
    batches = partial(TrainingBatches, own, config, teachers)
    history = _fit_network(run, batches, validation, provenance, config, resume=resume, progress=progress, log=log)
    with hosts.agree():
        if hosts.is_writer:
            plot_history(history, run.curves)
    is_last = config.training.kept_epoch == "last"
    kept = history.iloc[-1 if is_last else int(history["validation_score"].argmax())]
    if not config.training.initial_run:
        _warn_of_chance(validation, float(kept["validation_accuracy"]), log)
    return TrainedRun(run.folder, history, int(kept["epoch"]), float(kept["validation_accuracy"]))


def _fit_network(
    run: Run,
    build_batches: Callable[[], TrainingBatches],
    validation: Validation,
    provenance: dict[str, Any],
    config: Config,
    *,
    resume: bool,
    progress: bool,
    log: Log,
) -> pd.DataFrame:
    """Train the network, write all files of the run but its plot, and return the history."""
    hosts, policy = current_hosts(), choose_dtype_policy(config.training.dtype_policy)
    with use_all_devices(config.training.batch_size), use_dtype_policy(policy):
        trainer = Trainer(run, build_batches(), validation, log)
        try:
            if resume:
                trainer.restore()
            else:
                _begin_run(run, trainer, provenance, config)
            log(
                f"Training {config.model.name!r} on {config.data.name!r} for {config.training.epochs} epochs into"
                f" {run.folder}."
            )
            trainer.fit(progress=progress)
        finally:
            if hosts.is_writer:
                restore_replaced(run)
        return trainer.finish()


def _begin_run(run: Run, trainer: Trainer, provenance: dict[str, Any], config: Config) -> None:
    """Give the network its initial weights and write what a run has before its first checkpoint."""
    hosts = current_hosts()
    with hosts.agree():
        trainer.start()
    with hosts.agree():
        if hosts.is_writer:
            move_aside(run)
            run.write_provenance(provenance)
            run.write_config(config)


def _warn_of_chance(validation: Validation, accuracy: float, log: Log) -> None:
    """Report a network that is no better than the same answer to every face."""
    y_true = validation.y_true[0]
    counts = np.bincount(y_true, minlength=len(EXPRESSIONS))
    if accuracy * len(y_true) <= counts.max():
        log(
            f"The network is no better than chance: validation accuracy {accuracy:.3f}, where"
            f" {EXPRESSIONS[counts.argmax()]!r} for every face gives {counts.max() / len(y_true):.3f}. Remedy: train"
            " longer, or start from the shipped network with --set training.initial_run=xception."
        )


def _open_run(run: Run, config: Config, resume: bool, overwrite: bool) -> Config:
    """Return the settings to train with, after checking that the folder can be used."""
    if resume and overwrite:
        raise SettingsError("A run is resumed or replaced. Received: both. Remedy: drop resume or overwrite.")
    if resume:
        check_name(run)
        check_resumable(run)
        return run.read_config()
    check_new(run, overwrite)
    return config


def _train_missing_teachers(config: Config, dataset: Dataset, *, progress: bool, log: Log) -> None:
    """Train each missing teacher with the preset for teachers; its position in the list is its seed."""
    distillation, hosts = config.distillation, current_hosts()
    for seed, name in enumerate(distillation.teacher if distillation.teacher_preset else ()):
        teacher = Run(Path(name))
        is_finished, is_begun = hosts.share([teacher.is_finished, teacher.is_begun])
        if is_finished:
            continue
        log(f"The teacher {name} is missing: training it first.")
        settings = load_config(distillation.teacher_preset, overrides=[f"training.seed={seed}"])
        train(dataset, settings, teacher.folder, resume=is_begun, progress=progress, log=log)


def _choose_heads(config: Config, dataset: Dataset, log: Log) -> Config:
    """Return the settings, without the head 'votes' if there are no FER+ votes to validate it on.

    A network that starts from a run keeps the heads of that run.
    """
    if config.model.heads != ("labels", "votes") or config.training.initial_run or has_votes(dataset):
        return config
    log(f"Data set {dataset.name!r} has no FER+ votes to validate on: training the head 'labels' alone.")
    return config.model_copy(update={"model": config.model.model_copy(update={"heads": ("labels",)})})


def _describe_views(config: DistillationConfig) -> str:
    if not config.consistent:
        return "once"
    return f"once in {config.views} views" if config.views else "at every step"


def _load_teachers(config: Config, log: Log) -> Teachers | None:
    distillation = config.distillation
    if not distillation.teacher:
        return None
    log(f"Teachers {', '.join(distillation.teacher)} predict the training faces {_describe_views(distillation)}.")
    return Teachers(distillation, config.model.heads, log)

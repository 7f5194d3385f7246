"""Checks before a training starts: what would fail after hours of work, or be ignored without a word."""

from pathlib import Path

from fer.config import Config
from fer.data.dataset import Dataset
from fer.errors import DataError, ModelError, SettingsError
from fer.runs import Run
from fer.training.distillation import find_teacher
from fer.training.run_folders import check_free, check_name


def check_splits(dataset: Dataset) -> None:
    """Raise a :class:`~fer.errors.DataError` unless a data set has train and validation splits."""
    for split in ("train", "validation"):
        if not dataset.is_in(split).any():
            raise DataError(
                f"Training needs train and validation splits. Received: {dataset.name!r} without {split}."
                " Remedy: prepare a source that has them with `invoke preprocess`."
            )


def check_combinations(config: Config) -> None:
    """Raise a :class:`~fer.errors.SettingsError` if a setting would be ignored because of another one."""
    training, distillation = config.training, config.distillation
    if training.layers == "head" and not training.initial_run:
        raise SettingsError(
            "training.layers='head' trains the last layer of a trained network. Received: no training.initial_run, so"
            " that the other layers would stay random. Remedy: name a run with --set training.initial_run=xception, or"
            " --set training.layers=all."
        )
    if not distillation.teacher:
        return
    if distillation.views and not distillation.consistent:
        raise SettingsError(
            f"distillation.views needs distillation.consistent. Received: {distillation.views} views without it."
            " Remedy: --set distillation.consistent=true, or --set distillation.views=0."
        )
    if training.engine == "device" and distillation.consistent and not distillation.views:
        raise SettingsError(
            "training.engine='device' takes no teachers that predict at every step. Received: distillation.consistent"
            " without distillation.views. Remedy: --set distillation.views=32, or --set training.engine=host."
        )


def check_teachers_outside(config: Config, run: Run) -> None:
    """Raise a :class:`~fer.errors.ModelError` if a teacher or the initial run is inside the folder of a new run."""
    folder, name = run.folder.resolve(), config.training.initial_run
    initial = [str(Run.find_trained(name).folder)] if name else []
    for teacher in (*config.distillation.teacher, *initial):
        if folder in (Path(teacher).resolve(), *Path(teacher).resolve().parents):
            raise ModelError(
                f"A teacher or initial run must be outside the new run's folder. Received: {teacher}, {run.folder}."
                " Remedy: name another run with --run."
            )


def check_teachers_exist(config: Config) -> None:
    """Raise a :class:`~fer.errors.ModelError` if a teacher of a resumed run is missing: a new one would be another."""
    for name in config.distillation.teacher:
        find_teacher(name)


def check_preset_teachers(config: Config, data: str) -> None:
    """Check all teachers of ``distillation.teacher_preset``, before the first missing one is trained.

    Args:
        config: the settings of the student.
        data: the name of its data set.

    Raises:
        ModelError: a finished teacher was trained on another data set, or a missing one has no free folder.
    """
    for name in config.distillation.teacher if config.distillation.teacher_preset else ():
        teacher = Run(Path(name))
        if teacher.is_finished:
            _check_teacher_data(teacher, data)
        elif not teacher.is_begun:
            check_name(teacher)
            check_free(teacher)


def _check_teacher_data(teacher: Run, name: str) -> None:
    trained_on = teacher.read_config().data.name
    if trained_on != name:
        raise ModelError(
            f"With distillation.teacher_preset, teachers must be trained on the student's data set, {name!r}. Received:"
            f" {teacher.folder}, which was trained on {trained_on!r}. Remedy: name other folders in"
            " distillation.teacher."
        )

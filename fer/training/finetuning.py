"""Fine-tuning: a finished run is trained further on a small data set, with settings that suit few faces.

The new run has the architecture, heads and augmentation of the run that it starts from. docs/decisions/0023 has the
measurements behind the constants below.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fer.config import FINETUNE_EPOCHS, Config, Layers, override_settings
from fer.data.dataset import Dataset
from fer.errors import DataError, ModelError
from fer.files import compute_digest
from fer.labels import EXPRESSIONS
from fer.runs import Run
from fer.training.hosts import refuse_hosts
from fer.training.loop import TrainedRun, train
from fer.training.targets import select_training_rows

Log = Callable[[str], None]

#: Peak learning rate for each choice of layers.
LEARNING_RATES: dict[Layers, float] = {"all": 3e-4, "head": 1e-3}
_BATCH_SIZE = 32
_EMA_MOMENTUM = 0.95
#: Below this number of validation faces, a temperature fitted on them is worse than that of the initial run.
MIN_CALIBRATION_FACES = 100
#: Below this number of held-out faces, Wilson's interval of an accuracy is wider than 20 points.
MIN_TEST_FACES = 100


def finetune(
    dataset: Dataset,
    initial: Run,
    folder: str | Path,
    *,
    layers: Layers = "all",
    epochs: int = FINETUNE_EPOCHS,
    overrides: Iterable[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    log: Log = print,
) -> TrainedRun:
    """Train a finished run further on a data set, and write a new run folder that can be used at once.

    Args:
        dataset: a prepared data set with all three splits; test is held out, and not read here.
        initial: the finished run whose weights training starts from.
        folder: the folder of the new run.
        layers: train every layer, or the last one alone.
        epochs: number of epochs.
        overrides: ``section.key=value`` strings that override the settings.
        resume: continue the unfinished run in the folder, with its own settings.
        overwrite: replace the run in the folder.
        progress: show a bar.
        log: called with each line of output.

    Raises:
        ModelError: the initial run cannot be used, or the folder cannot be written to.
        DataError: the data set lacks a split.
        SettingsError: a setting is not valid, or there are several hosts.

    Example:
        >>> from fer.data import load_dataset
        >>> from fer.runs import Run
        >>> finetune(load_dataset("my_set"), Run.find("xception"), "artifacts/my_set")  # doctest: +SKIP
    """
    refuse_hosts("fine-tuning")
    run = Run(Path(folder))
    _check_apart(initial, run)
    _check_held_out(dataset)
    if resume:
        _check_initial_run(initial, run)
        config = run.read_config()
    else:
        config = build_finetune_config(initial, dataset, layers=layers, epochs=epochs, overrides=overrides)
    for line in describe_splits(dataset, config):
        log(line)
    result = train(dataset, config, folder, resume=resume, overwrite=overwrite, progress=progress, log=log)
    if has_few_validation_faces(dataset):
        is_kept = keep_calibration(initial, run)
        kept = "stay as they were" if is_kept else "were fitted on these few, as the initial run has none for all heads"
        log(f"Fewer than {MIN_CALIBRATION_FACES} validation faces: temperatures and thresholds {kept}.")
    return result


def build_finetune_config(
    initial: Run,
    dataset: Dataset,
    *,
    layers: Layers = "all",
    epochs: int = FINETUNE_EPOCHS,
    overrides: Iterable[str] = (),
) -> Config:
    """Return the settings of a fine-tuning: those of the initial run, changed to suit few faces.

    Args:
        initial: a finished run.
        dataset: the data set to train on.
        layers: train every layer, or the last one alone.
        epochs: number of epochs.
        overrides: ``section.key=value`` strings, which override the rest.

    Raises:
        ModelError: the initial run has no settings.
        SettingsError: a setting is not valid.
    """
    config = initial.read_config()
    data = config.data.model_copy(update={"name": dataset.name, "drop_leaked": True})
    num_faces = len(select_training_rows(dataset, data))
    settings: dict[str, Any] = config.model_dump() | {"data": data.model_dump(), "distillation": {}}
    settings["training"] |= {
        "initial_run": initial.reference,
        "layers": layers,
        "kept_epoch": "last",
        "batch_size": min(_BATCH_SIZE, num_faces),
        "ema_momentum": _EMA_MOMENTUM,
        "phases": [{"name": "fine-tune", "epochs": epochs, "learning_rate": LEARNING_RATES[layers]}],
    }
    return override_settings(settings, overrides)


def describe_splits(dataset: Dataset, config: Config) -> list[str]:
    """Return lines about the size of the splits: what is used, dropped, missing or too small."""
    rows = select_training_rows(dataset, config.data)
    sizes = {split: int(dataset.is_in(split).sum()) for split in ("train", "validation", "test")}
    lines = [
        f"Fine-tuning {config.training.initial_run!r} on {len(rows)} faces of {dataset.name!r};"
        f" {sizes['validation']} for validation, {sizes['test']} held out."
    ]
    if dropped := sizes["train"] - len(rows):
        lines.append(f"Dropped {dropped} training faces: duplicates of other splits, or no faces.")
    missing = [name for index, name in enumerate(EXPRESSIONS) if index not in dataset.labels[rows]]
    if missing:
        lines.append(
            f"Warning: no training face shows {', '.join(missing)}; the network may forget what they look like."
        )
    if sizes["test"] < MIN_TEST_FACES:
        lines.append(
            f"Warning: {sizes['test']} held-out faces are few. Their figures have wide intervals: compare these, not"
            f" the figures alone. Remedy: hold out {MIN_TEST_FACES} faces or more."
        )
    return lines


def has_few_validation_faces(dataset: Dataset) -> bool:
    """Return whether a data set has fewer validation faces than a calibration is fitted on in fine-tuning."""
    return int(dataset.is_in("validation").sum()) < MIN_CALIBRATION_FACES


def keep_calibration(initial: Run, run: Run) -> bool:
    """Give a run the calibration of the run that it started from, with its own class shares.

    Returns:
        Whether it was given; a run from before there was a calibration of all heads has none to give.
    """
    joint, fitted = initial.read_joint_calibration(), run.read_joint_calibration()
    if joint is None or fitted is None:
        return False
    joint = joint.model_copy(update={"class_shares": fitted.class_shares})
    run.write_calibrations(initial.read_calibrations(), joint)
    return True


def _check_apart(initial: Run, run: Run) -> None:
    if not (initial.is_finished and initial.config.is_file()):
        raise ModelError(
            f"Fine-tuning starts from a finished run with its config.json. Received: {initial.folder}. Remedy: name"
            " another with --run, or train one with `invoke train`."
        )
    if initial.folder.resolve() == run.folder.resolve():
        raise ModelError(
            f"A fine-tuned run must not replace the run that it starts from. Received: {run.folder} for both."
            " Remedy: name the new run with --name."
        )


def _check_held_out(dataset: Dataset) -> None:
    if not dataset.is_in("test").any():
        raise DataError(
            f"Fine-tuning is measured on a held-out test split. Received: {dataset.name!r} without one. Remedy: put"
            " some images into test/<expression>/ and prepare the source again with `invoke preprocess`."
        )


def _check_initial_run(initial: Run, run: Run) -> None:
    expected = list(run.read_provenance().get("initial_run", {}).values())
    digest = compute_digest(initial.model)
    if expected != [digest]:
        raise ModelError(
            f"A fine-tuning is resumed with the run that it started from. Received: {initial.folder}, sha256 {digest},"
            f" expected {', '.join(expected) or 'none'}. Remedy: restore that run, or start a new fine-tuning."
        )

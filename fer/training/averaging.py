"""The mean of the weights of several runs: one network, which often generalizes better than each of them.

Reference: Wortsman et al., 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time", arXiv:2203.05482; of a network and one fine-tuned from it: Wortsman et al., 2022,
"Robust fine-tuning of zero-shot models", arXiv:2109.01903.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from fer.config import Config
from fer.data.dataset import Dataset
from fer.errors import ModelError, SettingsError
from fer.files import compute_digest, write_atomically
from fer.inference import Classifier
from fer.model.saved import load_model, save_model
from fer.runs import Run
from fer.training.lock import lock_run
from fer.training.provenance import check_fingerprint
from fer.training.recalibration import fit_calibrations, keeps_calibration
from fer.training.run_folders import check_new, move_aside, remove_replaced, restore_replaced
from fer.training.targets import complete_votes
from fer.training.validation import Validation

#: Settings of the model that do not change what the trained network computes.
_TRAINING_ONLY = {"name", "dropout", "stochastic_depth", "batch_norm_momentum"}


def average(
    dataset: Dataset, runs: Sequence[Run], folder: str | Path, *, overwrite: bool = False
) -> dict[str, dict[str, float]]:
    """Write a run whose weights are the mean of those of several runs, with its own calibration.

    The mean is useful if the runs started from the same weights, such as a run and one that was fine-tuned from it. The
    settings, ``history.csv`` and ``curves.png`` are those of the last run, and ``provenance.json`` has the digests of
    all. If the last run was fine-tuned on too few validation faces to fit a calibration, the mean has that run's.

    Args:
        dataset: the prepared data set that the last run was trained on.
        runs: at least two finished runs of one architecture.
        folder: the folder of the new run, created if missing.
        overwrite: replace the run in the folder, after all checks.

    Returns:
        The figures of each network on validation, by the name of its run; those of the mean are last. They are
        ``validation_loss`` and ``validation_accuracy`` of the first head, and the accuracies of the others.

    Raises:
        ModelError: a run is not finished, or the folder holds a run or other files.
        SettingsError: the runs are fewer than two, the same network, or of different architectures.
        DataError: the data set is not the one that the last run was trained on.
        OutputError: the folder cannot be written.

    Example:
        >>> from fer.data import load_dataset
        >>> runs = [Run.find("small"), Run.find("small-longer")]
        >>> average(load_dataset("fer2013"), runs, "artifacts/averaged")  # doctest: +SKIP
    """
    run = Run(Path(folder))
    digests = _check_runs(runs, run)
    check_fingerprint(runs[-1], dataset)
    config, provenance = runs[-1].read_config(), runs[-1].read_provenance()
    with lock_run(run):
        check_new(run, overwrite)
        own = complete_votes(dataset, config)
        validation = Validation.build(own.part("validation"), config.model.heads)
        models = [load_model(source.model) for source in runs]
        mean = _average_weights(models)
        outputs = [Classifier(model, config).predict_heads(validation.faces) for model in (*models, mean)]
        if keeps_calibration(runs[-1], dataset, config):
            calibrations = runs[-1].read_calibrations(), runs[-1].read_joint_calibration()
        else:
            calibrations = fit_calibrations(own, config, validation, outputs[-1])
        try:
            move_aside(run)
            run.write_provenance(provenance | {"averaged_runs": digests})
            run.write_config(config)
            run.write_calibrations(*calibrations)
            _copy_history(runs[-1], run)
            save_model(mean, run.model)
        finally:
            restore_replaced(run)
        remove_replaced(run)
    names = (*digests, run.reference)
    return {name: _measure(validation, each) for name, each in zip(names, outputs, strict=True)}


def _check_runs(runs: Sequence[Run], target: Run) -> dict[str, str]:
    """Return the digest of each run's network by its name."""
    for run in runs:
        if not run.is_finished:
            raise ModelError(
                f"Only finished runs can be averaged. Received: {run.folder}. Remedy: train it with invoke train."
            )
    digests = {run.reference: compute_digest(run.model) for run in runs}
    if len(set(digests.values())) < max(2, len(runs)):
        raise SettingsError(
            f"At least two different networks are averaged. Received: {', '.join(run.reference for run in runs)}."
            " Remedy: name each run once."
        )
    if target.folder.resolve() in [run.folder.resolve() for run in runs]:
        raise ModelError(
            f"The mean must not replace a run that it is made of. Received: {target.folder}."
            " Remedy: name another folder with --out."
        )
    first = _describe_architecture(runs[0].read_config())
    for run in runs[1:]:
        other = _describe_architecture(run.read_config())
        different = [f"model.{key}" for key in first if first[key] != other[key]]
        if different:
            raise SettingsError(
                f"Averaged runs must have one architecture. Received: {runs[0].reference} and {run.reference}, which"
                f" differ in {', '.join(different)}. Remedy: average runs that were trained further from one run."
            )
    return digests


def _describe_architecture(config: Config) -> dict[str, object]:
    return config.model.model_dump(exclude=_TRAINING_ONLY)


def _average_weights(models: Sequence[keras.Model]) -> keras.Model:
    mean = keras.models.clone_model(models[-1])
    arrays = zip(*(model.get_weights() for model in models), strict=True)
    mean.set_weights([np.mean(weights, axis=0, dtype=np.float64).astype(np.float32) for weights in arrays])
    return mean


def _copy_history(source: Run, target: Run) -> None:
    for path, copy in ((source.history, target.history), (source.curves, target.curves)):
        if path.is_file():
            write_atomically(copy, path.read_bytes())


def _measure(validation: Validation, outputs: np.ndarray) -> dict[str, float]:
    figures = validation.measure(outputs)
    figures.pop("validation_score")
    return figures

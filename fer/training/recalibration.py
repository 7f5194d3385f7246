"""Calibration of a finished run, for runs that were trained before a calibration existed or changed."""

from pathlib import Path

import numpy as np

from fer.calibration import Calibrations
from fer.config import Config
from fer.data.dataset import Dataset
from fer.errors import ModelError
from fer.inference import Classifier
from fer.joint import JointCalibration
from fer.runs import Run
from fer.training.finetuning import MIN_CALIBRATION_FACES, has_few_validation_faces
from fer.training.provenance import check_fingerprint
from fer.training.targets import complete_votes, compute_class_shares, select_training_rows
from fer.training.validation import Validation


def recalibrate(dataset: Dataset, folder: str | Path) -> None:
    """Fit the calibration of a run anew and write its ``calibration.json``; the network stays as it is.

    Args:
        dataset: the prepared data set that the run was trained on.
        folder: the run folder.

    Raises:
        ModelError: the folder holds no finished run, or a fine-tuned one that kept the calibration of its initial run.
        DataError: the data set is not the one that the run was trained on, or lacks a split or the votes of a head.

    Example:
        >>> from fer.data import load_dataset
        >>> recalibrate(load_dataset("fer2013"), "artifacts/xception")  # doctest: +SKIP
    """
    run = Run(Path(folder))
    classifier, config = Classifier.load(run.folder, runtime="keras"), run.read_config()
    check_fingerprint(run, dataset)
    _check_fitted(run, dataset, config)
    own = complete_votes(dataset, config)
    validation = Validation.build(own.part("validation"), classifier.heads)
    outputs = classifier.predict_heads(validation.faces)
    run.write_calibrations(*fit_calibrations(own, config, validation, outputs))


def fit_calibrations(
    dataset: Dataset, config: Config, validation: Validation, outputs: np.ndarray
) -> tuple[Calibrations, JointCalibration]:
    """Return the calibration of each head and of all together, fitted on the validation split.

    Args:
        dataset: the prepared data set that the network was trained on, with votes for each head.
        config: settings of the run.
        validation: its validation split.
        outputs: float (N, heads, 7), the network's probabilities of all validation faces.
    """
    rows = select_training_rows(dataset, config.data)
    shares = compute_class_shares(dataset.labels[rows], dataset.votes[rows], validation.heads)
    return validation.calibrate(outputs, shares)


def keeps_calibration(run: Run, dataset: Dataset, config: Config) -> bool:
    """Return whether a run was fine-tuned on too few validation faces, and kept the calibration of its initial run."""
    is_kept = bool(config.training.initial_run) and run.read_joint_calibration() is not None
    return is_kept and has_few_validation_faces(dataset)


def _check_fitted(run: Run, dataset: Dataset, config: Config) -> None:
    """Raise a :class:`~fer.errors.ModelError` for a run whose calibration would be replaced by a worse one."""
    if keeps_calibration(run, dataset, config):
        raise ModelError(
            f"A fine-tuned run with fewer than {MIN_CALIBRATION_FACES} validation faces keeps the calibration of its"
            f" initial run. Received: {run.folder}, with {int(dataset.is_in('validation').sum())} faces."
            f" Remedy: recalibrate {config.training.initial_run}, then fine-tune it again; or fine-tune on more"
            " validation faces."
        )

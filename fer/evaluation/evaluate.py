"""Evaluation of a run: computes the figures of a trained network and writes its reports into ``artifacts/<run>/``.

Protocol: settings, epoch and calibration are chosen on validation; only the evaluation reads test. Each face counts
once. Figures are given for single predictions and for flip averaging.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report

from fer.calibration import compute_log_loss
from fer.config import Head
from fer.data.dataset import Dataset
from fer.errors import DataError
from fer.evaluation import plots
from fer.evaluation.metrics import (
    compute_accuracy,
    compute_confusion,
    compute_ece_by_chance,
    compute_per_class,
    compute_reliability,
    compute_worst_recall,
    list_absent,
    normalize_confusion,
    summarize_views,
)
from fer.evaluation.metrics_file import round_figures, write_metrics
from fer.evaluation.model_card import write_model_card
from fer.evaluation.origin import describe_data, describe_network, read_git_commit, read_versions
from fer.evaluation.plot_points import write_plot_points
from fer.evaluation.predictions import Kind, Predictions, predict_split
from fer.files import write_atomically
from fer.inference import Classifier
from fer.joint import Prior
from fer.labels import EXPRESSIONS
from fer.runs import Run

#: The reason given for a block without faces.
_REASONS = {
    "test_clean": "every test face has an exact or near-duplicate in train",
    "ferplus_test": "no test face has FER+ votes with a majority",
}


def evaluate_run(
    run_folder: str | Path, dataset: Dataset, *, classifier: Classifier | None = None, seed: int = 0
) -> dict[str, Any]:
    """Evaluate a trained network and write its figures, plots and model card into its run folder.

    Args:
        run_folder: a run folder with ``model.keras`` and ``config.json``.
        dataset: a prepared data set with validation and test splits.
        classifier: the classifier of the run, if it is loaded already.
        seed: of the bootstrap intervals.

    Returns:
        The content of ``metrics.json``.

    Raises:
        DataError: the data set has no validation or no test split.
        ModelError: the folder holds no usable network.

    Example:
        >>> from fer.data import load_dataset
        >>> metrics = evaluate_run("artifacts/xception", load_dataset("fer2013"))  # doctest: +SKIP
        >>> metrics["test"]["n"]  # doctest: +SKIP
        3589
    """
    started = time.perf_counter()
    run = Run(Path(run_folder))
    splits = {name: _take_split(dataset, name) for name in ("validation", "test")}
    classifier = classifier or Classifier.load(run.folder, runtime="keras")
    validation, test = (predict_split(classifier, split) for split in splits.values())
    metrics: dict[str, Any] = {
        **describe_network(run, classifier),
        **describe_data(dataset),
        "versions": read_versions(),
        "seconds": 0.0,
        "git_commit": read_git_commit(),
        "calibration": measure_calibrations(classifier.heads, validation, test),
        "default": measure_default(
            classifier.prior if classifier.joint else None, validation, test, splits["test"].clean, seed=seed
        ),
        **measure_splits(validation, test, splits["test"].clean, seed=seed),
    }
    write_reports(run, test["default"], splits["test"].faces)
    write_plot_points(run, test["default"], metrics["model_sha256"])
    metrics["seconds"] = round(time.perf_counter() - started, 1)
    metrics = round_figures(metrics)
    write_model_card(run, metrics, classifier.config)
    write_metrics(metrics, run.folder)
    return metrics


def measure_splits(
    validation: dict[Kind, Predictions], test: dict[Kind, Predictions], clean: np.ndarray, *, seed: int = 0
) -> dict[str, Any]:
    """Return the figures of validation, test, clean test faces, and test faces with a FER+ majority.

    Args:
        validation: predictions of the validation split.
        test: predictions of the test split.
        clean: bool (N,), the test faces without a duplicate in train.
        seed: of the bootstrap intervals.

    Returns:
        The blocks ``validation``, ``test``, ``test_clean`` and ``ferplus_test``; a block without faces is None, and
        ``left_out`` gives the reason.
    """
    blocks = {
        "validation": validation["labels"],
        "test": test["labels"],
        "test_clean": test["labels"].select(clean),
        "ferplus_test": test["votes"],
    }
    figures: dict[str, Any] = {
        name: summarize_views(block.plain, block.flip, block.y_true, seed=seed) if len(block) else None
        for name, block in blocks.items()
    }
    return figures | {"left_out": {name: reason for name, reason in _REASONS.items() if figures[name] is None}}


def measure_default(
    prior: Prior | None,
    validation: dict[Kind, Predictions],
    test: dict[Kind, Predictions],
    clean: np.ndarray,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of the default answer, on the same faces as :func:`measure_splits`.

    Args:
        prior: the prior of the answer; None if one head answers, in a run without a calibration of all heads.
        validation: predictions of the validation split.
        test: predictions of the test split.
        clean: bool (N,), the test faces without a duplicate in train.
        seed: of the bootstrap intervals.

    Returns:
        ``prior``, ``temperature``, ``uncertain_below``, and the blocks ``validation``, ``test``, ``test_clean`` and
        ``ferplus_test``. A block has the share ``certain`` of certain answers and their accuracy beside the usual
        figures; a block without faces is None.
    """
    blocks = {
        "validation": validation["default"],
        "test": test["default"],
        "test_clean": test["default"].select(clean),
        "ferplus_test": test["default_votes"],
    }
    point = validation["default"].calibration
    figures: dict[str, Any] = {
        "prior": prior,
        "temperature": point.temperature,
        "uncertain_below": point.uncertain_below,
    }
    for name, block in blocks.items():
        figures[name] = _summarize_default(block, seed) if len(block) else None
    return figures


def _summarize_default(block: Predictions, seed: int) -> dict[str, Any]:
    certain = block.plain.max(axis=1) >= block.calibration.uncertain_below
    return summarize_views(block.plain, block.flip, block.y_true, seed=seed) | {
        "certain": float(certain.mean()),
        "accuracy_certain": _compute_share(block, certain),
        "accuracy_uncertain": _compute_share(block, ~certain),
    }


def _compute_share(block: Predictions, mask: np.ndarray) -> float | None:
    return compute_accuracy(block.plain[mask], block.y_true[mask]) if mask.any() else None


def measure_calibrations(
    heads: tuple[Head, ...], validation: dict[Kind, Predictions], test: dict[Kind, Predictions]
) -> dict[Head, dict[str, Any]]:
    """Return the calibration of each head and its effect on validation and test.

    A head whose targets no face of validation or test has is left out.

    Args:
        heads: the heads of the network.
        validation: predictions of the validation split.
        test: predictions of the test split.
    """
    return {
        head: measure_calibration(validation[head], test[head])
        for head in heads
        if len(validation[head]) and len(test[head])
    }


def measure_calibration(validation: Predictions, test: Predictions) -> dict[str, Any]:
    """Return the calibration of one head and its effect on validation and test."""
    return {
        # The neutral log-odds serve the baselines of streams and change no figure of an evaluation.
        **validation.calibration.model_dump(exclude={"neutral_log_odds"}),
        "validation": _compare_calibrated(validation),
        "test": _compare_calibrated(test),
    }


def _compare_calibrated(predictions: Predictions) -> dict[str, float | None]:
    raw, plain, y_true = predictions.raw, predictions.plain, predictions.y_true
    certain = plain.max(axis=1) >= predictions.calibration.uncertain_below
    return {
        "accuracy_before": compute_accuracy(raw, y_true),
        "accuracy_after": compute_accuracy(plain, y_true),
        "worst_recall_before": compute_worst_recall(raw, y_true),
        "worst_recall_after": compute_worst_recall(plain, y_true),
        "ece_before": compute_reliability(raw, y_true).ece,
        "ece_after": compute_reliability(plain, y_true).ece,
        "ece_by_chance": compute_ece_by_chance(plain),
        "log_loss_before": compute_log_loss(raw, y_true),
        "log_loss_after": compute_log_loss(plain, y_true),
        "coverage": float(certain.mean()),
        "accuracy_certain": compute_accuracy(plain[certain], y_true[certain]) if certain.any() else None,
    }


def write_reports(run: Run, test: Predictions, faces: np.ndarray) -> None:
    """Write the confusion matrix, classification report and plots of the test split into a run folder.

    Args:
        run: the run.
        test: predictions of the test split.
        faces: uint8 (N, 48, 48), the faces of the same rows.
    """
    plain, y_true, calibration = test.plain, test.y_true, test.calibration
    title = f"test split, {len(test):,} faces"
    plots.plot_confusion_matrix(plain, y_true, run.confusion_plot, title=title)
    plots.plot_roc(plain, y_true, run.roc, title=title)
    plots.plot_precision_recall(plain, y_true, run.precision_recall, title=title)
    settings = f"temperature {calibration.temperature:.2f}"
    plots.plot_reliability(test.raw, plain, y_true, run.reliability, title=f"{title}, {settings}")
    plots.plot_mistakes(faces, plain, y_true, run.mistakes)
    write_atomically(run.confusion_matrix, render_confusion(plain, y_true))
    write_atomically(run.classification_report, render_classification_report(plain, y_true))


def render_confusion(probabilities: np.ndarray, y_true: np.ndarray) -> str:
    """Return the confusion matrix as CSV: one row per true class; counts, then shares, per predicted class."""
    counts = compute_confusion(probabilities, y_true)
    columns = [f"{name}_rate" for name in EXPRESSIONS]
    shares = pd.DataFrame(normalize_confusion(counts).round(6), EXPRESSIONS, columns)
    table = pd.DataFrame(counts, EXPRESSIONS, EXPRESSIONS).join(shares)
    return table.to_csv(index_label="true", lineterminator="\n")


def render_classification_report(probabilities: np.ndarray, y_true: np.ndarray) -> str:
    """Return scikit-learn's classification report of the expressions that have faces, and name the others."""
    per_class = compute_per_class(probabilities, y_true)
    absent = list_absent(per_class)
    names = [name for name in EXPRESSIONS if name not in absent]
    classes = [EXPRESSIONS.index(name) for name in names]
    y_pred = probabilities.argmax(axis=1)
    report = classification_report(y_true, y_pred, labels=classes, target_names=names, digits=4, zero_division=0)
    return str(report) + (f"\nNo faces, in no mean: {', '.join(absent)}\n" if absent else "")


def _take_split(dataset: Dataset, name: str) -> Dataset:
    split = dataset.part(name)
    if len(split) == 0:
        raise DataError(
            f"An evaluation needs faces in the '{name}' split. Received: data set {dataset.name!r} with none."
            " Remedy: prepare a source that has this split with `invoke preprocess`."
        )
    return split

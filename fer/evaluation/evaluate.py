"""The evaluation of a run: every figure and file of ``artifacts/<run>/`` that a finished network has.

The protocol: everything was chosen on the validation part; the test part is read here alone. Each face of a part is
counted once. Figures are given for the faces as they are and averaged over each face and its mirror image.
"""

import hashlib
import subprocess
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pandas as pd
from sklearn.metrics import classification_report

import fer
from fer.calibration import Calibration, apply_calibration, compute_log_loss
from fer.config import Head
from fer.data.dataset import Dataset
from fer.data.ferplus import compute_ferplus_majority
from fer.errors import DataError
from fer.evaluation import plots
from fer.evaluation.metrics import (
    compute_confusion,
    compute_ece_by_chance,
    compute_rates,
    compute_reliability,
    summarize_views,
)
from fer.evaluation.metrics_file import round_figures, write_metrics
from fer.evaluation.model_card import write_model_card
from fer.files import write_atomically
from fer.labels import EXPRESSIONS
from fer.runs import Run

if TYPE_CHECKING:
    from fer.inference import Classifier


@dataclass(frozen=True)
class Predictions:
    """What a classifier answers to faces, and the classes they count as.

    Attributes:
        y_true: int64 (N,), class indices.
        raw: float32 (N, 7), the network's own probabilities.
        plain: float32 (N, 7), calibrated probabilities.
        flip: float32 (N, 7), calibrated probabilities averaged over each face and its mirror image.
    """

    y_true: np.ndarray
    raw: np.ndarray
    plain: np.ndarray
    flip: np.ndarray

    def select(self, rows: np.ndarray, y_true: np.ndarray | None = None) -> "Predictions":
        """Return the rows of a bool mask (N,), under other classes ``y_true`` (N,) where given."""
        y_true = self.y_true if y_true is None else y_true
        return Predictions(y_true[rows], self.raw[rows], self.plain[rows], self.flip[rows])


def evaluate_run(
    run_folder: str | Path, dataset: Dataset, *, classifier: "Classifier | None" = None, seed: int = 0
) -> dict[str, Any]:
    """Measure a finished network and write its figures, plots and model card into its folder.

    Args:
        run_folder: folder with ``model.keras`` and ``config.json``, as training leaves it.
        dataset: a prepared data set with validation and test parts.
        classifier: the folder's classifier where it is loaded already.
        seed: of the bootstrap intervals.

    Returns:
        The content of ``metrics.json``.

    Raises:
        DataError: the data set has no validation or no test part.
        ModelError: the folder holds no usable network.
    """
    started = time.perf_counter()
    folder = Path(run_folder)
    validation_part, test_part = _take_part(dataset, "validation"), _take_part(dataset, "test")
    classifier = choose_head(classifier or fer.Classifier.load(folder), "labels")
    validation, test = predict_part(classifier, validation_part), predict_part(classifier, test_part)
    voter = choose_head(classifier, "votes")
    majority = select_majority(test if voter is classifier else predict_part(voter, test_part), test_part)
    metrics = {
        **_describe_run(folder, classifier),
        **_describe_data(dataset),
        "versions": read_versions(),
        "seconds": 0.0,
        "git_commit": read_git_commit(),
        "calibration": measure_calibration(classifier.calibration, validation, test),
        **_measure_votes(voter, validation_part, majority),
        **measure_parts(validation, test, test.select(test_part.clean), majority, seed=seed),
    }
    write_reports(folder, test, test_part.faces, classifier.calibration)
    metrics["seconds"] = round(time.perf_counter() - started, 1)
    metrics = round_figures(metrics)
    write_model_card(
        metrics, folder / "model_card.md", classifier.config, Run(folder).read_provenance().get("teachers")
    )
    write_metrics(metrics, folder)
    return metrics


def predict_part(classifier: "Classifier", part: Dataset) -> Predictions:
    """Ask a classifier for every face of a part, as it is and flip-averaged."""
    raw = classifier.predict_raw(part.faces)
    plain = apply_calibration(raw, classifier.calibration)
    return Predictions(part.labels, raw, plain, classifier.predict(part.faces, flip=True))


def select_majority(predictions: Predictions, part: Dataset) -> Predictions:
    """Return the rows of a part that have a FER+ majority, which they then count as."""
    majority = compute_ferplus_majority(part.votes)
    return predictions.select(majority >= 0, majority)


def measure_parts(
    validation: Predictions, test: Predictions, clean: Predictions, majority: Predictions, *, seed: int = 0
) -> dict[str, Any]:
    """Return the figures of validation, test, clean test and test under the FER+ majority.

    Args:
        validation: predictions of the validation part.
        test: predictions of the test part.
        clean: those of its faces without a twin in training.
        majority: those of its faces with a FER+ majority, which they count as, by the head that was taught the votes
            where there is one.
        seed: of the bootstrap intervals.

    Returns:
        The blocks ``validation``, ``test``, ``test_clean`` and ``ferplus_test``. A block without a face is None, and
        ``left_out`` gives the reason.
    """
    parts = {"validation": validation, "test": test, "test_clean": clean, "ferplus_test": majority}
    figures: dict[str, Any] = {
        name: summarize_views(part.plain, part.flip, part.y_true, seed=seed) if len(part.y_true) else None
        for name, part in parts.items()
    }
    reasons = {
        "test_clean": "every test face has an equal or near-equal face in training",
        "ferplus_test": "no test face has FER+ votes with a majority",
    }
    return figures | {"left_out": {name: reason for name, reason in reasons.items() if figures[name] is None}}


def measure_calibration(
    calibration: Calibration, validation: Predictions, test: Predictions
) -> dict[str, float | dict[str, float | None]]:
    """Return what was chosen on validation, and what it does on validation and test."""
    return {
        **calibration.model_dump(),
        "validation": _measure_confidence(validation, calibration.uncertain_below),
        "test": _measure_confidence(test, calibration.uncertain_below),
    }


def _measure_votes(voter: "Classifier", validation_part: Dataset, majority: Predictions) -> dict[str, Any]:
    """Return the calibration of a head of its own for the votes, as a block to add; nothing where there is none."""
    if len(voter.heads) < 2:
        return {}
    validation = select_majority(predict_part(voter, validation_part), validation_part)
    if not (len(validation.y_true) and len(majority.y_true)):
        return {}
    return {"calibration_votes": measure_calibration(voter.calibration, validation, majority)}


def choose_head(classifier: "Classifier", head: Head) -> "Classifier":
    """Return the classifier with the given head answering where it has that head, itself otherwise."""
    other = head != classifier.head and head in classifier.heads
    return classifier.with_head(head) if other else classifier


def _measure_confidence(part: Predictions, threshold: float) -> dict[str, float | None]:
    certain = part.plain.max(axis=1) >= threshold
    correct = part.plain.argmax(axis=1) == part.y_true
    return {
        "accuracy_before": float((part.raw.argmax(axis=1) == part.y_true).mean()),
        "accuracy_after": float(correct.mean()),
        "worst_recall_before": _compute_worst_recall(part.raw, part.y_true),
        "worst_recall_after": _compute_worst_recall(part.plain, part.y_true),
        "ece_before": compute_reliability(part.raw, part.y_true).ece,
        "ece_after": compute_reliability(part.plain, part.y_true).ece,
        "ece_by_chance": compute_ece_by_chance(part.plain),
        "log_loss_before": compute_log_loss(part.raw, part.y_true),
        "log_loss_after": compute_log_loss(part.plain, part.y_true),
        "coverage": float(certain.mean()),
        "accuracy_certain": float(correct[certain].mean()) if certain.any() else None,
    }


def _compute_worst_recall(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Return the smallest recall of an expression that is there at all."""
    present = np.bincount(y_true, minlength=len(EXPRESSIONS)) > 0
    return float(np.diag(compute_rates(compute_confusion(probabilities, y_true)))[present].min())


def write_reports(folder: Path, test: Predictions, faces: np.ndarray, calibration: Calibration) -> None:
    """Write the confusion matrix, classification report and plots of the test part into a run folder.

    Args:
        folder: the run folder.
        test: predictions of the test part.
        faces: uint8 (N, 48, 48), the faces of the same rows.
        calibration: the network's, for the title of the reliability diagram.
    """
    title = f"test part, {len(test.y_true):,} faces"
    plots.plot_confusion_matrix(test.plain, test.y_true, folder / "confusion_matrix.png", title=title)
    plots.plot_roc(test.plain, test.y_true, folder / "roc.png", title=title)
    plots.plot_precision_recall(test.plain, test.y_true, folder / "precision_recall.png", title=title)
    warmed = f"{title}, smoothing {calibration.smoothing:.2f} taken off, temperature {calibration.temperature:.2f}"
    plots.plot_reliability(test.raw, test.plain, test.y_true, folder / "reliability.png", title=warmed)
    plots.plot_mistakes(faces, test.plain, test.y_true, folder / "mistakes.png")
    write_atomically(folder / "confusion_matrix.csv", render_confusion(test.plain, test.y_true))
    write_atomically(folder / "classification_report.txt", render_classification_report(test.plain, test.y_true))


def render_confusion(probabilities: np.ndarray, y_true: np.ndarray) -> str:
    """Return the confusion matrix as CSV: a row a true expression, its counts, then its rates, by predicted one."""
    counts = compute_confusion(probabilities, y_true)
    rates = pd.DataFrame(compute_rates(counts).round(6), EXPRESSIONS, [f"{name}_rate" for name in EXPRESSIONS])
    table = pd.DataFrame(counts, EXPRESSIONS, EXPRESSIONS).join(rates)
    return table.to_csv(index_label="true", lineterminator="\n")


def render_classification_report(probabilities: np.ndarray, y_true: np.ndarray) -> str:
    """Return scikit-learn's classification report of all seven expressions."""
    y_pred = probabilities.argmax(axis=1)
    classes = range(len(EXPRESSIONS))
    return classification_report(y_true, y_pred, labels=classes, target_names=EXPRESSIONS, digits=4, zero_division=0)


def read_versions() -> dict[str, str]:
    """Return the versions of what computed the figures, and the name of Keras' backend."""
    backend = keras.backend.backend()
    versions = {"fer": fer.__version__, "keras": keras.__version__, "numpy": np.__version__, "backend": backend}
    return versions | {backend: import_module(backend).__version__}


def read_git_commit() -> str | None:
    """Return the commit of the package's source, or None where it does not lie in a git repository."""
    folder = Path(fer.__file__).parent
    # An installed copy may lie inside someone else's repository: only a tracked file belongs to the commit.
    if _run_git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _run_git(folder, "rev-parse", "HEAD")


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _take_part(dataset: Dataset, split: str) -> Dataset:
    part = dataset.part(split)
    if len(part) == 0:
        raise DataError(
            f"An evaluation needs faces in the '{split}' part. Received: data set {dataset.name!r} with none."
            " Remedy: prepare a source that has this part with `invoke preprocess`."
        )
    return part


def _describe_run(folder: Path, classifier: "Classifier") -> dict[str, Any]:
    name = classifier.config.model.name if classifier.config else folder.name
    digest = hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()
    heads = list(classifier.heads)
    return {"model": name, "params": classifier.num_params, "heads": heads, "model_sha256": digest}


def _describe_data(dataset: Dataset) -> dict[str, Any]:
    return {
        "data": dataset.name,
        "data_source": dataset.source,
        "data_sha256": dataset.fingerprint,
        "is_sample": dataset.is_sample,
    }

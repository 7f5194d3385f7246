"""``plots.json``: the points of the curves of an evaluation, from which the web app draws them in its own look.

Probabilities are float (N, 7) arrays whose rows sum to 1 and ``y_true`` is an int (N,) array of class indices 0..6.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from fer.config import read_json
from fer.evaluation.metrics import compute_reliability
from fer.evaluation.metrics_file import round_figures
from fer.evaluation.predictions import Predictions
from fer.files import name_missing_keys, write_atomically
from fer.labels import EXPRESSIONS
from fer.runs import Run, to_json

#: Points of a curve in the file: more cannot be seen.
NUM_POINTS = 81


class ClassCurve(NamedTuple):
    """A curve of one expression against the rest.

    Args:
        x: float (P,), 0 to 1: the false positive rate, or the recall.
        y: float (P,), 0 to 1: the true positive rate, or the precision.
        area: area under the ROC curve, or average precision.
    """

    x: np.ndarray
    y: np.ndarray
    area: float


def compute_roc(probabilities: np.ndarray, y_true: np.ndarray, label: int) -> ClassCurve | None:
    """Return the receiver operating characteristic of an expression; None without faces of it, or with no others."""
    hits = y_true == label
    if not hits.any() or hits.all():
        return None
    false_rate, true_rate, _ = roc_curve(hits, probabilities[:, label])
    return ClassCurve(false_rate, true_rate, float(roc_auc_score(hits, probabilities[:, label])))


def compute_precision_recall(probabilities: np.ndarray, y_true: np.ndarray, label: int) -> ClassCurve | None:
    """Return the precision at each recall of an expression; None without faces of it, or with no others."""
    hits = y_true == label
    if not hits.any() or hits.all():
        return None
    precision, recall, _ = precision_recall_curve(hits, probabilities[:, label])
    return ClassCurve(recall, precision, float(average_precision_score(hits, probabilities[:, label])))


def thin_curve(curve: ClassCurve, num_points: int = NUM_POINTS) -> ClassCurve:
    """Return a curve with at most ``num_points`` points, at equal distances along it."""
    steps = np.abs(np.diff(curve.x)) + np.abs(np.diff(curve.y))
    position = np.concatenate([[0.0], np.cumsum(steps)])
    positions = np.linspace(0.0, position[-1], num_points)
    x, y = (np.interp(positions, position, values) for values in (curve.x, curve.y))
    return ClassCurve(x, y, curve.area)


def write_plot_points(run: Run, test: Predictions, model_sha256: str) -> None:
    """Write the points of the reliability, ROC and precision-recall plots of the test split.

    Args:
        run: the run.
        test: predictions of the test split.
        model_sha256: digest of the network.

    Raises:
        OutputError: the file cannot be written.
    """
    curves = {"roc": compute_roc, "precision_recall": compute_precision_recall}
    points: dict[str, Any] = {
        "model_sha256": model_sha256,
        "n": len(test),
        "reliability": {
            "before": _describe_reliability(test.raw, test.y_true),
            "after": _describe_reliability(test.plain, test.y_true),
        },
    }
    for name, compute in curves.items():
        known = {label: compute(test.plain, test.y_true, index) for index, label in enumerate(EXPRESSIONS)}
        points[name] = {label: _describe_curve(curve) for label, curve in known.items() if curve is not None}
    write_atomically(run.plot_points, to_json(round_figures(points)))


def read_plot_points(run: Run, model_sha256: str) -> dict[str, Any] | None:
    """Return the content of a run's ``plots.json``; None if there is none, or if it is of another network.

    Raises:
        SettingsError: the file is damaged.
        ModelError: later, if a key that is looked up is missing.
    """
    if not run.plot_points.is_file():
        return None
    points = name_missing_keys(read_json(run.plot_points), run.plot_points, f"run `invoke evaluate` on {run.folder}")
    return points if points.get("model_sha256") == model_sha256 else None


def _describe_reliability(probabilities: np.ndarray, y_true: np.ndarray) -> dict[str, Any]:
    reliability = compute_reliability(probabilities, y_true)
    return {
        "ece": reliability.ece,
        "counts": reliability.counts.astype(int).tolist(),
        "confidence": reliability.confidence.tolist(),
        "accuracy": reliability.accuracy.tolist(),
    }


def _describe_curve(curve: ClassCurve) -> dict[str, Any]:
    thin = thin_curve(curve)
    return {"area": curve.area, "x": thin.x.round(4).tolist(), "y": thin.y.round(4).tolist()}

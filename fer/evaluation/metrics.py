"""Figures of a classifier, computed from probabilities and true classes.

Probabilities are float (N, 7) arrays whose rows sum to 1, in the order of :data:`fer.labels.EXPRESSIONS`; ``y_true`` is
an int (N,) array of class indices 0..6. The predicted class of a row is the one of largest probability, the first on a
tie. Precision, recall, F1 and the confusion matrix are scikit-learn's; they are 0 for a class that is never true or
never predicted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from fer.errors import DataError
from fer.joint import compute_balanced_weights
from fer.labels import EXPRESSIONS

#: Bins of confidence, as in Guo et al., 2017, arXiv:1706.04599, section 5.
NUM_BINS = 15
#: Resamples of an interval; Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", advise 1,000 or more.
NUM_RESAMPLES = 10_000
_CLASS_INDICES = np.arange(len(EXPRESSIONS))


@dataclass(frozen=True)
class Reliability:
    """Confidence and accuracy in bins of equal width.

    Attributes:
        edges: float64 (B + 1,), from 0 to 1; bin b holds confidences above edge b and up to edge b + 1.
        counts: float64 (B,), weight of the rows in each bin: their number without weights.
        confidence: float64 (B,), mean confidence of the rows in each bin; 0 if it is empty.
        accuracy: float64 (B,), share of correct rows in each bin; 0 if it is empty.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: the mean gap over the bins, weighted by their counts."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.counts * gaps).sum() / max(self.counts.sum(), 1e-12))


def compute_accuracy(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Return the share, 0 to 1, of rows whose predicted class is the true one.

    Args:
        probabilities: float (N, 7), N above 0.
        y_true: int (N,).
    """
    return float((probabilities.argmax(axis=1) == y_true).mean())


def compute_accuracy_interval(
    accuracy: float, n: int, *, level: float = 0.95, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of an accuracy.

    The number of correct rows among n drawn with replacement is binomial. The resamples are drawn from that
    distribution, which needs no n x num_resamples indices.

    Args:
        accuracy: share of correct rows, 0 to 1.
        n: number of rows, above 0.
        level: probability, 0 to 1, that the interval covers.
        num_resamples: number of bootstrap draws.
        seed: of the draws.

    Returns:
        The lower and the upper end, 0 to 1.

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    shares = np.random.default_rng(seed).binomial(n, accuracy, size=num_resamples) / n
    low, high = np.quantile(shares, [(1.0 - level) / 2, (1.0 + level) / 2])
    return float(low), float(high)


def compute_wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, 0 to 1, of ``count`` among ``n`` faces, n above 0.

    Reference:
        Wilson, 1927, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22.
    """
    low, high = binomtest(count, n).proportion_ci(0.95, method="wilson")
    return float(low), float(high)


def compute_reliability(
    probabilities: np.ndarray, y_true: np.ndarray, *, weights: np.ndarray | None = None, num_bins: int = NUM_BINS
) -> Reliability:
    """Return confidence and accuracy in bins of equal width.

    Args:
        probabilities: float (N, 7).
        y_true: int (N,).
        weights: float (N,), weights of the rows; None for equal ones.
        num_bins: number of bins between 0 and 1.

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 2.
    """
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == y_true
    bins = np.searchsorted(edges[1:-1], confidence)
    weights = np.ones(len(y_true)) if weights is None else weights
    counts = np.bincount(bins, weights, num_bins)
    filled = np.where(counts > 0, counts, 1.0)
    return Reliability(
        edges=edges,
        counts=counts,
        confidence=np.bincount(bins, weights * confidence, num_bins) / filled,
        accuracy=np.bincount(bins, weights * correct, num_bins) / filled,
    )


def compute_ece_by_chance(probabilities: np.ndarray, *, num_draws: int = 200, seed: int = 0) -> float:
    """Return the expected calibration error of a perfectly calibrated network with these confidences.

    On a finite number of faces, the accuracy of a bin deviates from its confidence by chance, so that even perfect
    confidences have an error above 0. This is the mean error over draws in which each prediction is correct with the
    probability of its confidence.

    Args:
        probabilities: float (N, 7).
        num_draws: number of draws.
        seed: of the draws.

    Reference:
        Bröcker and Smith, 2007, "Increasing the Reliability of Reliability Diagrams", Weather and Forecasting 22, 651.
    """
    rng = np.random.default_rng(seed)
    confidence = probabilities.max(axis=1).astype(np.float64)
    # Two columns, of which the first is always predicted: a prediction is correct if class 0 is the true one.
    predictions = np.stack([confidence, np.zeros_like(confidence)], axis=1)
    draws = (rng.random(len(confidence)) >= confidence for _ in range(num_draws))
    return float(np.mean([compute_reliability(predictions, wrong.astype(np.int64)).ece for wrong in draws]))


def compute_confusion(probabilities: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    """Return the confusion matrix, int64 (7, 7): one row per true class, one column per predicted class."""
    return np.asarray(confusion_matrix(y_true, probabilities.argmax(axis=1), labels=_CLASS_INDICES))


def normalize_confusion(counts: np.ndarray) -> np.ndarray:
    """Return a confusion matrix divided by the sums of its rows, float64 (7, 7); a row without faces is 0."""
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def compute_worst_recall(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Return the lowest recall, 0 to 1, among the classes that have faces."""
    counts = compute_confusion(probabilities, y_true)
    return float(np.diag(normalize_confusion(counts))[counts.sum(axis=1) > 0].min())


def compute_per_class(probabilities: np.ndarray, y_true: np.ndarray) -> dict[str, dict[str, float | int]]:
    """Return ``precision``, ``recall``, ``f1`` (0 to 1) and ``support`` (rows) of each expression."""
    precision, recall, f1, support = precision_recall_fscore_support(
        y_true, probabilities.argmax(axis=1), labels=_CLASS_INDICES, zero_division=0
    )
    return {
        name: {
            "precision": float(precision[index]),
            "recall": float(recall[index]),
            "f1": float(f1[index]),
            "support": int(support[index]),
        }
        for index, name in enumerate(EXPRESSIONS)
    }


def list_absent(per_class: Mapping[str, Mapping[str, float | int]]) -> list[str]:
    """Return the expressions without faces, in the result of :func:`compute_per_class`; no mean includes them."""
    return [name for name, row in per_class.items() if not row["support"]]


def summarize(probabilities: np.ndarray, y_true: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Return the figures of one set of predictions, in the form of ``metrics.json``.

    Args:
        probabilities: float (N, 7), rows summing to 1.
        y_true: int (N,), class indices 0..6.
        seed: of the bootstrap.

    Returns:
        ``n``, ``accuracy``, ``accuracy_ci95`` (95 % bootstrap interval), ``mean_recall`` and ``macro_f1`` (both over
        the classes that have faces), ``ece``, ``ece_balanced`` (with classes of equal weight) and ``per_class``.

    Raises:
        DataError: there are no rows, or the numbers of rows differ.
    """
    _check_rows(probabilities, y_true)
    accuracy = compute_accuracy(probabilities, y_true)
    per_class = compute_per_class(probabilities, y_true)
    present = [row for row in per_class.values() if row["support"]]
    return {
        "n": len(y_true),
        "accuracy": accuracy,
        "accuracy_ci95": list(compute_accuracy_interval(accuracy, len(y_true), seed=seed)),
        "mean_recall": float(np.mean([row["recall"] for row in present])),
        "macro_f1": float(np.mean([row["f1"] for row in present])),
        "ece": compute_reliability(probabilities, y_true).ece,
        "ece_balanced": compute_reliability(probabilities, y_true, weights=compute_balanced_weights(y_true)).ece,
        "per_class": per_class,
    }


def summarize_views(plain: np.ndarray, flip: np.ndarray, y_true: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Return the figures of single predictions, and under ``flip`` those of flip-averaged predictions.

    Args:
        plain: float (N, 7), single predictions.
        flip: float (N, 7), predictions averaged over each face and its mirror image.
        y_true: int (N,), class indices 0..6.
        seed: of the bootstrap.

    Returns:
        The keys of :func:`summarize`, and ``flip`` with the same keys.

    Raises:
        DataError: there are no rows, or the numbers of rows differ.
    """
    return summarize(plain, y_true, seed=seed) | {"flip": summarize(flip, y_true, seed=seed)}


def _check_rows(probabilities: np.ndarray, y_true: np.ndarray) -> None:
    expected = (len(y_true), len(EXPRESSIONS))
    if len(y_true) == 0:
        raise DataError("Figures need at least one face. Received: none. Remedy: use a split that has faces.")
    if probabilities.shape != expected:
        raise DataError(f"Probabilities must have the shape {expected}. Received: {probabilities.shape}.")

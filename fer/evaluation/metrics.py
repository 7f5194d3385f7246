"""Figures of merit of a classifier, each from probabilities and true classes alone.

Probabilities are float (N, 7) arrays whose rows sum to 1, in the order of :data:`fer.labels.EXPRESSIONS`; ``y_true`` is
an int (N,) array of class indices 0..6. The predicted class of a row is its largest probability, the first on a tie.
Counts, precision, recall, F1 and the matrix are scikit-learn's; a class that no row has or none is given scores 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from fer.errors import DataError
from fer.labels import EXPRESSIONS

#: Bins of confidence, as in Guo et al., 2017, arXiv:1706.04599, section 5.
NUM_BINS = 15
#: Resamples behind an interval; Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", ask for 1,000 or more.
NUM_RESAMPLES = 10_000
_CLASS_INDICES = np.arange(len(EXPRESSIONS))


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in bins of equal width.

    Attributes:
        edges: float64 (B + 1,), from 0 to 1; bin b holds confidences above edge b and up to edge b + 1.
        counts: int64 (B,), rows in each bin.
        confidence: float64 (B,), mean confidence of the rows of each bin, 0 where it is empty.
        accuracy: float64 (B,), share of correct rows of each bin, 0 where it is empty.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error, 0 to 1: the mean gap over bins, weighted by their counts."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.counts * gaps).sum() / max(self.counts.sum(), 1))


def compute_accuracy(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Return the share, 0 to 1, of rows whose largest probability is the true class.

    Args:
        probabilities: float (N, 7), N above 0.
        y_true: int (N,).
    """
    return float((probabilities.argmax(axis=1) == y_true).mean())


def compute_accuracy_interval(
    accuracy: float, n: int, *, level: float = 0.95, num_resamples: int = NUM_RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of an accuracy.

    Drawing n rows with replacement and counting the correct ones is one draw of a binomial variable, so the resamples
    are drawn as such: the same distribution as of resampled rows, without n x num_resamples indices.

    Args:
        accuracy: share of correct rows, 0 to 1.
        n: number of rows the share was taken over, above 0.
        level: probability, 0 to 1, between the two ends.
        num_resamples: number of bootstrap draws.
        seed: of the draws.

    Reference:
        Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    shares = np.random.default_rng(seed).binomial(n, accuracy, size=num_resamples) / n
    low, high = np.quantile(shares, [(1.0 - level) / 2, (1.0 + level) / 2])
    return float(low), float(high)


def compute_reliability(probabilities: np.ndarray, y_true: np.ndarray, *, num_bins: int = NUM_BINS) -> Reliability:
    """Sort rows by confidence into bins of equal width and compare their accuracy.

    Args:
        probabilities: float (N, 7).
        y_true: int (N,).
        num_bins: number of bins between 0 and 1.

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 2.
    """
    edges = np.linspace(0.0, 1.0, num_bins + 1)
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == y_true
    bins = np.searchsorted(edges[1:-1], confidence)
    counts = np.bincount(bins, minlength=num_bins)
    filled = np.maximum(counts, 1)
    return Reliability(
        edges=edges,
        counts=counts,
        confidence=np.bincount(bins, confidence, num_bins) / filled,
        accuracy=np.bincount(bins, correct, num_bins) / filled,
    )


def compute_ece_by_chance(probabilities: np.ndarray, *, num_draws: int = 200, seed: int = 0) -> float:
    """Return the expected calibration error that a perfectly calibrated network of these confidences would show.

    A bin's accuracy strays from its confidence by chance, so that on N faces even perfect confidences measure above 0:
    the mean over draws in which each answer is right with the probability of its confidence.

    Args:
        probabilities: float (N, 7).
        num_draws: number of draws.
        seed: of the draws.

    Reference:
        Bröcker and Smith, 2007, "Increasing the Reliability of Reliability Diagrams", Weather and Forecasting 22, 651.
    """
    rng = np.random.default_rng(seed)
    confidence = probabilities.max(axis=1).astype(np.float64)
    # Two columns, of which the first is the answer: class 0 is the truth where the answer is right.
    answers = np.stack([confidence, np.zeros_like(confidence)], axis=1)
    draws = (rng.random(len(confidence)) >= confidence for _ in range(num_draws))
    return float(np.mean([compute_reliability(answers, wrong.astype(np.int64)).ece for wrong in draws]))


def compute_confusion(probabilities: np.ndarray, y_true: np.ndarray) -> np.ndarray:
    """Return the confusion matrix, int64 (7, 7): row the true class, column the predicted one."""
    return confusion_matrix(y_true, probabilities.argmax(axis=1), labels=_CLASS_INDICES)


def compute_rates(counts: np.ndarray) -> np.ndarray:
    """Return a confusion matrix as shares of each row, float64 (7, 7); a row without faces stays 0."""
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


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


def summarize(probabilities: np.ndarray, y_true: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Return every figure of one set of predictions, as it stands in ``metrics.json``.

    Args:
        probabilities: float (N, 7), rows summing to 1.
        y_true: int (N,), class indices 0..6.
        seed: of the bootstrap.

    Returns:
        ``n``, ``accuracy``, ``accuracy_ci95`` (95 % bootstrap interval), ``macro_f1``, ``ece`` and ``per_class``.

    Raises:
        DataError: there is no row, or the numbers of rows differ.
    """
    _check_rows(probabilities, y_true)
    accuracy = compute_accuracy(probabilities, y_true)
    per_class = compute_per_class(probabilities, y_true)
    return {
        "n": len(y_true),
        "accuracy": accuracy,
        "accuracy_ci95": list(compute_accuracy_interval(accuracy, len(y_true), seed=seed)),
        "macro_f1": float(np.mean([row["f1"] for row in per_class.values()])),
        "ece": compute_reliability(probabilities, y_true).ece,
        "per_class": per_class,
    }


def summarize_views(plain: np.ndarray, flip: np.ndarray, y_true: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Return :func:`summarize` of the faces as they are, with that of the flip-averaged predictions under ``flip``.

    Args:
        plain: float (N, 7), of the faces as they are.
        flip: float (N, 7), averaged over each face and its mirror image.
        y_true: int (N,), class indices 0..6.
        seed: of the bootstrap.

    Raises:
        DataError: there is no row, or the numbers of rows differ.
    """
    return summarize(plain, y_true, seed=seed) | {"flip": summarize(flip, y_true, seed=seed)}


def _check_rows(probabilities: np.ndarray, y_true: np.ndarray) -> None:
    expected = (len(y_true), len(EXPRESSIONS))
    if len(y_true) == 0:
        raise DataError(
            "Figures need at least one face. Received: none. Remedy: use a part of the data that has faces."
        )
    if probabilities.shape != expected:
        raise DataError(f"Probabilities must have the shape {expected}. Received: {probabilities.shape}.")

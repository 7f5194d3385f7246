"""Calibrated confidence: a temperature for the probabilities and a threshold under which an answer is uncertain.

Probabilities are float arrays (N, 7) whose rows sum to 1; ``y_true`` is an int array (N,) of class indices.
Both numbers are chosen on the validation part alone.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from fer.config import CalibrationConfig

_SMALLEST = 1e-12


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(logits / temperature) given softmax(logits).

    Args:
        probabilities: float (N, K), rows summing to 1.
        temperature: above 0; larger values flatten the rows.

    Returns:
        float32 (N, K), rows summing to 1.

    Reference:
        Guo et al., 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2.
    """
    logits = np.log(np.maximum(probabilities, _SMALLEST).astype(np.float64)) / temperature
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def compute_log_loss(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Return the mean negative log-likelihood, in nats, of the true classes."""
    chosen = np.take_along_axis(probabilities.astype(np.float64), y_true[:, None].astype(np.int64), axis=1)
    return float(-np.log(np.maximum(chosen, _SMALLEST)).mean())


def fit_temperature(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Return the temperature, between 0.1 and 10, that minimises the log loss of the given rows."""

    def loss(log_temperature: float) -> float:
        return compute_log_loss(apply_temperature(probabilities, float(np.exp(log_temperature))), y_true)

    best = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(best.x))


def choose_threshold(probabilities: np.ndarray, coverage: float) -> float:
    """Return the confidence that the given share of the rows reaches."""
    return float(np.quantile(probabilities.max(axis=-1), 1.0 - coverage))


def calibrate(probabilities: np.ndarray, y_true: np.ndarray, *, coverage: float = 0.9) -> CalibrationConfig:
    """Choose the temperature, and the threshold that leaves ``coverage`` of the rows certain.

    Args:
        probabilities: float (N, K), the network's own, of the validation part.
        y_true: int (N,), the classes of the same rows.
        coverage: share, 0 to 1, of the rows that keep a certain answer.
    """
    temperature = fit_temperature(probabilities, y_true)
    threshold = choose_threshold(apply_temperature(probabilities, temperature), coverage)
    return CalibrationConfig(temperature=temperature, uncertain_below=threshold, coverage=coverage)

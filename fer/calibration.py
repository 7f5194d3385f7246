"""Calibration: smoothing removed, offsets and a temperature for the logits, a threshold for uncertain predictions.

Probabilities are float arrays (N, K) whose rows sum to 1; ``y_true`` is an int array (N,) of class indices.
Everything here is fitted on validation alone.
"""

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from fer.config import Fraction, Head, Settings, Temperature
from fer.labels import EXPRESSIONS

_SMALLEST = 1e-12
#: The offsets are fitted on softmax(_SHARPNESS * logits), a differentiable approximation of counting predictions.
_SHARPNESS = 10.0
#: Pseudo-count that shrinks the offsets on small sets towards 0.
_PSEUDO_COUNT = 100.0
#: Upper bound of the search for smoothing.
_LARGEST_SMOOTHING = 0.2
#: Width of the soft threshold of `remove_smoothing`, in units of the uniform share: no probability becomes 0.
SOFTNESS = 0.15
#: Added to probabilities before their logarithm: whether an expression has 0.1 % or 0.01 % says nothing about a face.
_LEAST_PROBABILITY = 0.01
#: Mean log-odds of a neutral face, for runs whose calibration has none: those of the shipped network's balanced answer
#: to the 607 neutral faces of PublicTest.
NEUTRAL_LOG_ODDS = (-0.547, -0.739, -0.482, -0.139, 0.524, -0.697, 2.081)
#: Beyond any fit; the largest floats would overflow when they are divided by the temperature.
_Offset = Annotated[float, Field(ge=-1000.0, le=1000.0)]


class Calibration(Settings):
    """Calibration of one head, fitted on validation after training."""

    smoothing: float = Field(
        0.0, ge=0.0, lt=1.0, description="Share of the uniform distribution removed from the network's probabilities."
    )
    offsets: tuple[_Offset, ...] = Field(
        (0.0,) * len(EXPRESSIONS),
        min_length=len(EXPRESSIONS),
        max_length=len(EXPRESSIONS),
        description="Added to the logits. Runs before version 0.2 have them; newer runs are balanced by their prior.",
    )
    temperature: Temperature = Field(1.0, description="Divides the logits (Guo et al., 2017, arXiv:1706.04599).")
    uncertain_below: Fraction = Field(0.0, description="Confidence below which a prediction is uncertain.")
    coverage: Fraction = Field(1.0, description="Share of validation faces whose confidence reaches the threshold.")
    neutral_log_odds: tuple[float, ...] = Field(
        NEUTRAL_LOG_ODDS,
        min_length=len(EXPRESSIONS),
        max_length=len(EXPRESSIONS),
        description="Mean log-odds of the neutral validation faces, which a person's resting face is compared with.",
    )


#: The calibration of each head that has one.
Calibrations = dict[Head, Calibration]


def compute_softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of the last axis, as ``scipy.special.softmax`` does, whose import takes a tenth of a second.

    Args:
        logits: float (..., K).

    Returns:
        float (..., K), summing to 1 over the last axis.
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


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
    return _soften(_compute_logits(probabilities), temperature)


def remove_smoothing(probabilities: np.ndarray, smoothing: float) -> np.ndarray:
    """Subtract the share ``smoothing`` of the uniform distribution, softly where a probability is smaller than it.

    A network trained on smoothed and mixed targets predicts ``(1 - s) p + s / K`` for p, so it is never certain.

    Args:
        probabilities: float (N, K), rows summing to 1.
        smoothing: share s, 0 or more and below 1.

    Returns:
        float64 (N, K), rows summing to 1; the ranking within a row does not change.
    """
    uniform = smoothing / probabilities.shape[1]
    if not uniform:
        return probabilities.astype(np.float64)
    width = SOFTNESS * uniform
    rest = width * np.logaddexp(0.0, (probabilities.astype(np.float64) - uniform) / width)
    return np.asarray(rest / rest.sum(axis=1, keepdims=True))


def apply_calibration(probabilities: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Return softmax((logits + offsets) / temperature), with the logits of the probabilities without smoothing.

    Args:
        probabilities: float (N, 7), uncalibrated, rows summing to 1.
        calibration: the smoothing, the offsets and the temperature.

    Returns:
        float32 (N, 7), rows summing to 1.
    """
    logits = _compute_logits(remove_smoothing(probabilities, calibration.smoothing))
    return _soften(logits + calibration.offsets, calibration.temperature)


def compute_log_loss(probabilities: np.ndarray, y_true: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the mean negative log-likelihood, in nats, of the true classes; ``weights`` (N,) weigh the rows."""
    true = np.take_along_axis(probabilities.astype(np.float64), y_true[:, None].astype(np.int64), axis=1)[:, 0]
    return float(np.average(-np.log(np.maximum(true, _SMALLEST)), weights=weights))


def fit_temperature(probabilities: np.ndarray, y_true: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the temperature, between 0.1 and 10, that minimises the log loss; ``weights`` (N,) weigh the rows."""
    return float(np.exp(_search_temperature(probabilities, y_true, weights).x))


def fit_smoothing(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    """Return the smoothing, between 0 and 0.2, whose removal gives the least log loss at the best temperature.

    Args:
        probabilities: float (N, K), uncalibrated.
        y_true: int (N,), the classes of the same rows.
    """

    from scipy.optimize import minimize_scalar  # here, because an answer needs no fitting, and it is slow to import

    def loss(smoothing: float) -> float:
        return float(_search_temperature(remove_smoothing(probabilities, smoothing), y_true).fun)

    best = minimize_scalar(loss, bounds=(0.0, _LARGEST_SMOOTHING), method="bounded", options={"xatol": 1e-4})
    return float(best.x) if best.fun < loss(0.0) else 0.0


def _search_temperature(probabilities: np.ndarray, y_true: np.ndarray, weights: np.ndarray | None = None) -> Any:
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return compute_log_loss(apply_temperature(probabilities, float(np.exp(log_temperature))), y_true, weights)

    return minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded", options={"xatol": 1e-5})


def choose_threshold(probabilities: np.ndarray, coverage: float, weights: np.ndarray | None = None) -> float:
    """Return the confidence that a share ``coverage`` of the rows reaches; ``weights`` (N,) weigh the rows."""
    confidences = probabilities.max(axis=-1)
    if weights is None:
        return float(np.quantile(confidences, 1.0 - coverage))
    order = np.argsort(confidences)
    shares = np.cumsum(weights[order]) / weights.sum()
    # The sum of all shares may be rounded to less than 1.
    row = min(int(np.searchsorted(shares, 1.0 - coverage)), len(shares) - 1)
    return float(confidences[order][row])


def compute_log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithms of probabilities, relative to the mean of the row.

    Args:
        probabilities: float (..., K), rows summing to 1; 0.01 is added to each.

    Returns:
        float64 (..., K), rows summing to 0.
    """
    logs = np.log(np.asarray(probabilities, np.float64) + _LEAST_PROBABILITY)
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


def fit_neutral_log_odds(probabilities: np.ndarray, y_true: np.ndarray) -> tuple[float, ...]:
    """Return the mean log-odds (7,) of the neutral faces, or :data:`NEUTRAL_LOG_ODDS` if there are none."""
    neutral = probabilities[y_true == EXPRESSIONS.index("neutral")]
    return tuple(compute_log_odds(neutral).mean(axis=0).tolist()) if len(neutral) else NEUTRAL_LOG_ODDS


def calibrate(probabilities: np.ndarray, y_true: np.ndarray, *, coverage: float = 0.9) -> Calibration:
    """Fit smoothing and temperature, the threshold that keeps a share ``coverage`` certain, and the neutral log-odds.

    Args:
        probabilities: float (N, 7), uncalibrated, of the validation split.
        y_true: int (N,), the classes of the same rows.
        coverage: share, 0 to 1, of the rows whose prediction is certain.
    """
    smoothing = fit_smoothing(probabilities, y_true)
    fitted = Calibration(smoothing=smoothing, coverage=coverage)
    temperature = fit_temperature(apply_calibration(probabilities, fitted), y_true)
    fitted = fitted.model_copy(update={"temperature": temperature})
    answers = apply_calibration(probabilities, fitted)
    threshold, neutral = choose_threshold(answers, coverage), fit_neutral_log_odds(answers, y_true)
    return fitted.model_copy(update={"uncertain_below": threshold, "neutral_log_odds": neutral})


def _compute_logits(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(probabilities, _SMALLEST).astype(np.float64)))


def _soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    return np.asarray(compute_softmax(logits / temperature), np.float32)

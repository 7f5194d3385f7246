"""The default answer: all heads of a network combined under a prior of the seven expressions.

Training data has far more happy and neutral faces than frightened or disgusted ones, and a network learns these shares
with the faces. In front of a camera every expression is as likely as the next. The probabilities of each head are
therefore divided by its training shares (to a power), multiplied by a factor for each expression, averaged over the
heads, and calibrated for that prior.

Probabilities of several heads are float arrays (N, heads, 7) whose last axis sums to 1.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fer.calibration import (
    NEUTRAL_LOG_ODDS,
    Calibration,
    apply_temperature,
    choose_threshold,
    fit_neutral_log_odds,
    fit_temperature,
    remove_smoothing,
)
from fer.config import Fraction, Head, Settings, Temperature
from fer.errors import ModelError, SettingsError, shorten
from fer.labels import EXPRESSIONS

#: ``balanced``: every expression is equally likely. ``dataset``: the shares of the training data. Or seven numbers, in
#: the order of ``fer.EXPRESSIONS``.
Prior = Literal["balanced", "dataset"] | Sequence[float]

#: Share of each head in the answer, and the power of the ratio of the priors: chosen on PublicTest and on two sets of
#: faces from outside FER2013 (docs/decisions/0022). A power below 1 because the posteriors of rare classes are
#: themselves uncertain: the full ratio makes their false alarms outweigh their hits.
HEAD_WEIGHTS: dict[Head, float] = {"labels": 0.3, "votes": 0.7}
PRIOR_POWER = 0.75
#: Factors of the expressions under every prior but ``dataset``: FER2013's annotators saw anger and neutral faces where
#: those of other sets do not, and missed surprise and fear. Fitted for one network on PublicTest and the same two sets
#: (docs/decisions/0024).
EXPRESSION_WEIGHTS = dict(zip(EXPRESSIONS, (0.68, 0.96, 1.20, 1.17, 0.99, 1.34, 0.82), strict=True))


#: Kinds of arrays that NumPy converts to real numbers, which they are not: truth values, complex, texts, bytes, times.
_NO_NUMBERS = "bcUSMm"
#: The least share of an expression in a prior: the products with probabilities stay above the smallest float.
_LEAST_SHARE = 1e-100


class OperatingPoint(Settings):
    """What was fitted on validation for one prior."""

    temperature: Temperature = Field(1.0, description="Divides the logits (Guo et al., 2017, arXiv:1706.04599).")
    uncertain_below: Fraction = Field(0.0, description="Confidence below which an answer is uncertain.")
    coverage: Fraction = Field(1.0, description="Share of validation faces whose confidence reaches the threshold.")
    neutral_log_odds: tuple[float, ...] = Field(
        NEUTRAL_LOG_ODDS,
        min_length=len(EXPRESSIONS),
        max_length=len(EXPRESSIONS),
        description="Mean log-odds of the neutral validation faces, which a person's resting face is compared with.",
    )


#: A share for each class.
Shares = Annotated[tuple[Fraction, ...], Field(min_length=len(EXPRESSIONS), max_length=len(EXPRESSIONS))]


class JointCalibration(Settings):
    """Calibration of all heads together."""

    class_shares: dict[Head, Shares] = Field(description="Share of each class in a head's training targets.")
    balanced: OperatingPoint = Field(OperatingPoint(), description="Fitted with classes of equal weight.")
    dataset: OperatingPoint = Field(OperatingPoint(), description="Fitted on the faces as they are.")

    def choose_point(self, prior: Prior) -> OperatingPoint:
        """Return the operating point of a prior; seven numbers take the one of equal weights."""
        return self.dataset if prior == "dataset" else self.balanced


def check_prior(prior: Prior) -> Prior:
    """Return a prior; seven numbers as shares that sum to 1.

    Raises:
        SettingsError: it is not 'balanced', 'dataset' or seven positive numbers.
    """
    if isinstance(prior, str):
        if prior in ("balanced", "dataset"):
            return prior
    else:
        shares = _compute_shares(prior)
        if shares.shape == (len(EXPRESSIONS),) and (shares >= _LEAST_SHARE).all():
            return tuple(shares.tolist())
    raise SettingsError(
        f"A prior is 'balanced', 'dataset' or seven positive numbers, for {', '.join(EXPRESSIONS)}."
        f" Received: {shorten(repr(prior))}. Remedy: give numbers whose ratios are below {1 / _LEAST_SHARE:.0e}."
    )


def select_prior(prior: Prior, joint: JointCalibration | None) -> Prior:
    """Return a prior as :func:`check_prior` does, for a network with this calibration of all heads.

    Raises:
        SettingsError: the prior is not valid.
        ModelError: it is not the default, and there is no calibration: a single head then answers without a prior.
    """
    prior = check_prior(prior)
    if joint is None and prior != "balanced":
        raise ModelError(
            "A prior other than 'balanced' needs the calibration of all heads together. Received:"
            f" {shorten(repr(prior))} for a network without it. Remedy: leave out the prior, or load a run folder to"
            " which fer.training.recalibrate gave one."
        )
    return prior


def _compute_shares(numbers: Sequence[float]) -> np.ndarray:
    """Return positive numbers divided by their sum, float64; an empty array for anything else."""
    try:
        given = np.asarray(numbers)
        values = given.astype(np.float64) if given.dtype.kind not in _NO_NUMBERS else np.empty(0)
    except (ValueError, TypeError, OverflowError):
        return np.empty(0)
    if not (np.isfinite(values) & (values > 0)).all():
        return np.empty(0)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(values / values.sum())


def combine_heads(
    probabilities: np.ndarray,
    heads: Sequence[Head],
    calibrations: Mapping[Head, Calibration],
    class_shares: Mapping[Head, Sequence[float]],
    prior: Prior = "balanced",
) -> np.ndarray:
    """Return the weighted mean of the heads' probabilities under a prior, before its temperature.

    Args:
        probabilities: float (N, heads, 7), uncalibrated.
        heads: the heads, in the order of the array.
        calibrations: of the heads; their smoothing is removed.
        class_shares: share of each class in the training targets of each head.
        prior: what the answer is for.

    Returns:
        float64 (N, 7), rows summing to 1.

    Reference:
        Saerens, Latinne and Decaestecker, 2002, "Adjusting the Outputs of a Classifier to New a Priori Probabilities",
        Neural Computation 14, equation 2.2 (here with a power).
    """
    weights = np.array([HEAD_WEIGHTS[head] for head in heads])
    answers = [
        _change_prior(
            remove_smoothing(probabilities[:, index], calibrations.get(head, Calibration()).smoothing),
            np.asarray(class_shares[head], np.float64),
            prior,
        )
        for index, head in enumerate(heads)
    ]
    return np.asarray(np.tensordot(weights / weights.sum(), np.stack(answers), axes=1))


def apply_joint(
    probabilities: np.ndarray,
    heads: Sequence[Head],
    calibrations: Mapping[Head, Calibration],
    joint: JointCalibration,
    prior: Prior = "balanced",
) -> np.ndarray:
    """Return calibrated probabilities of all heads together, float32 (N, 7); arguments as for :func:`combine_heads`."""
    combined = combine_heads(probabilities, heads, calibrations, joint.class_shares, prior)
    return apply_temperature(combined, joint.choose_point(prior).temperature)


def fit_joint(
    probabilities: np.ndarray,
    y_true: np.ndarray,
    heads: Sequence[Head],
    calibrations: Mapping[Head, Calibration],
    class_shares: Mapping[Head, Sequence[float]],
    *,
    coverage: float = 0.9,
) -> JointCalibration:
    """Fit temperature, threshold and neutral log-odds for both priors on validation.

    Args:
        probabilities: float (N, heads, 7), uncalibrated, of the validation split.
        y_true: int (N,), the classes of the same rows.
        heads: the heads, in the order of the array.
        calibrations: of the heads.
        class_shares: share of each class in the training targets of each head.
        coverage: share, 0 to 1, of the rows that keep a certain answer.
    """

    def fit_point(prior: Prior, weights: np.ndarray) -> OperatingPoint:
        combined = combine_heads(probabilities, heads, calibrations, class_shares, prior)
        temperature = fit_temperature(combined, y_true, weights)
        answers = apply_temperature(combined, temperature)
        return OperatingPoint(
            temperature=temperature,
            uncertain_below=choose_threshold(answers, coverage, weights),
            coverage=coverage,
            neutral_log_odds=fit_neutral_log_odds(answers, y_true),
        )

    return JointCalibration(
        class_shares={head: tuple(class_shares[head]) for head in heads},
        balanced=fit_point("balanced", compute_balanced_weights(y_true)),
        dataset=fit_point("dataset", np.ones(len(y_true))),
    )


def compute_balanced_weights(y_true: np.ndarray) -> np.ndarray:
    """Return a weight for each row, float64 (N,) with mean 1, with which every class that occurs weighs the same."""
    counts = np.bincount(y_true)
    weights = 1.0 / counts[y_true]
    return np.asarray(weights / weights.mean())


def compute_factors(class_shares: np.ndarray, prior: Prior) -> np.ndarray:
    """Return what a head's probabilities are multiplied by under a prior, float64 (7,).

    Args:
        class_shares: float (7,), share of each class in the head's training targets.
        prior: what the answer is for.
    """
    if prior == "dataset":
        return np.ones(len(EXPRESSIONS))
    target = np.full(len(EXPRESSIONS), 1.0 / len(EXPRESSIONS)) if prior == "balanced" else np.asarray(prior)
    # A class that no training face had takes the share of the rarest one: its own would make noise the answer.
    shares = np.maximum(class_shares, np.min(class_shares, where=class_shares > 0, initial=1.0))
    return np.asarray((target / shares) ** PRIOR_POWER * np.array(list(EXPRESSION_WEIGHTS.values())))


def _change_prior(probabilities: np.ndarray, class_shares: np.ndarray, prior: Prior) -> np.ndarray:
    if prior == "dataset":
        return probabilities
    weighted = probabilities * compute_factors(class_shares, prior)
    return np.asarray(weighted / weighted.sum(axis=-1, keepdims=True))

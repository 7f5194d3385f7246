"""The default answer of a classifier as a few constants, for formats that compute it inside their own graph.

For heads h with probabilities p (N, 7) an exported file computes

    r = width[h] * softplus((p - uniform[h]) / width[h])        the smoothing removed; r = p if there is none
    q = r * factors[h] / sum(r * factors[h])                    the prior and the factors of the expressions
    answer = softmax((log(sum over h of weights[h] * q) + offsets) / temperature)

which is :meth:`fer.Classifier.calibrate` written out.
"""

from dataclasses import dataclass

import numpy as np

from fer.calibration import SOFTNESS, Calibration
from fer.inference import Classifier
from fer.joint import HEAD_WEIGHTS, compute_factors
from fer.labels import EXPRESSIONS

#: Least probability before its logarithm.
SMALLEST = 1e-12


@dataclass(frozen=True)
class Answer:
    """Constants of an answer.

    Args:
        uniform: float (heads,), the part of each probability that is smoothing; 0 if there is none.
        factors: float (heads, 7), what the probabilities of each head are multiplied by.
        weights: float (heads,), the share of each head, summing to 1.
        offsets: float (7,), added to the logits.
        temperature: divides the logits.
    """

    uniform: np.ndarray
    factors: np.ndarray
    weights: np.ndarray
    offsets: np.ndarray
    temperature: float

    @property
    def width(self) -> np.ndarray:
        """Widths of the soft thresholds that remove the smoothing, float (heads,)."""
        return SOFTNESS * self.uniform


def build_answer(classifier: Classifier) -> Answer:
    """Return the constants of a classifier's answer."""
    heads = classifier.heads
    calibrations = [classifier.calibrations.get(head, Calibration()) for head in heads]
    uniform = np.array([calibration.smoothing / len(EXPRESSIONS) for calibration in calibrations])
    if classifier.head is None and classifier.joint is not None:
        shares = classifier.joint.class_shares
        factors = np.array([compute_factors(np.asarray(shares[head]), classifier.prior) for head in heads])
        weights = np.array([HEAD_WEIGHTS[head] for head in heads])
        temperature = classifier.joint.choose_point(classifier.prior).temperature
        return Answer(uniform, factors, weights / weights.sum(), np.zeros(len(EXPRESSIONS)), temperature)
    index = heads.index(classifier.head or heads[-1])
    weights, chosen = np.eye(len(heads))[index], calibrations[index]
    factors = np.ones((len(heads), len(EXPRESSIONS)))
    return Answer(uniform, factors, weights, np.array(chosen.offsets), chosen.temperature)

"""Predictions of a split: the probabilities of a classifier beside the classes that count as true.

Two kinds of classes count as true: the data set's labels, and the FER+ majority of the faces that have one. A head is
measured against the kind that it was trained on; a network with one head is measured against both. So is the default
answer, which all heads give together.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fer.calibration import Calibration
from fer.config import Head
from fer.data.dataset import Dataset
from fer.data.ferplus import compute_ferplus_majority
from fer.inference import Classifier
from fer.joint import OperatingPoint

#: What is measured: each head against its own targets, and the default answer against both.
Kind = Literal["default", "default_votes", "labels", "votes"]


@dataclass(frozen=True)
class Predictions:
    """Predictions of one head, or of all together.

    Attributes:
        y_true: int64 (N,), class indices 0..6.
        raw: float32 (N, 7), before the temperature: the head's own probabilities, or all heads' under the prior.
        plain: float32 (N, 7), calibrated probabilities.
        flip: float32 (N, 7), calibrated probabilities averaged over each face and its mirror image.
        calibration: the calibration of the answer.
    """

    y_true: np.ndarray
    raw: np.ndarray
    plain: np.ndarray
    flip: np.ndarray
    calibration: Calibration | OperatingPoint

    def __len__(self) -> int:
        return len(self.y_true)

    def select(self, mask: np.ndarray) -> "Predictions":
        """Return the rows of a bool mask (N,)."""
        return Predictions(self.y_true[mask], self.raw[mask], self.plain[mask], self.flip[mask], self.calibration)


def predict_split(classifier: Classifier, split: Dataset) -> dict[Kind, Predictions]:
    """Predict every face of a split and its mirror image once, for all heads together.

    Args:
        classifier: a network with one head or two; its prior is used for the default answer.
        split: the faces of one split of a prepared data set.

    Returns:
        Under ``default`` and ``labels`` the predictions of all faces, under ``default_votes`` and ``votes`` those of
        the faces with a FER+ majority. ``labels`` and ``votes`` come from the head of that name, or from the network's
        only head; the others are the default answer.
    """
    raw = classifier.predict_heads(split.faces)
    mirrored = classifier.predict_heads(split.faces[:, :, ::-1])
    predictions: dict[Kind, Predictions] = {}
    for kind, (answering, y_true) in list_answers(classifier, split).items():
        plain, flipped = answering.calibrate(raw), answering.calibrate(mirrored)
        answers = Predictions(y_true, answering.combine(raw), plain, (plain + flipped) / 2.0, answering.calibration)
        predictions[kind] = answers.select(y_true >= 0)
    return predictions


def list_answers(classifier: Classifier, split: Dataset) -> dict[Kind, tuple[Classifier, np.ndarray]]:
    """Return for each kind of :func:`predict_split` the classifier that answers, and what it is measured against.

    Args:
        classifier: a network with one head or two; its prior is used for the default answer.
        split: the faces of one split of a prepared data set.

    Returns:
        For each kind the classifier, and the true classes of all faces, int64 (N,): -1 for a face without one.
    """
    default = classifier.with_prior(classifier.prior)
    targets: dict[Head, np.ndarray] = {"labels": split.labels, "votes": compute_ferplus_majority(split.votes)}
    answers: dict[Kind, tuple[Classifier, np.ndarray]] = {}
    for name, y_true in targets.items():
        head = name if name in classifier.heads else classifier.heads[0]
        answers[name] = classifier.with_head(head), y_true
        answers["default" if name == "labels" else "default_votes"] = default, y_true
    return answers

"""Predictions of a split: the probabilities of a classifier beside the classes that count as true.

Two kinds of classes count as true: the data set's labels, and the FER+ majority of the faces that have one. A head is
measured against the kind that it was trained on; a network with one head is measured against both.
"""

from dataclasses import dataclass

import numpy as np

from fer.calibration import Calibration, apply_calibration
from fer.config import Head
from fer.data.dataset import Dataset
from fer.data.ferplus import compute_ferplus_majority
from fer.inference import Classifier


@dataclass(frozen=True)
class Predictions:
    """Predictions of one head.

    Attributes:
        y_true: int64 (N,), class indices 0..6.
        raw: float32 (N, 7), the network's own probabilities.
        plain: float32 (N, 7), calibrated probabilities.
        flip: float32 (N, 7), calibrated probabilities averaged over each face and its mirror image.
        calibration: the calibration of the head.
    """

    y_true: np.ndarray
    raw: np.ndarray
    plain: np.ndarray
    flip: np.ndarray
    calibration: Calibration

    def __len__(self) -> int:
        return len(self.y_true)

    def select(self, mask: np.ndarray) -> "Predictions":
        """Return the rows of a bool mask (N,)."""
        return Predictions(self.y_true[mask], self.raw[mask], self.plain[mask], self.flip[mask], self.calibration)


def predict_split(classifier: Classifier, split: Dataset) -> dict[Head, Predictions]:
    """Predict every face of a split and its mirror image once, for all heads together.

    Args:
        classifier: a network with one head or two.
        split: the faces of one split of a prepared data set.

    Returns:
        Under ``labels`` the predictions of all faces, under ``votes`` those of the faces with a FER+ majority. Each
        comes from the head of that name, or from the network's only head.
    """
    raw = classifier.predict_heads(split.faces)
    mirrored = classifier.predict_heads(split.faces[:, :, ::-1])
    targets: dict[Head, np.ndarray] = {"labels": split.labels, "votes": compute_ferplus_majority(split.votes)}
    predictions: dict[Head, Predictions] = {}
    for name, y_true in targets.items():
        head = name if name in classifier.heads else classifier.heads[0]
        index = classifier.heads.index(head)
        calibration = classifier.calibrations.get(head, Calibration())
        plain, mirrored_plain = (apply_calibration(rows[:, index], calibration) for rows in (raw, mirrored))
        flip = (plain + mirrored_plain) / 2.0
        predictions[name] = Predictions(y_true, raw[:, index], plain, flip, calibration).select(y_true >= 0)
    return predictions

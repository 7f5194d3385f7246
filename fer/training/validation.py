"""Validation targets of each head, for model selection and calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer.calibration import Calibrations, calibrate, compute_log_loss
from fer.config import Head
from fer.data.dataset import Dataset
from fer.data.ferplus import compute_ferplus_majority
from fer.errors import DataError
from fer.joint import JointCalibration, fit_joint


@dataclass(frozen=True)
class Validation:
    """The validation faces, and for each head the rows that count and their classes.

    Attributes:
        faces: uint8 (N, 48, 48).
        heads: the network's heads, in order.
        rows: one int64 array per head, indices into the faces.
        y_true: one int64 array per head, the classes of those rows.
    """

    faces: np.ndarray
    heads: tuple[Head, ...]
    rows: tuple[np.ndarray, ...]
    y_true: tuple[np.ndarray, ...]

    @classmethod
    def build(cls, part: Dataset, heads: tuple[Head, ...]) -> "Validation":
        """Take every face with its label for the head 'labels', and faces with a FER+ majority for 'votes'.

        Raises:
            DataError: there is a head 'votes', and no face has a FER+ majority.
        """
        classes = {"labels": part.labels, "votes": compute_ferplus_majority(part.votes)}
        rows = tuple(np.flatnonzero(classes[head] >= 0) for head in heads)
        if not all(map(len, rows)):
            raise DataError(
                f"A head 'votes' needs FER+ votes. Received: data set {part.name!r} without a majority in validation."
                ' Remedy: prepare it with --votes, or set model.heads=["labels"].'
            )
        y_true = tuple(classes[head][indices] for head, indices in zip(heads, rows, strict=True))
        return cls(part.faces, heads, rows, y_true)

    def measure(self, outputs: np.ndarray) -> dict[str, float]:
        """Return loss and accuracy of the first head, accuracies of the others, and the mean accuracy as the score.

        Args:
            outputs: float (N, heads, 7), probabilities of all validation faces.
        """
        by_head = self._select(outputs)
        accuracies = [float((p.argmax(axis=1) == y).mean()) for p, y in zip(by_head, self.y_true, strict=True)]
        others = {f"validation_accuracy_{head}": a for head, a in zip(self.heads[1:], accuracies[1:], strict=True)}
        return {
            "validation_loss": compute_log_loss(by_head[0], self.y_true[0]),
            "validation_accuracy": accuracies[0],
            **others,
            "validation_score": float(np.mean(accuracies)),
        }

    def calibrate(
        self, outputs: np.ndarray, class_shares: Mapping[Head, Sequence[float]]
    ) -> tuple[Calibrations, JointCalibration]:
        """Return the calibration of each head, fitted on its rows, and of all together, fitted on the first head's.

        Args:
            outputs: float (N, heads, 7), probabilities of all validation faces.
            class_shares: share of each class in the training targets of each head.
        """
        by_head = zip(self.heads, self._select(outputs), self.y_true, strict=True)
        calibrations = {head: calibrate(probabilities, y_true) for head, probabilities, y_true in by_head}
        rows, y_true = self.rows[0], self.y_true[0]
        return calibrations, fit_joint(outputs[rows], y_true, self.heads, calibrations, class_shares)

    def _select(self, outputs: np.ndarray) -> list[np.ndarray]:
        return [outputs[rows, index] for index, rows in enumerate(self.rows)]

"""A stub network for the tests of fer.evaluation, and faces that it recognises."""

import numpy as np

from fer.config import load_config
from fer.data.dataset import Dataset
from fer.data.ferplus import FERPLUS_COLUMN_OF_EXPRESSION
from fer.inference import Classifier
from fer.joint import JointCalibration

#: Grey levels per class: faces of one grey level show the class that it is in the middle of.
STEP = 36


class GreyClassifier(Classifier):
    """Reads the class of a face from its mean grey level, with both heads alike; ``confidence`` is in that class."""

    def __init__(self, heads=("labels", "votes"), confidence=0.9):
        self.config = load_config()
        self.num_params = 7
        self.heads, self.head, self.prior = heads, None, "balanced"
        self.calibrations = {}
        self.joint = JointCalibration(class_shares=dict.fromkeys(heads, (1 / 7,) * 7))
        self.confidence = confidence

    def predict_heads(self, faces, *, batch_sizes=()):
        classes = np.minimum(faces.mean(axis=(1, 2)) // STEP, 6).astype(int)
        rows = np.full((len(faces), 7), (1 - self.confidence) / 6, np.float32)
        rows[np.arange(len(faces)), classes] = self.confidence
        return np.repeat(rows[:, None], len(self.heads), axis=1)


def make_grey_faces(classes):
    """Faces of one grey level that show the given classes, uint8 (N, 48, 48)."""
    levels = np.asarray(classes) * STEP + STEP // 2
    return np.repeat(levels.astype(np.uint8), 48 * 48).reshape(-1, 48, 48)


def make_votes(classes):
    """Nine FER+ votes for each class and one for neutral; none where the class is -1."""
    votes = np.zeros((len(classes), 10), np.uint8)
    for row, label in enumerate(classes):
        if label >= 0:
            votes[row, FERPLUS_COLUMN_OF_EXPRESSION[label]] += 9
            votes[row, 0] += 1
    return votes


def make_grey_dataset(labels, shown=None, voted=None, *, split=1, name="grey"):
    """Faces that show some classes, with their labels and votes, in one split or in given ones."""
    labels = np.asarray(labels, np.int64)
    shown = labels if shown is None else shown
    votes = np.zeros((len(labels), 10), np.uint8) if voted is None else make_votes(voted)
    splits = np.broadcast_to(np.asarray(split, np.uint8), labels.shape).copy()
    return Dataset(name, make_grey_faces(shown), labels, splits, votes, np.ones(len(labels), bool), source="folder")

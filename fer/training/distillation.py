"""Distillation: training targets blended with the predictions of trained networks, the teachers.

A teacher's probabilities carry more information than a label: how similar a face is to every other expression. They
are computed once, averaged over each training face and its mirror image; or, with ``consistent``, at every step, for
the same augmented and mixed face that the student sees.

References:
    Hinton, Vinyals and Dean, 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    Beyer et al., 2022, "Knowledge distillation: A good teacher is patient and consistent", arXiv:2106.05237.
"""

from pathlib import Path

import numpy as np

from fer.calibration import apply_temperature
from fer.config import Config, DistillationConfig, Head, load_config
from fer.errors import ModelError, SettingsError
from fer.files import compute_digest
from fer.inference import Classifier
from fer.model.forward import BATCH_SIZES
from fer.runs import Run


class Teachers:
    """An ensemble of trained networks whose mean probabilities, softened, become targets of a student.

    Args:
        config: the teachers, their share of a target and their temperature.
        heads: the student's heads, in order.

    Attributes:
        digests: sha256 of each teacher's network, by its path in the settings.

    Raises:
        ModelError: a teacher is missing.
        SettingsError: a teacher lacks a head of its student.
    """

    def __init__(self, config: DistillationConfig, heads: tuple[Head, ...]) -> None:
        self.config = config
        runs = {name: find_teacher(name) for name in config.teacher}
        self.digests = {name: compute_digest(run.model) for name, run in runs.items()}
        self.classifiers = [Classifier.load(run.folder) for run in runs.values()]
        for name, classifier in zip(runs, self.classifiers, strict=True):
            _check_heads(name, classifier.heads, heads)
        self._columns = [[classifier.heads.index(head) for head in heads] for classifier in self.classifiers]

    def predict(self, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
        """Return the softened mean of the teachers' probabilities.

        Args:
            faces: uint8 or float32 (N, 48, 48), 0..255.
            batch_sizes: sizes that the teachers are compiled for, ascending.

        Returns:
            float32 (N, heads, 7), in the order of the student's heads.
        """
        predictions = [
            classifier.predict_heads(faces, batch_sizes=batch_sizes)[:, columns]
            for classifier, columns in zip(self.classifiers, self._columns, strict=True)
        ]
        return apply_temperature(np.mean(predictions, axis=0), self.config.temperature)

    def predict_flip_averaged(self, faces: np.ndarray) -> np.ndarray:
        """Return the mean of :meth:`predict` over faces and their mirror images."""
        return np.asarray(np.mean([self.predict(view) for view in (faces, faces[:, :, ::-1])], axis=0))

    def blend(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Return targets in which the teachers' predictions have the share ``distillation.weight``."""
        weight = np.float32(self.config.weight)
        return (1 - weight) * targets + weight * predictions


def check_teacher_heads(config: Config) -> None:
    """Check that every teacher has, or will have once it is trained, the heads of its student.

    Raises:
        SettingsError: a teacher lacks a head.
    """
    distillation = config.distillation
    for name in distillation.teacher:
        run = Run(Path(name))
        if run.config.is_file():
            _check_heads(name, run.read_config().model.heads, config.model.heads)
        elif distillation.teacher_preset and not run.is_finished:
            _check_heads(name, load_config(distillation.teacher_preset).model.heads, config.model.heads)


def _check_heads(name: str, received: tuple[Head, ...], expected: tuple[Head, ...]) -> None:
    if not set(expected) <= set(received):
        raise SettingsError(
            f"A teacher must have the heads of its student, {', '.join(expected)}. Received: {name}, which has"
            f" {', '.join(received)}. Remedy: give model.heads only heads that every teacher has."
        )


def find_teacher(name: str) -> Run:
    """Return the run of a teacher, given as a run folder or as a ``.keras`` file.

    Raises:
        ModelError: it is missing.
    """
    path = Path(name)
    run = Run(path.parent if path.name == Run.model_name and path.with_name(Run.config_name).is_file() else path)
    if not run.is_finished:
        raise ModelError(
            f"A teacher must be a trained network. Received: {run.model} (missing). Remedy: name a run folder in"
            " distillation.teacher."
        )
    return run

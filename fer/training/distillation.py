"""Distillation: training targets blended with the predictions of trained networks, the teachers.

A teacher's probabilities carry more information than a label: how similar a face is to every other expression. They
are computed once, averaged over each training face and its mirror image; or, with ``consistent``, at every step, for
the same augmented and mixed face that the student sees; or, with ``views`` too, once for a fixed number of augmented
and mixed versions of each face, which the student sees in turn.

References:
    Hinton, Vinyals and Dean, 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    Beyer et al., 2022, "Knowledge distillation: A good teacher is patient and consistent", arXiv:2106.05237.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer.calibration import apply_temperature
from fer.config import Config, DistillationConfig, Head, load_config
from fer.errors import ModelError, SettingsError, shorten, shorten_path
from fer.files import BROKEN_ARRAYS, compute_digest, write_atomically
from fer.inference import Classifier
from fer.labels import EXPRESSIONS
from fer.model.batching import BATCH_SIZES
from fer.runs import Run
from fer.training.devices import choose_dtype_policy, runs_on_device
from fer.training.hosts import current_hosts

if TYPE_CHECKING:
    from fer.training.batches import TrainingBatches

#: Where the predictions of teachers for a fixed number of views are kept, beside the prepared data sets.
_VIEWS_FOLDER = Path("data") / "teacher_predictions"
#: Faces that are hashed at a time.
_HASHED_FACES = 4096


class Teachers:
    """An ensemble of trained networks whose mean probabilities, softened, become targets of a student.

    Args:
        config: the teachers, their share of a target and their temperature.
        heads: the student's heads, in order.
        log: called with each line of output.

    Attributes:
        digests: sha256 of each teacher's network, by its path in the settings.

    Raises:
        ModelError: a teacher is missing.
        SettingsError: a teacher lacks a head of its student.
    """

    def __init__(self, config: DistillationConfig, heads: tuple[Head, ...], log: Callable[[str], None] = print) -> None:
        self.config, self.log = config, log
        runs = {name: find_teacher(name) for name in config.teacher}
        self.digests = {name: compute_digest(run.model) for name, run in runs.items()}
        self.classifiers = [Classifier.load(run.folder, runtime="keras") for run in runs.values()]
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
        return self._average(
            [classifier.predict_heads(faces, batch_sizes=batch_sizes) for classifier in self.classifiers]
        )

    def _average(self, outputs: list[np.ndarray]) -> np.ndarray:
        """Return the softened mean of outputs (N, heads, 7), one per teacher, with the heads of the student."""
        predictions = [output[:, columns] for output, columns in zip(outputs, self._columns, strict=True)]
        return apply_temperature(np.mean(predictions, axis=0), self.config.temperature)

    def predict_flip_averaged(self, faces: np.ndarray) -> np.ndarray:
        """Return the mean of :meth:`predict` over faces and their mirror images."""
        return np.asarray(np.mean([self.predict(view) for view in (faces, faces[:, :, ::-1])], axis=0))

    def load_views(self, batches: "TrainingBatches", views: int) -> np.ndarray:
        """Return the predictions for a number of augmented views of all training faces, from a file if there is one.

        The file ``data/teacher_predictions/<key>.npy`` is shared by all students of the same teachers and views; the
        key is a digest of everything that the predictions depend on.

        Args:
            batches: draws the views.
            views: how many.

        Returns:
            float16 (views, N, heads, 7).
        """
        path = _VIEWS_FOLDER / f"{self._compute_key(batches, views)}.npy"
        shape = (views, len(batches), len(self._columns[0]), len(EXPRESSIONS))
        if path.is_file():
            try:
                return _read_predictions(path, shape)
            except BROKEN_ARRAYS as error:
                self.log(f"The teachers predict again: {shorten_path(path)} is damaged ({shorten(error)}).")
        predictions = np.empty(shape, np.float16)
        self._predict_views(batches, predictions)
        if current_hosts().is_writer:
            write_atomically(path, lambda stream: np.save(stream, predictions, allow_pickle=False))
        return predictions

    def _predict_views(self, batches: "TrainingBatches", predictions: np.ndarray) -> None:
        """Fill predictions (views, N, heads, 7): on the device that trains, or with faces augmented on the host."""
        views = len(predictions)
        if runs_on_device(batches.config.training.engine):
            from fer.training.device_views import predict_views

            models = [classifier.model for classifier in self.classifiers]
            for view, outputs in enumerate(predict_views(models, batches, views)):
                predictions[view] = self._average(outputs)
            return
        for view, rows, faces in batches.read_views(views):
            predictions[view, rows] = self.predict(faces, batch_sizes=(len(faces),))[: len(rows)]

    def _compute_key(self, batches: "TrainingBatches", views: int) -> str:
        parts = [
            repr((views, self.digests, self._columns, self.config.temperature)),
            batches.config.augmentation.model_dump_json(),
            batches.config.training.phases[0].model_dump_json(include={"augmentation_strength", "mixup"}),
        ]
        if runs_on_device(batches.config.training.engine):
            # Pixels, and with bfloat16 the precision, differ from those of the host, whose keys lack this part.
            parts.append(f"device {choose_dtype_policy(batches.config.training.dtype_policy)}")
        digest = hashlib.sha256("\n".join(parts).encode())
        for rows in np.array_split(np.arange(len(batches)), -(-len(batches) // _HASHED_FACES)):
            digest.update(batches.take_faces(rows).tobytes())
        return digest.hexdigest()[:16]

    def blend(self, targets: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Return targets in which the teachers' predictions have the share ``distillation.weight``."""
        weight = np.float32(self.config.weight)
        return (1 - weight) * targets + weight * predictions


def _read_predictions(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array of a file; a file with anything else than finite numbers of this shape raises an exception."""
    with path.open("rb") as stream:
        predictions = np.lib.format.read_array(stream, allow_pickle=False)
    if (predictions.dtype, predictions.shape) != (np.dtype(np.float16), shape):
        raise ValueError(f"it has {predictions.dtype} {predictions.shape}, not float16 {shape}")
    if not np.isfinite(predictions).all():
        raise ValueError("it has numbers that are not finite")
    return predictions


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

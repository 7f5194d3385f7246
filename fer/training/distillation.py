"""Targets blended with the answers of trained networks, the teachers.

A teacher that generalises tells more of a face than its one label does: how near each other expression is. Its answers
are taken once, averaged over each training face and its mirror image, and mixed by mixup as labels are; or, asked
consistently, about the very face that the pupil is shown, changed and mixed, at every step.

References:
    Hinton, Vinyals and Dean, 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
    Beyer et al., 2022, "Knowledge distillation: A good teacher is patient and consistent", arXiv:2106.05237.
"""

from pathlib import Path

import numpy as np

from fer.calibration import apply_temperature
from fer.config import DistillationConfig, Head, parse_config, read_json
from fer.errors import ModelError, SettingsError
from fer.files import compute_digest
from fer.model.forward import BATCH_SIZES, compile_forward, run_in_batches
from fer.model.layers import use_fast_layers
from fer.model.saved import load_model


def find_teachers(config: DistillationConfig) -> list[Path]:
    """Return the teachers' network files.

    Raises:
        ModelError: one is missing.
    """
    paths = [path / "model.keras" if path.is_dir() else path for path in map(Path, config.teacher)]
    for path in paths:
        if not path.is_file():
            raise ModelError(
                f"A teacher must be a trained network. Received: {path} (missing). Remedy: name a run folder in"
                " distillation.teacher."
            )
    return paths


def compute_teacher_digests(config: DistillationConfig) -> dict[str, str]:
    """Return the sha256 of each teacher's network, by the path that the settings give it.

    Raises:
        ModelError: a file is missing.
    """
    return {name: compute_digest(path) for name, path in zip(config.teacher, find_teachers(config), strict=True)}


class Teachers:
    """Trained networks that answer together: the mean of their probabilities, softened, for the pupil's heads.

    Args:
        config: the teachers, their share and their temperature.
        heads: the pupil's heads, in order.

    Raises:
        ModelError: a teacher is missing.
        SettingsError: a teacher lacks a head of its pupil, or has others than the teachers before it.
    """

    def __init__(self, config: DistillationConfig, heads: tuple[Head, ...]) -> None:
        self.config = config
        paths = find_teachers(config)
        models = [use_fast_layers(load_model(path)) for path in paths]
        self.known = _read_heads(paths[0]) or heads
        for path, model in zip(paths, models, strict=True):
            known = _read_heads(path) or heads
            answered = model.output_shape[1:-1] == ((len(known),) if len(known) > 1 else ())
            if not answered or not set(heads) <= set(known) or known != self.known:
                came = ", ".join(known) if answered else model.output_shape[1:]
                raise SettingsError(
                    f"A teacher must have the heads of its pupil, {', '.join(heads)}, and those of its colleagues."
                    f" Received: {str(path)!r}, which answers {came}. Remedy: set model.heads alike."
                )
        self.heads = [self.known.index(head) for head in heads]
        self.forward = compile_forward(*models)

    def answer(self, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
        """Return the mean answer to faces (N, 48, 48), 0..255: float32 (N, 7), or (N, heads, 7) for several heads."""
        answers = apply_temperature(
            run_in_batches(self.forward, faces, batch_sizes=batch_sizes), self.config.temperature
        )
        answers = answers.reshape(len(faces), len(self.known), -1)[:, self.heads]
        return answers[:, 0] if len(self.heads) == 1 else answers

    def answer_once(self, faces: np.ndarray) -> np.ndarray:
        """Return the mean answer to faces and their mirror images, as :meth:`answer` does."""
        return np.mean([self.answer(view) for view in (faces, faces[:, :, ::-1])], axis=0)

    def blend(self, targets: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return targets of which the set share is the answer."""
        weight = np.float32(self.config.weight)
        return (1 - weight) * targets + weight * answers


def _read_heads(path: Path) -> tuple[Head, ...] | None:
    """Return the heads by the settings beside a network, or None where there are no settings."""
    settings = path.with_name("config.json")
    return parse_config(read_json(settings)).model.heads if settings.is_file() else None

"""Targets blended with the answers of a trained network, the teacher.

A teacher that generalises tells more of a face than its one label does: how near each other expression is. Its answers
are taken once, averaged over each training face and its mirror image, and are mixed by mixup as labels are.

Reference:
    Hinton, Vinyals and Dean, 2015, "Distilling the Knowledge in a Neural Network", arXiv:1503.02531.
"""

from pathlib import Path

import numpy as np

from fer.calibration import apply_temperature
from fer.config import Config, DistillationConfig, Head, parse_config, read_json
from fer.errors import ModelError, SettingsError
from fer.files import compute_digest
from fer.model.forward import compile_forward, run_in_batches
from fer.model.layers import use_fast_layers
from fer.model.saved import load_model


def identify_teacher(config: Config) -> Config:
    """Return the settings with the digest of the teacher's file, unchanged where there is no teacher.

    Raises:
        ModelError: the file is missing, or is not the one whose digest the settings have.
    """
    distillation = config.distillation
    if not distillation.teacher:
        return config
    path = _find_teacher(distillation)
    if not path.is_file():
        raise ModelError(
            f"A teacher must be a trained network. Received: {path} (missing). Remedy: name a run folder in"
            " distillation.teacher."
        )
    digest = compute_digest(path)
    if distillation.sha256 not in ("", digest):
        raise ModelError(
            f"A run keeps its teacher. Received: {path} with the sha256 {digest[:12]}, not {distillation.sha256[:12]}."
            " Remedy: restore that file, or train anew."
        )
    return config.model_copy(update={"distillation": distillation.model_copy(update={"sha256": digest})})


def blend_with_teacher(
    targets: np.ndarray, faces: np.ndarray, config: DistillationConfig, heads: tuple[Head, ...]
) -> np.ndarray:
    """Return targets of which the set share is the teacher's answer, unchanged where there is no teacher.

    Args:
        targets: float32 (N, 7) or (N, heads, 7).
        faces: uint8 (N, 48, 48), the same rows.
        config: the teacher, its share and its temperature.
        heads: what the targets are for, in order.

    Raises:
        SettingsError: the teacher has other heads.
    """
    if not config.teacher:
        return targets
    model = use_fast_layers(load_model(_find_teacher(config)))
    known = _read_heads(_find_teacher(config)) or heads
    answered = model.output_shape[1:-1] == ((len(known),) if len(known) > 1 else ())
    if not answered or not set(heads) <= set(known):
        raise SettingsError(
            f"A teacher must have the heads of its pupil, {', '.join(heads)}. Received: {config.teacher!r}, which"
            f" answers {', '.join(known) if answered else model.output_shape[1:]}. Remedy: set model.heads alike."
        )
    forward = compile_forward(model)
    views = [run_in_batches(forward, view) for view in (faces, faces[:, :, ::-1])]
    answers = np.mean([apply_temperature(view, config.temperature) for view in views], axis=0)
    answers = answers.reshape(len(faces), len(known), -1)[:, [known.index(head) for head in heads]]
    return (1.0 - config.weight) * targets + config.weight * answers.reshape(targets.shape)


def _read_heads(path: Path) -> tuple[Head, ...] | None:
    """Return the heads by the settings beside a network, or None where there are no settings."""
    settings = path.with_name("config.json")
    return parse_config(read_json(settings)).model.heads if settings.is_file() else None


def _find_teacher(config: DistillationConfig) -> Path:
    path = Path(config.teacher)
    return path / "model.keras" if path.is_dir() else path

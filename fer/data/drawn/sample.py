"""The embedded sample: schematic faces of the seven expressions, drawn by our own code, the same for the same seed.

It lets every task run with no data at hand. It is evidence of mechanics only: a network that learned it knows drawings.
"""

import numpy as np

from fer import labels
from fer.data.dataset import Dataset
from fer.data.drawn.action_units import draw_action_units
from fer.data.drawn.canvas import draw_identity, draw_pose
from fer.data.drawn.face import draw_face
from fer.data.leaks import find_leaks
from fer.errors import SettingsError
from fer.labels import FACE_SIZE

#: Shares of the splits, in the order of ``labels.SPLITS``.
SHARES: tuple[float, ...] = (0.7, 0.15, 0.15)

_SMALLEST = 20 * len(labels.EXPRESSIONS)


def draw_sample(num_faces: int = 2100, *, name: str = "sample", seed: int = 0) -> Dataset:
    """Draw a data set whose classes and splits are balanced.

    Every face is another person in another pose and light. Face number i depends on the seed and i alone.

    Args:
        num_faces: number of faces, at least 140.
        name: name of the set.
        seed: 0 or more.

    Raises:
        SettingsError: too few faces, or a negative seed.
    """
    if num_faces < _SMALLEST or seed < 0:
        raise SettingsError(
            f"A sample must have {_SMALLEST} faces or more and a seed from 0. Received: {num_faces} faces, seed {seed}."
        )
    classes = np.arange(num_faces, dtype=np.int64) % len(labels.EXPRESSIONS)
    faces = np.stack([draw_sample_face(labels.EXPRESSIONS[label], i, seed=seed) for i, label in enumerate(classes)])
    split = _assign_splits(num_faces)
    votes = np.zeros((num_faces, len(labels.FERPLUS_COLUMNS)), np.uint8)
    clean = find_leaks(faces, split).clean
    return Dataset(name, faces, classes, split, votes, clean, is_sample=True, source="sample")


def draw_sample_face(expression: str, index: int, *, seed: int = 0) -> np.ndarray:
    """Draw face number ``index`` of a sample, showing an expression.

    Args:
        expression: one of ``labels.EXPRESSIONS``.
        index: number of the face, 0 or more.
        seed: seed of the sample.

    Returns:
        uint8 (48, 48).
    """
    rng = np.random.default_rng((seed, index))
    drawn = draw_face(draw_action_units(expression, rng), draw_identity(rng), draw_pose(rng), size=FACE_SIZE)
    return _photograph(drawn, rng)


def _photograph(drawn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add light from a side, softness, contrast and noise to a drawing, float (S, S) to uint8 (S, S)."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.35)
    place = np.linspace(-1.0, 1.0, len(drawn), dtype=np.float32)
    light = 1.0 + strength * (np.cos(angle) * place[None, :] + np.sin(angle) * place[:, None])
    soft = _soften(drawn * light, rng.uniform(0.0, 0.2))
    grey = (soft - 128.0) * rng.uniform(0.7, 1.1) + 128.0 + rng.uniform(-20.0, 20.0)
    noisy = grey + rng.normal(0.0, rng.uniform(1.0, 7.0), drawn.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _soften(grey: np.ndarray, weight: float) -> np.ndarray:
    """Mix each pixel with its neighbours along both axes, by the weight of each neighbour."""
    for axis in (0, 1):
        padded = np.pad(grey, [(1, 1) if axis == a else (0, 0) for a in (0, 1)], mode="edge")
        before, after = np.delete(padded, (-1, -2), axis), np.delete(padded, (0, 1), axis)
        grey = (1 - 2 * weight) * grey + weight * (before + after)
    return grey


def _assign_splits(num_faces: int) -> np.ndarray:
    # Whole rounds of the seven expressions go to one split, which keeps every split balanced.
    rounds = np.arange(num_faces) // len(labels.EXPRESSIONS)
    bounds = np.cumsum(SHARES)[:-1] * (rounds[-1] + 1)
    return np.searchsorted(np.rint(bounds), rounds, side="right").astype(np.uint8)

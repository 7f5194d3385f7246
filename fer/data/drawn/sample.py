"""The drawn sample: schematic faces of the seven expressions, reproducible from a seed.

With it every task runs without external data. It only shows that the code works: a network trained on it recognises
drawings, not people.
"""

from dataclasses import replace

import numpy as np

from fer.data.dataset import SAMPLE_SOURCE, Dataset
from fer.data.drawn.action_units import draw_action_units
from fer.data.drawn.canvas import draw_identity, draw_pose
from fer.data.drawn.face import draw_face
from fer.data.ferplus import FERPLUS_COLUMNS
from fer.data.leaks import find_leaks
from fer.errors import SettingsError
from fer.labels import EXPRESSIONS, FACE_SIZE

#: Shares of the splits, in the order of ``SPLITS``.
SHARES: tuple[float, ...] = (0.7, 0.15, 0.15)

_MIN_FACES = 20 * len(EXPRESSIONS)


def draw_sample(num_faces: int = 2100, *, name: str = "sample", seed: int = 0) -> Dataset:
    """Draw a data set with the same share of each expression in each split.

    Every face shows another person in another pose and lighting. Face i depends on the seed and i only.

    Args:
        num_faces: number of faces, at least 140.
        name: name of the data set.
        seed: 0 or more.

    Raises:
        SettingsError: there are too few faces, or the seed is negative.

    Example:
        >>> draw_sample(140).faces.shape
        (140, 48, 48)
    """
    sample = draw_unguarded_sample(num_faces, name=name, seed=seed)
    return replace(sample, clean=find_leaks(sample.faces, sample.split).clean)


def draw_unguarded_sample(num_faces: int = 2100, *, name: str = "sample", seed: int = 0) -> Dataset:
    """Draw a sample like :func:`draw_sample`, but without the duplicate guard: all faces are marked as clean."""
    if num_faces < _MIN_FACES or seed < 0:
        raise SettingsError(
            f"A sample must have at least {_MIN_FACES} faces and a seed of 0 or more."
            f" Received: {num_faces} faces, seed {seed}."
        )
    labels = np.arange(num_faces, dtype=np.int64) % len(EXPRESSIONS)
    faces = np.stack([draw_sample_face(EXPRESSIONS[label], i, seed=seed) for i, label in enumerate(labels)])
    split = _assign_splits(num_faces)
    votes = np.zeros((num_faces, len(FERPLUS_COLUMNS)), np.uint8)
    return Dataset(name, faces, labels, split, votes, np.ones(num_faces, bool), source=SAMPLE_SOURCE)


def draw_sample_face(expression: str, index: int, *, seed: int = 0) -> np.ndarray:
    """Draw face ``index`` of a sample with an expression.

    Args:
        expression: one of ``EXPRESSIONS``.
        index: index of the face, 0 or more.
        seed: seed of the sample.

    Returns:
        uint8 (48, 48).
    """
    rng = np.random.default_rng((seed, index))
    drawing = draw_face(draw_action_units(expression, rng), draw_identity(rng), draw_pose(rng), size=FACE_SIZE)
    return _photograph(drawing, rng)


def _photograph(drawing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add directional light, blur, contrast and noise to a drawing, float (S, S) to uint8 (S, S)."""
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.35)
    position = np.linspace(-1.0, 1.0, len(drawing), dtype=np.float32)
    light = 1.0 + strength * (np.cos(angle) * position[None, :] + np.sin(angle) * position[:, None])
    blurred = _blur(drawing * light, rng.uniform(0.0, 0.2))
    grey = (blurred - 128.0) * rng.uniform(0.7, 1.1) + 128.0 + rng.uniform(-20.0, 20.0)
    noisy = grey + rng.normal(0.0, rng.uniform(1.0, 7.0), drawing.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _blur(grey: np.ndarray, weight: float) -> np.ndarray:
    """Mix each pixel with its two neighbours along each axis; ``weight`` is that of one neighbour."""
    for axis in (0, 1):
        padded = np.pad(grey, [(1, 1) if axis == a else (0, 0) for a in (0, 1)], mode="edge")
        before, after = np.delete(padded, (-1, -2), axis), np.delete(padded, (0, 1), axis)
        grey = (1 - 2 * weight) * grey + weight * (before + after)
    return grey


def _assign_splits(num_faces: int) -> np.ndarray:
    # Every run of seven faces, one per expression, goes to one split, which keeps the splits balanced.
    rounds = np.arange(num_faces) // len(EXPRESSIONS)
    bounds = np.cumsum(SHARES)[:-1] * (rounds[-1] + 1)
    return np.searchsorted(np.rint(bounds), rounds, side="right").astype(np.uint8)

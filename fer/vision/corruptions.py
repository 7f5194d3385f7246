"""Corruptions of faces in five severities each, to measure how a network bears what real images do to a face.

:data:`CORRUPTIONS` is the table of all corruptions and of their severities. What is random, such as a direction,
depends on the seed, the corruption and the row only: a face keeps its direction in all severities.

Reference:
    Hendrycks and Dietterich, 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
    arXiv:1903.12261: corruptions in five severities and the mean over all. The severities here are our own, for faces
    of 48 pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fer.vision import degradation as change

#: Severities are numbered from 1 (mild) to this (severe).
NUM_SEVERITIES = 5
#: Random numbers of a face, uniform in 0..1.
_NUM_DRAWS = 4

#: Returns a corrupted face, float32 (S, S), from the face, the value of the severity and the face's random numbers.
_Change = Callable[[np.ndarray, float, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Args:
        title: its name in tables and plots.
        unit: what the values are.
        values: one per severity, from mild to severe.
        apply: corrupts one face.
    """

    title: str
    unit: str
    values: tuple[float, float, float, float, float]
    apply: _Change


def _blur_motion(face: np.ndarray, length: float, draws: np.ndarray) -> np.ndarray:
    return change.blur_motion(face, length, 180.0 * draws[0])


def _add_noise(face: np.ndarray, sigma: float, draws: np.ndarray) -> np.ndarray:
    # All bits of a random number in 0..1 are a seed for one face.
    rng = np.random.Generator(np.random.Philox(int(draws[0] * 2**53)))
    return np.asarray(face + np.float32(sigma) * rng.standard_normal(face.shape, np.float32))


def _add_light(face: np.ndarray, difference: float, draws: np.ndarray) -> np.ndarray:
    return change.add_light(face, difference * _draw_direction(draws))


def _occlude(face: np.ndarray, percentage: float, draws: np.ndarray) -> np.ndarray:
    """Cover a share of the face with an ellipse that lies within it, between twice as wide and twice as high."""
    area, aspect = percentage / 100.0, 2.0 ** (2.0 * draws[2] - 1.0)
    size = np.minimum(np.sqrt(area * 4.0 / np.pi * np.array([aspect, 1.0 / aspect])), 1.0)
    return change.occlude(face, np.concatenate([draws[:2] * (1.0 - size), size]), 255.0 * draws[3], is_ellipse=True)


def _tilt(face: np.ndarray, degrees: float, draws: np.ndarray) -> np.ndarray:
    return change.move(face, angle=degrees * _draw_sign(draws))


def _turn(face: np.ndarray, degrees: float, draws: np.ndarray) -> np.ndarray:
    return change.turn(face, degrees * _draw_sign(draws))


def _rescale(face: np.ndarray, percentage: float, draws: np.ndarray) -> np.ndarray:
    return change.move(face, scale=(1.0 + percentage / 100.0) ** _draw_sign(draws))


def _shift(face: np.ndarray, percentage: float, draws: np.ndarray) -> np.ndarray:
    x, y = percentage / 100.0 * face.shape[0] * _draw_direction(draws)
    return change.move(face, shift=(float(x), float(y)))


def _draw_sign(draws: np.ndarray) -> int:
    return 1 if draws[0] < 0.5 else -1


def _draw_direction(draws: np.ndarray) -> np.ndarray:
    angle = 2.0 * np.pi * draws[0]
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


#: All corruptions, by their keys in files: of optics and sensor, of light, of what covers the face, of the crop.
CORRUPTIONS: dict[str, Corruption] = {
    "blur": Corruption(
        "Blur", "standard deviation, pixels", (0.6, 1.0, 1.4, 1.9, 2.5), lambda face, value, _: change.blur(face, value)
    ),
    "motion_blur": Corruption("Motion blur", "length, pixels", (3, 5, 7, 9, 12), _blur_motion),
    "noise": Corruption("Noise", "standard deviation, grey levels", (5, 10, 16, 24, 35), _add_noise),
    "jpeg": Corruption(
        "JPEG", "quality", (50, 30, 20, 12, 7), lambda face, value, _: change.compress(face, int(value))
    ),
    "low_resolution": Corruption(
        "Low resolution",
        "side, pixels",
        (32, 24, 19, 15, 12),
        lambda face, value, _: change.reduce_resolution(face, int(value)),
    ),
    "dark": Corruption(
        "Dark", "gamma", (1.4, 1.8, 2.4, 3.2, 4.5), lambda face, value, _: change.apply_gamma(face, value)
    ),
    "bright": Corruption("Overexposed", "gain", (1.25, 1.5, 1.8, 2.2, 2.8), lambda face, value, _: face * value),
    "light": Corruption("Uneven light", "difference, grey levels", (60, 100, 150, 210, 280), _add_light),
    "contrast": Corruption(
        "Low contrast",
        "share kept, %",
        (60, 40, 25, 15, 8),
        lambda face, value, _: change.change_contrast(face, value / 100.0),
    ),
    "occlusion": Corruption("Occlusion", "share covered, %", (5, 10, 20, 30, 40), _occlude),
    "tilt": Corruption("Tilt", "degrees", (5, 10, 18, 27, 40), _tilt),
    "yaw": Corruption("Yaw", "degrees", (10, 20, 30, 40, 50), _turn),
    "crop_scale": Corruption("Crop scale", "tighter or looser by %", (6, 12, 20, 30, 40), _rescale),
    "shift": Corruption("Shift", "share of the side, %", (4, 8, 12, 17, 24), _shift),
}


def corrupt_faces(faces: np.ndarray, name: str, severity: int, *, seed: int = 0) -> np.ndarray:
    """Return faces under a corruption.

    Args:
        faces: uint8 (N, S, S), grey 0..255.
        name: a key of :data:`CORRUPTIONS`.
        severity: 1 to 5.
        seed: of what is random.

    Returns:
        uint8 (N, S, S).

    Example:
        >>> corrupt_faces(np.zeros((2, 48, 48), np.uint8), "noise", 3).shape
        (2, 48, 48)
    """
    corruption = CORRUPTIONS[name]
    draws = np.random.default_rng([seed, *name.encode()]).random((len(faces), _NUM_DRAWS))
    corrupted = np.empty_like(faces)
    for index, face in enumerate(faces):
        changed = corruption.apply(face.astype(np.float32), corruption.values[severity - 1], draws[index])
        corrupted[index] = change.to_pixels(changed)
    return corrupted

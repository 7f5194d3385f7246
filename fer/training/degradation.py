"""Degradations of training faces, common in real images and rare in FER2013, as a function of (seed, epoch, row).

Blur, low resolution, JPEG artefacts, noise, gamma, uneven light, and occlusion by glasses, masks and hands. Each is
applied with its own probability, so some faces get none and others several.

Faces are float32 (N, 48, 48), grey 0..255. The random parameters are independent of those of
:mod:`fer.training.augmentation`: a run without degradations draws the same augmentation as before.

References:
    Zeng et al., 2021, "MAFER", arXiv:2105.02481 (low-resolution training for expressions in the wild).
    Hendrycks and Dietterich, 2019, "Benchmarking Neural Network Robustness to Common Corruptions", arXiv:1903.12261.
"""

import functools
from dataclasses import dataclass, fields

import numpy as np

from fer.config import DegradationConfig, PhaseConfig
from fer.training.augmentation import make_generator
from fer.vision.degradation import add_light, apply_gamma, blur, compress, occlude, reduce_resolution

#: Standard deviation of the blur in pixels of a 48-pixel face.
_BLUR_SIGMA = (0.4, 1.8)
#: Side in pixels that a face is reduced to before it is enlarged again: 16 is a face of a distant person.
_REDUCED_SIDE = (16, 36)
_JPEG_QUALITY = (15, 80)
#: Standard deviation of the noise in grey levels.
_NOISE_SIGMA = (2.0, 16.0)
#: Largest difference of grey levels across a face under uneven light.
_LIGHT_RANGE = 110.0
#: Rows of a 48-pixel face, as shares of its side, that glasses and masks cover, before a random shift.
_GLASSES, _MASK = (0.30, 0.44), (0.58, 1.0)
#: Images of noise that faces choose from: a table is the same on every device.
NOISE_BANK_SIZE = 1024


@dataclass(frozen=True)
class Degradation:
    """Random parameters, one row per face in every array; 0 where a degradation does not apply."""

    blur: np.ndarray  # standard deviation in pixels, float64 (N,)
    side: np.ndarray  # pixels, int64 (N,)
    quality: np.ndarray  # JPEG quality, int64 (N,)
    noise: np.ndarray  # standard deviation in grey levels, float64 (N,)
    gamma: np.ndarray  # exponent, float64 (N,); 1 where it does not apply
    light: np.ndarray  # grey levels across the face along x and y, float64 (N, 2)
    occlusion: np.ndarray  # x, y, width, height as shares of the side, float64 (N, 4)
    occlusion_grey: np.ndarray  # grey level, float64 (N,)
    is_ellipse: np.ndarray  # bool (N,): a hand is an ellipse, glasses and masks are bars
    noise_index: np.ndarray  # which image of the noise bank, int64 (N,)

    def select(self, rows: np.ndarray) -> "Degradation":
        """Return the parameters of some rows."""
        return Degradation(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_degradation(
    num_faces: int, config: DegradationConfig, phase: PhaseConfig, *, epoch: int, seed: int
) -> Degradation:
    """Draw the parameters of all faces for one epoch.

    Args:
        num_faces: rows of the training split.
        config: probabilities and ranges at strength 1.
        phase: gives the strength, which scales the probabilities.
        epoch: index of the epoch, from 0.
        seed: seed of the run.
    """
    rng = make_generator(seed, epoch, "degradation")
    strength = phase.augmentation_strength

    def applies(probability: float) -> np.ndarray:
        return rng.random(num_faces) < probability * strength

    angle = rng.uniform(0.0, 2.0 * np.pi, num_faces)
    slope = rng.uniform(0.0, _LIGHT_RANGE, num_faces) * applies(config.light)
    occlusion, is_ellipse = _draw_occlusions(rng, num_faces)
    return Degradation(
        blur=rng.uniform(*_BLUR_SIGMA, num_faces) * applies(config.blur),
        side=rng.integers(*_REDUCED_SIDE, num_faces, endpoint=True) * applies(config.low_resolution),
        quality=rng.integers(*_JPEG_QUALITY, num_faces, endpoint=True) * applies(config.jpeg),
        noise=rng.uniform(*_NOISE_SIGMA, num_faces) * applies(config.noise),
        gamma=2.0 ** (rng.uniform(-1.0, 1.0, num_faces) * config.gamma * strength),
        light=np.stack([np.cos(angle), np.sin(angle)], axis=-1) * slope[:, None],
        occlusion=occlusion * applies(config.occlusion)[:, None],
        occlusion_grey=rng.uniform(0.0, 255.0, num_faces),
        is_ellipse=is_ellipse,
        noise_index=rng.integers(0, NOISE_BANK_SIZE, num_faces),
    )


def degrade_faces(faces: np.ndarray, parameters: Degradation) -> np.ndarray:
    """Degrade faces in the order in which a camera does: light and occlusion, optics and sensor, then compression.

    Args:
        faces: float32 (N, 48, 48), 0..255.
        parameters: one row per face.

    Returns:
        float32 (N, 48, 48), 0..255.
    """
    degraded = apply_gamma(faces, parameters.gamma[:, None, None].astype(np.float32))
    degraded = add_light(degraded, parameters.light.astype(np.float32))
    np.clip(degraded, 0.0, 255.0, out=degraded)
    for index, face in enumerate(degraded):
        degraded[index] = _degrade_face(face, parameters, index)
    return degraded


@functools.cache
def make_noise_bank(side: int) -> np.ndarray:
    """Return images of Gaussian noise with standard deviation 1, float32 (NOISE_BANK_SIZE, side, side)."""
    rng = make_generator(0, 0, "noise")
    return rng.standard_normal((NOISE_BANK_SIZE, side, side), np.float32)


def _degrade_face(face: np.ndarray, parameters: Degradation, index: int) -> np.ndarray:
    if parameters.occlusion[index, 2]:
        box, grey = parameters.occlusion[index], parameters.occlusion_grey[index]
        face = occlude(face, box, grey, is_ellipse=bool(parameters.is_ellipse[index]))
    if parameters.blur[index]:
        face = blur(face, parameters.blur[index])
    if parameters.side[index]:
        face = reduce_resolution(face, int(parameters.side[index]))
    if parameters.noise[index]:
        noise = make_noise_bank(len(face))[parameters.noise_index[index]]
        face = face + np.float32(parameters.noise[index]) * noise
    if parameters.quality[index]:
        face = compress(face, int(parameters.quality[index]))
    return np.asarray(np.clip(face, 0.0, 255.0))


def _draw_occlusions(rng: np.random.Generator, num_faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw for each face glasses, a mask or a hand, as a box in shares of the side, and whether it is an ellipse."""
    kind = rng.integers(0, 3, num_faces)
    shift = rng.uniform(-0.06, 0.06, num_faces)
    bars = np.array([_GLASSES, _MASK])[np.minimum(kind, 1)]
    bar_boxes = np.stack(
        [np.full(num_faces, 0.08), bars[:, 0] + shift, np.full(num_faces, 0.84), bars[:, 1] - bars[:, 0]], axis=-1
    )
    size = rng.uniform(0.2, 0.5, (num_faces, 2))
    corner = rng.uniform(-0.15, 0.8, (num_faces, 2))
    hand_boxes = np.concatenate([corner, size], axis=-1)
    is_ellipse = kind == 2
    return np.where(is_ellipse[:, None], hand_boxes, bar_boxes), is_ellipse

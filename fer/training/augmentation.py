"""Augmentation of training faces on the host, as a pure function of (seed, epoch, row).

The random parameters of an epoch are drawn at once for all rows (:func:`draw_augmentation`), so that a face is
augmented in the same way in any batch, with any number of threads, and whether or not training was interrupted.

Faces are uint8 (N, 48, 48), grey 0..255; augmented faces are float32 of the same shape and range.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, fields

import cv2
import numpy as np

from fer.config import AugmentationConfig, PhaseConfig

#: Smallest and largest area of an erased rectangle as shares of the face, and the widest aspect ratio: Zhong et al.,
#: 2020, "Random Erasing Data Augmentation", arXiv:1708.04896, section 4, with half the upper area for faces so small.
_ERASED_AREA = (0.02, 0.2)
_ERASED_ASPECT = 1 / 0.3


@dataclass(frozen=True)
class Augmentation:
    """Random parameters, one row per face in every array."""

    angle: np.ndarray  # degrees, float64 (N,)
    shift: np.ndarray  # pixels along x and y, float64 (N, 2)
    scale: np.ndarray  # relative size, float64 (N,)
    flip: np.ndarray  # bool (N,)
    contrast: np.ndarray  # factor around the mean grey, float64 (N,)
    brightness: np.ndarray  # grey levels added, float64 (N,)
    erased: np.ndarray  # x, y, width, height in pixels, int64 (N, 4); no erasing where the width is 0
    erased_grey: np.ndarray  # grey level, float64 (N,)
    partner: np.ndarray  # the row mixed in, int64 (N,)
    share: np.ndarray  # the face's own share of the mixture, 0..1, float64 (N,)

    def select(self, rows: np.ndarray) -> "Augmentation":
        """Return the parameters of some rows."""
        return Augmentation(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def make_generator(seed: int, epoch: int, purpose: str) -> np.random.Generator:
    """Return a random generator that depends on nothing but its arguments."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, *purpose.encode()])))


def draw_augmentation(
    num_faces: int, side: int, config: AugmentationConfig, phase: PhaseConfig, *, epoch: int, seed: int
) -> Augmentation:
    """Draw the parameters of all faces for one epoch.

    Args:
        num_faces: rows of the training split.
        side: side of a face in pixels.
        config: ranges at strength 1.
        phase: gives the strength and whether faces are mixed.
        epoch: index of the epoch, from 0.
        seed: seed of the run.
    """
    # The text is part of the seed: another one would change the augmentation of every run.
    rng = make_generator(seed, epoch, "changes")
    strength = phase.augmentation_strength

    def uniform(largest: float, *shape: int) -> np.ndarray:
        return rng.uniform(-1.0, 1.0, (num_faces, *shape)) * largest * strength

    return Augmentation(
        angle=uniform(config.rotation),
        shift=uniform(config.shift * side, 2),
        scale=1.0 + uniform(config.zoom),
        flip=rng.random(num_faces) < 0.5 * config.flip,
        contrast=1.0 + uniform(config.contrast),
        brightness=uniform(config.brightness * 255.0),
        erased=_draw_rectangles(rng, num_faces, side, config.erasing * strength),
        erased_grey=rng.uniform(0.0, 255.0, num_faces),
        partner=rng.permutation(num_faces),
        share=_draw_shares(rng, num_faces, config.mixup if phase.mixup else 0.0),
    )


def augment_faces(faces: np.ndarray, parameters: Augmentation) -> np.ndarray:
    """Augment each face, except for mixup, which needs the partner's pixels too (:func:`mix_faces`).

    Args:
        faces: uint8 (N, 48, 48).
        parameters: one row per face.

    Returns:
        float32 (N, 48, 48), 0..255.
    """
    augmented = np.empty(faces.shape, np.float32)
    matrices = compute_matrices(parameters, faces.shape[-1])
    for face, matrix, out in zip(faces, matrices, augmented, strict=True):
        _warp(face, matrix, out)
    means = augmented.mean(axis=(1, 2), keepdims=True)
    augmented -= means
    augmented *= parameters.contrast[:, None, None].astype(np.float32)
    augmented += means + parameters.brightness[:, None, None].astype(np.float32)
    np.clip(augmented, 0.0, 255.0, out=augmented)
    for row in np.flatnonzero(parameters.erased[:, 2]):
        x, y, width, height = parameters.erased[row]
        augmented[row, y : y + height, x : x + width] = parameters.erased_grey[row]
    return augmented


@contextlib.contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Limit OpenCV to one thread: a face is too small to gain from more, and threads would wait for each other."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def mix_faces(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return ``share`` times the first rows plus the rest of the second, float32, for faces or targets alike.

    Reference:
        Zhang et al., 2018, "mixup: Beyond Empirical Risk Minimization", arXiv:1710.09412, equation 1.
    """
    weights = share.reshape(-1, *[1] * (first.ndim - 1)).astype(np.float32)
    return np.asarray(weights * first + (1.0 - weights) * second)


def compute_matrices(parameters: Augmentation, side: int) -> np.ndarray:
    """Return the affine maps, float64 (N, 2, 3), from a face's pixels to the augmented face's, about its centre."""
    centre = (side - 1) / 2.0
    radians = np.deg2rad(parameters.angle)
    cosine, sine = np.cos(radians) * parameters.scale, np.sin(radians) * parameters.scale
    mirror = np.where(parameters.flip, -1.0, 1.0)
    linear = np.stack([np.stack([cosine * mirror, sine], -1), np.stack([-sine * mirror, cosine], -1)], 1)
    offset = centre + parameters.shift - linear @ np.array([centre, centre])
    return np.concatenate([linear, offset[..., None]], axis=-1)


def _warp(face: np.ndarray, matrix: np.ndarray, out: np.ndarray) -> None:
    size = (face.shape[1], face.shape[0])
    out[:] = cv2.warpAffine(face, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _draw_rectangles(rng: np.random.Generator, num_faces: int, side: int, probability: float) -> np.ndarray:
    area = rng.uniform(*_ERASED_AREA, num_faces) * side**2
    aspect = np.exp(rng.uniform(-1.0, 1.0, num_faces) * np.log(_ERASED_ASPECT))
    width = np.clip(np.sqrt(area * aspect), 1, side).astype(np.int64)
    height = np.clip(np.sqrt(area / aspect), 1, side).astype(np.int64)
    x, y = ((rng.random(num_faces) * (side - length + 1)).astype(np.int64) for length in (width, height))
    kept = rng.random(num_faces) < probability
    return np.stack([x, y, width * kept, height], axis=-1)


def _draw_shares(rng: np.random.Generator, num_faces: int, alpha: float) -> np.ndarray:
    return rng.beta(alpha, alpha, num_faces) if alpha > 0 else np.ones(num_faces)

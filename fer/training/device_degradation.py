"""Degradation of training faces in a compiled JAX program, equal to :mod:`fer.training.degradation` but for rounding.

All functions are pure and may be compiled. Faces are float32 (B, 48, 48), grey 0..255.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from fer.training.degradation import NOISE_BANK_SIZE, Degradation, make_noise_bank
from fer.training.device_faces import make_pixel_grid, reflect

#: Largest radius of a blur's kernel: OpenCV takes four standard deviations for float images.
_BLUR_RADIUS = 7
_BLOCK = 8

#: The luminance table of JPEG (ITU-T T.81, table K.1).
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


class DegradationArrays(NamedTuple):
    """Parameters of a degradation as arrays of a compiled program, one row per face."""

    blur: jax.Array
    side: jax.Array
    quality: jax.Array
    noise: jax.Array
    gamma: jax.Array
    light: jax.Array
    occlusion: jax.Array
    occlusion_grey: jax.Array
    is_ellipse: jax.Array
    noise_index: jax.Array


def convert_degradation(parameters: Degradation) -> DegradationArrays:
    """Return the parameters of drawn degradations as the arrays of :func:`degrade_faces`."""
    kinds = {"side": jnp.int32, "quality": jnp.int32, "noise_index": jnp.int32, "is_ellipse": jnp.bool_}
    return DegradationArrays(
        **{name: jnp.asarray(getattr(parameters, name), kinds.get(name, jnp.float32)) for name in _DEGRADATION_NAMES}
    )


_DEGRADATION_NAMES = DegradationArrays._fields


def degrade_faces(faces: jax.Array, parameters: DegradationArrays) -> jax.Array:
    """Degrade faces as :func:`fer.training.degradation.degrade_faces` does.

    Args:
        faces: float32 (B, 48, 48), 0..255.
        parameters: one row per face.

    Returns:
        float32 (B, 48, 48), 0..255.
    """
    side = faces.shape[-1]
    degraded = 255.0 * (faces / 255.0) ** parameters.gamma[:, None, None]
    ramp = jnp.linspace(-0.5, 0.5, side, dtype=jnp.float32)
    light = parameters.light
    degraded += light[:, 0, None, None] * ramp[None, None, :] + light[:, 1, None, None] * ramp[None, :, None]
    degraded = _occlude(jnp.clip(degraded, 0.0, 255.0), parameters)
    degraded = _blur(degraded, parameters.blur)
    degraded = _reduce_resolution(degraded, parameters.side)
    bank = jnp.asarray(make_noise_bank(side))
    degraded += parameters.noise[:, None, None] * bank[parameters.noise_index % NOISE_BANK_SIZE]
    return jnp.clip(_compress(degraded, parameters.quality), 0.0, 255.0)


def _occlude(faces: jax.Array, parameters: DegradationArrays) -> jax.Array:
    side = faces.shape[-1]
    rows, columns = make_pixel_grid(side)
    x, y, width, height = (parameters.occlusion[:, index, None, None] * side for index in range(4))
    is_bar = (
        (columns >= jnp.rint(x))
        & (columns <= jnp.rint(x + width))
        & (rows >= jnp.rint(y))
        & (rows <= jnp.rint(y + height))
    )
    half_width, half_height = (jnp.maximum(jnp.rint(length / 2), 1.0) for length in (width, height))
    distance = ((columns - jnp.rint(x + width / 2)) / half_width) ** 2
    distance += ((rows - jnp.rint(y + height / 2)) / half_height) ** 2
    covered = jnp.where(parameters.is_ellipse[:, None, None], distance <= 1.0, is_bar)
    return jnp.where(covered & (width > 0), parameters.occlusion_grey[:, None, None], faces)


def _blur(faces: jax.Array, sigma: jax.Array) -> jax.Array:
    """Apply Gaussian blurs, each with its own standard deviation; 0 leaves the face as it is."""
    side = faces.shape[-1]
    offsets = jnp.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1)
    # OpenCV's kernel for float images has an odd size of eight standard deviations.
    size = jnp.rint(sigma * 8.0 + 1.0).astype(jnp.int32) | 1
    weights = jnp.exp(-(offsets[None, :] ** 2) / (2.0 * jnp.maximum(sigma, 1e-3)[:, None] ** 2))
    weights = jnp.where(jnp.abs(offsets)[None, :] <= size[:, None] // 2, weights, 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    # The blur along one axis is a product with a band matrix (B, side, side), mirrored at the borders.
    sources = reflect(jnp.arange(side)[:, None] + offsets[None, :], side)
    taps = jax.nn.one_hot(sources, side, dtype=jnp.float32)
    band = jnp.einsum("bk,okp->bop", weights, taps)
    return jnp.einsum("bop,bpq,brq->bor", band, faces, band, precision=lax.Precision.HIGHEST)


def _reduce_resolution(faces: jax.Array, sides: jax.Array) -> jax.Array:
    """Reduce faces to fewer pixels by area and enlarge them bilinearly; side 0 leaves the face as it is."""
    table = jnp.asarray(_build_resolution_table(faces.shape[-1]))
    matrices = table[sides]
    return jnp.einsum("bop,bpq,brq->bor", matrices, faces, matrices, precision=lax.Precision.HIGHEST)


def _build_resolution_table(side: int) -> np.ndarray:
    """Return for each reduced side, 0 to ``side``, the matrix (side, side) of a reduction and an enlargement."""
    table = np.tile(np.eye(side, dtype=np.float32), (side + 1, 1, 1))
    for reduced in range(1, side):
        table[reduced] = _enlargement(reduced, side) @ _reduction(side, reduced)
    return table


def _reduction(side: int, reduced: int) -> np.ndarray:
    """Return the shares (reduced, side) of each pixel in the pixels of a reduced line."""
    edges = np.linspace(0.0, side, reduced + 1)
    lower, upper = np.arange(side), np.arange(1, side + 1)
    overlap = np.minimum(upper[None, :], edges[1:, None]) - np.maximum(lower[None, :], edges[:-1, None])
    return np.asarray(np.clip(overlap, 0.0, None) * reduced / side)


def _enlargement(reduced: int, side: int) -> np.ndarray:
    """Return the weights (side, reduced) of a bilinear enlargement of a line, pixel centres aligned."""
    position = np.clip((np.arange(side) + 0.5) * reduced / side - 0.5, 0.0, reduced - 1.0)
    left = np.minimum(position.astype(int), reduced - 2) if reduced > 1 else np.zeros(side, int)
    weights = np.zeros((side, reduced))
    share = position - left
    weights[np.arange(side), left] += 1.0 - share
    if reduced > 1:
        weights[np.arange(side), left + 1] += share
    return weights


def _compress(faces: jax.Array, quality: jax.Array) -> jax.Array:
    """Round the cosine transform of each block as JPEG does; quality 0 leaves the face as it is.

    Reference:
        ITU-T T.81, annexes A and K; the scale of the table by quality is that of the Independent JPEG Group.
    """
    side = faces.shape[-1]
    cosine = jnp.asarray(_build_cosine_matrix())
    blocks = jnp.rint(jnp.clip(faces, 0.0, 255.0)).reshape(-1, side // _BLOCK, _BLOCK, side // _BLOCK, _BLOCK) - 128.0
    precision = lax.Precision.HIGHEST
    coefficients = jnp.einsum("ui,bhiwj,vj->bhuwv", cosine, blocks, cosine, precision=precision)
    known = jnp.maximum(quality, 1)
    scale = jnp.where(known < 50, 5000 // known, 200 - 2 * known)
    steps = jnp.clip((jnp.asarray(_LUMINANCE)[None] * scale[:, None, None] + 50) // 100, 1, 255).astype(jnp.float32)
    steps = steps[:, None, :, None, :]
    rounded = jnp.rint(coefficients / steps) * steps
    pixels = jnp.einsum("ui,bhuwv,vj->bhiwj", cosine, rounded, cosine, precision=precision) + 128.0
    compressed = jnp.clip(jnp.rint(pixels), 0.0, 255.0).reshape(faces.shape)
    return jnp.where(quality[:, None, None] > 0, compressed, faces)


def _build_cosine_matrix() -> np.ndarray:
    frequency, position = np.mgrid[:_BLOCK, :_BLOCK]
    matrix = np.cos((2 * position + 1) * frequency * np.pi / (2 * _BLOCK)) * np.sqrt(2.0 / _BLOCK)
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(matrix, np.float32)

"""Augmentation of training faces in a compiled JAX program, for data that stays on a GPU.

The random parameters are those of :mod:`fer.training.augmentation`, drawn on the host, and the pixels are equal to
those of OpenCV to about one grey level.

All functions are pure and may be compiled. Faces are float32 (B, 48, 48), grey 0..255.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fer.training.augmentation import Augmentation, compute_matrices

#: OpenCV's fixed-point arithmetic of affine maps: bits of a coordinate, and of its fraction between two pixels.
_COORDINATE_BITS, _FRACTION_BITS = 10, 5


class AugmentationArrays(NamedTuple):
    """Parameters of an augmentation as arrays of a compiled program, one row per face."""

    inverse: jax.Array  # affine map from the augmented face's pixels to the face's, float32 (N, 2, 3)
    contrast: jax.Array  # float32 (N,)
    brightness: jax.Array  # float32 (N,)
    erased: jax.Array  # int32 (N, 4)
    erased_grey: jax.Array  # float32 (N,)


class Mixture(NamedTuple):
    """The other face that each face is mixed with, one row per face."""

    partner: jax.Array  # int32 (N,)
    share: jax.Array  # the face's own share, float32 (N,)


def convert_augmentation(parameters: Augmentation, side: int) -> AugmentationArrays:
    """Return the parameters of drawn augmentations as the arrays of :func:`augment_faces`."""
    matrices = compute_matrices(parameters, side)
    linear = np.linalg.inv(matrices[:, :, :2])
    inverse = np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=-1)
    return AugmentationArrays(
        *(
            jnp.asarray(array, dtype)
            for array, dtype in (
                (inverse, jnp.float32),
                (parameters.contrast, jnp.float32),
                (parameters.brightness, jnp.float32),
                (parameters.erased, jnp.int32),
                (parameters.erased_grey, jnp.float32),
            )
        )
    )


def convert_mixture(parameters: Augmentation) -> Mixture | None:
    """Return partners and shares of drawn augmentations, or None if no face is mixed."""
    if (parameters.share == 1.0).all():
        return None
    return Mixture(jnp.asarray(parameters.partner, jnp.int32), jnp.asarray(parameters.share, jnp.float32))


def select(parameters: Any, rows: jax.Array) -> Any:
    """Return some rows of every array."""
    return jax.tree.map(lambda array: array[rows], parameters)


def augment_faces(faces: jax.Array, parameters: AugmentationArrays) -> jax.Array:
    """Augment each face, as :func:`fer.training.augmentation.augment_faces` does, except for mixup.

    Args:
        faces: uint8 (B, 48, 48).
        parameters: one row per face.

    Returns:
        float32 (B, 48, 48), 0..255.
    """
    augmented = _warp(faces, parameters.inverse)
    means = augmented.mean(axis=(1, 2), keepdims=True)
    augmented = (augmented - means) * parameters.contrast[:, None, None]
    augmented = jnp.clip(augmented + means + parameters.brightness[:, None, None], 0.0, 255.0)
    rows, columns = make_pixel_grid(faces.shape[-1])
    x, y, width, height = (parameters.erased[:, index, None, None] for index in range(4))
    erased = (columns >= x) & (columns < x + width) & (rows >= y) & (rows < y + height)
    return jnp.where(erased, parameters.erased_grey[:, None, None], augmented)


def augment_rows(
    faces: jax.Array, parameters: AugmentationArrays, mixture: Mixture | None, rows: jax.Array
) -> jax.Array:
    """Augment some of all training faces and mix each with its partner.

    Args:
        faces: all training faces, uint8 (N, 48, 48).
        parameters: one row per training face.
        mixture: partner and own share of each training face; None if none is mixed.
        rows: int32 (B,).

    Returns:
        float32 (B, 48, 48), 0..255.
    """
    augmented = augment_faces(faces[rows], select(parameters, rows))
    if mixture is None:
        return augmented
    partners = mixture.partner[rows]
    return mix_faces(augmented, augment_faces(faces[partners], select(parameters, partners)), mixture.share[rows])


def mix_faces(first: jax.Array, second: jax.Array, share: jax.Array) -> jax.Array:
    """Return ``share`` times the first rows plus the rest of the second, for faces or targets alike."""
    weights = share.reshape(-1, *[1] * (first.ndim - 1))
    return weights * first + (1.0 - weights) * second


def _warp(faces: jax.Array, inverse: jax.Array) -> jax.Array:
    """Apply affine maps with bilinear interpolation and mirrored borders, in OpenCV's fixed-point arithmetic."""
    side = faces.shape[-1]
    pixels = jnp.arange(side, dtype=jnp.float32)
    unit = float(1 << _COORDINATE_BITS)
    rounding = 1 << (_COORDINATE_BITS - _FRACTION_BITS - 1)

    def coordinates(axis: int) -> jax.Array:
        along_x = jnp.rint(inverse[:, axis, 0, None] * pixels * unit).astype(jnp.int32)
        along_y = jnp.rint((inverse[:, axis, 1, None] * pixels + inverse[:, axis, 2, None]) * unit).astype(jnp.int32)
        return (along_y[:, :, None] + rounding + along_x[:, None, :]) >> (_COORDINATE_BITS - _FRACTION_BITS)

    x, y = coordinates(0), coordinates(1)
    scale = float(1 << _FRACTION_BITS)
    x_share, y_share = ((value & ((1 << _FRACTION_BITS) - 1)).astype(jnp.float32) / scale for value in (x, y))
    left, top = x >> _FRACTION_BITS, y >> _FRACTION_BITS
    flat = faces.reshape(len(faces), -1)

    def take(rows: jax.Array, columns: jax.Array) -> jax.Array:
        index = reflect(rows, side) * side + reflect(columns, side)
        return jnp.take_along_axis(flat, index.reshape(len(faces), -1), axis=1).reshape(faces.shape).astype(jnp.float32)

    upper = take(top, left) * (1.0 - x_share) + take(top, left + 1) * x_share
    lower = take(top + 1, left) * (1.0 - x_share) + take(top + 1, left + 1) * x_share
    return jnp.rint(upper * (1.0 - y_share) + lower * y_share)


def reflect(index: jax.Array, side: int) -> jax.Array:
    """Mirror indices at the borders without repeating the outermost pixel, as often as needed."""
    index = jnp.abs(index) % (2 * side - 2)
    return jnp.minimum(index, 2 * side - 2 - index)


def make_pixel_grid(side: int) -> tuple[jax.Array, jax.Array]:
    """Return the rows (1, side, 1) and the columns (1, 1, side) of all pixels."""
    pixels = jnp.arange(side)
    return pixels[None, :, None], pixels[None, None, :]

"""Depthwise convolution on JAX as shifted multiply-adds, with a gradient that is fast on a CPU.

XLA's CPU compiler runs a grouped convolution as a naive loop (jax-ml/jax#23713). The same result is the sum of k²
shifted copies of the input, each times one weight per channel, which the compiler fuses into one pass.

Arrays are channels-last: input (N, H, W, C), kernel (kh, kw, C), both of one floating dtype.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from fer.model.padding import Padding


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve_depthwise(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding) -> jax.Array:
    """Convolve each channel with its own kernel.

    Args:
        x: (N, H, W, C).
        kernel: (kh, kw, C).
        strides: steps along height and width.
        padding: zeros before and after, along height and width.

    Returns:
        (N, H', W', C).
    """
    views = _shifted_views(_pad(x, padding), kernel.shape[:2], strides)
    return functools.reduce(jnp.add, (view * tap for view, tap in zip(views, _taps(kernel), strict=True)))


def _forward(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], padding: Padding) -> Any:
    return convolve_depthwise(x, kernel, strides, padding), (x, kernel)


def _backward(strides: tuple[int, int], padding: Padding, residuals: Any, gradient: jax.Array) -> Any:
    x, kernel = residuals
    return (
        _compute_input_gradient(x, kernel, gradient, strides, padding),
        _compute_kernel_gradient(x, kernel, gradient, strides, padding),
    )


convolve_depthwise.defvjp(_forward, _backward)


def _compute_input_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    """Correlate the gradient, dilated by the strides, with the flipped kernel."""
    dilation = tuple(
        (taps - 1 - before, length + before - stride * (steps - 1) - 1, stride - 1)
        for length, steps, taps, stride, (before, _) in zip(
            x.shape[1:3], gradient.shape[1:3], kernel.shape[:2], strides, padding, strict=True
        )
    )
    dilated_gradient = lax.pad(gradient, jnp.zeros((), gradient.dtype), ((0, 0, 0), *dilation, (0, 0, 0)))
    return convolve_depthwise(dilated_gradient, kernel[::-1, ::-1], (1, 1), ((0, 0), (0, 0)))


def _compute_kernel_gradient(
    x: jax.Array, kernel: jax.Array, gradient: jax.Array, strides: tuple[int, int], padding: Padding
) -> jax.Array:
    """Sum the products of all taps over height and width in one reduction, then over the batch.

    One variadic reduction reads its inputs once; a separate sum per tap reads them k² times, six times slower.
    """
    views = _shifted_views(_pad(x, padding), kernel.shape[:2], strides)
    products = tuple((view * gradient).astype(jnp.float32) for view in views)
    zeros = (jnp.zeros((), jnp.float32),) * len(products)
    sums = lax.reduce(products, zeros, lambda a, b: tuple(p + q for p, q in zip(a, b, strict=True)), (1, 2))
    return jnp.stack([tap_sums.sum(axis=0) for tap_sums in sums]).reshape(kernel.shape).astype(kernel.dtype)


@jax.custom_vjp
def multiply_channels(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Multiply the channels at each position by a matrix: (N, H, W, C) times (C, D) gives (N, H, W, D).

    The arrays are flattened to two dimensions: in four, the contraction of the gradient starts with a transpose.
    """
    return (_flatten(x) @ kernel).reshape(*x.shape[:-1], kernel.shape[-1])


def _multiply_forward(x: jax.Array, kernel: jax.Array) -> Any:
    return multiply_channels(x, kernel), (x, kernel)


def _multiply_backward(residuals: Any, gradient: jax.Array) -> Any:
    x, kernel = residuals
    halves = 2 if math.prod(x.shape[:-1]) % 2 == 0 else 1
    rows, gradient_rows = (_flatten(array).reshape(halves, -1, array.shape[-1]) for array in (x, gradient))
    return multiply_channels(gradient, kernel.T), jnp.einsum("hpc,hpd->hcd", rows, gradient_rows).sum(axis=0)


multiply_channels.defvjp(_multiply_forward, _multiply_backward)


def _flatten(x: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1])


def _pad(x: jax.Array, padding: Padding) -> jax.Array:
    return jnp.pad(x, ((0, 0), *padding, (0, 0)))


def _taps(kernel: jax.Array) -> Iterator[jax.Array]:
    return (kernel[row, column] for row, column in itertools.product(*map(range, kernel.shape[:2])))


def _shifted_views(x: jax.Array, kernel_size: tuple[int, ...], strides: tuple[int, int]) -> list[jax.Array]:
    (height, width), (kernel_height, kernel_width) = x.shape[1:3], kernel_size
    return [
        x[
            :,
            row : height - kernel_height + row + 1 : strides[0],
            column : width - kernel_width + column + 1 : strides[1],
        ]
        for row, column in itertools.product(range(kernel_height), range(kernel_width))
    ]

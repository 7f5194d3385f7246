"""Convolution and batch normalisation on torch as single fused kernels on channels-last memory.

Keras' layers arrive at the same values, with more passes over memory: they copy between layouts and build a batch
normalisation of a dozen elementwise operations.

Tensors are channels-last: input (N, H, W, C); seen through a permutation they are what torch calls ``channels_last``,
so nothing is copied.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from fer.model.padding import compute_padding


def convolve(
    x: torch.Tensor, kernel: torch.Tensor, strides: Sequence[int], padding: str, *, groups: int = 1
) -> torch.Tensor:
    """Convolve as Keras does.

    Args:
        x: (N, H, W, C).
        kernel: (kh, kw, C, filters), or (kh, kw, C, 1) for a depthwise convolution.
        strides: step along height and width.
        padding: 'same' or 'valid'.
        groups: 1, or C for a depthwise convolution.

    Returns:
        (N, H', W', filters).
    """
    size, taps = (x.shape[1], x.shape[2]), (kernel.shape[0], kernel.shape[1])
    (top, bottom), (left, right) = compute_padding(size, taps, (strides[0], strides[1]), padding)
    x = x.permute(0, 3, 1, 2)
    symmetric = top == bottom and left == right
    if not symmetric:
        x = functional.pad(x, (left, right, top, bottom))
    weight = kernel.permute(2, 3, 0, 1) if groups > 1 else kernel.permute(3, 2, 0, 1)
    zeros = (top, left) if symmetric else (0, 0)
    return functional.conv2d(x, weight, None, tuple(strides), zeros, groups=groups).permute(0, 2, 3, 1)


def normalize_batch(
    x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalise over the batch, then scale and shift.

    Args:
        x: (N, H, W, C).
        gamma: scale, float32 (C,).
        beta: shift, float32 (C,).
        epsilon: added to the variance.

    Returns:
        The normalised (N, H, W, C), and the batch's mean and biased variance, both float32 (C,) without gradient.
    """
    outputs, mean, inverse_deviation = torch.native_batch_norm(
        x.permute(0, 3, 1, 2), gamma, beta, None, None, True, 0.0, epsilon
    )
    variance = inverse_deviation.detach() ** -2 - epsilon
    return outputs.permute(0, 2, 3, 1), mean.detach(), variance

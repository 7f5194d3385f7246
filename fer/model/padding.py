"""Zeros that Keras' paddings 'same' and 'valid' add around an image."""

Padding = tuple[tuple[int, int], tuple[int, int]]


def compute_padding(size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], padding: str) -> Padding:
    """Return the zero rows and columns before and after, as Keras defines 'same' and 'valid'."""
    if padding == "valid":
        return (0, 0), (0, 0)
    totals = (
        max((-(-length // stride) - 1) * stride + taps - length, 0)
        for length, taps, stride in zip(size, kernel, strides, strict=True)
    )
    height, width = ((total // 2, total - total // 2) for total in totals)
    return height, width

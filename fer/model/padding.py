"""Zero padding as Keras defines it."""

Padding = tuple[tuple[int, int], tuple[int, int]]


def compute_padding(size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], padding: str) -> Padding:
    """Return the numbers of zeros before and after, along height and width, for ``padding`` 'same' or 'valid'."""
    if padding == "valid":
        return (0, 0), (0, 0)
    totals = (
        max((-(-length // stride) - 1) * stride + taps - length, 0)
        for length, taps, stride in zip(size, kernel, strides, strict=True)
    )
    height, width = ((total // 2, total - total // 2) for total in totals)
    return height, width

"""Faces in batches of fixed sizes, for functions that are compiled once for each size."""

from collections.abc import Callable

import numpy as np

#: Batches are padded to one of these sizes, so that nothing is compiled in the middle of a stream.
BATCH_SIZES = (1, 8, 64, 256)

Forward = Callable[[np.ndarray], np.ndarray]


def run_in_batches(forward: Forward, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
    """Run a compiled function on any number of faces, in batches of fixed sizes.

    Args:
        forward: a function from float32 (n, 48, 48, 1) to an array with n rows.
        faces: uint8 or float32 (N, 48, 48), 0..255, N at least 1.
        batch_sizes: the allowed sizes, ascending.

    Returns:
        The outputs, N rows.
    """
    outputs, start = [], 0
    while start < len(faces):
        size = _choose_size(len(faces) - start, batch_sizes)
        chunk = faces[start : start + size].astype(np.float32)[..., None]
        missing = size - len(chunk)
        padded = np.pad(chunk, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else chunk
        outputs.append(forward(padded)[: len(chunk)])
        start += size
    return np.concatenate(outputs)


def _choose_size(num_faces: int, batch_sizes: tuple[int, ...]) -> int:
    """Return the largest size that the remaining faces fill at least by half: 65 faces become 64 and 1, not 256."""
    return max((size for size in batch_sizes if size <= 2 * num_faces), default=batch_sizes[0])

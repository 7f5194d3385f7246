"""The split guard: equal and near-equal faces that stand in more than one split.

FER2013 repeats images within and across its splits, so a network is tested on faces that it learned by heart. The guard
counts them and marks the rows without such a twin, from which the clean-test figures come.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from fer import labels

#: Normalised correlation above which two faces count as near-equal.
NEAR = 0.97

# Rows of one matrix product, which bounds its memory: 512 x 28709 x 4 bytes are 59 MB.
_CHUNK = 512
_BLOCK = 4


@dataclass(frozen=True, eq=False)
class LeakReport:
    """What the split guard found.

    Args:
        clean: bool (N,), as in :class:`~fer.data.dataset.Dataset`.
        equal_groups: groups of two or more exactly equal faces.
        equal_faces: faces in such groups.
        crossing_groups: groups with members in more than one split.
        exact: for each pair (split, other), the faces of split with an exactly equal face in other.
        near: the same with a face whose normalised correlation is above 0.97.
    """

    clean: np.ndarray
    equal_groups: int
    equal_faces: int
    crossing_groups: int
    exact: dict[tuple[str, str], int] = field(default_factory=dict)
    near: dict[tuple[str, str], int] = field(default_factory=dict)


def find_leaks(faces: np.ndarray, split: np.ndarray) -> LeakReport:
    """Find faces that stand, equal or near-equal, in more than one split.

    Args:
        faces: uint8 (N, H, W), with H and W multiples of 4.
        split: uint8 (N,), indices into ``labels.SPLITS``.

    Returns:
        The counts, and which rows are clean.
    """
    groups = group_equal_faces(faces)
    exact, near = {}, {}
    clean = np.ones(len(faces), bool)
    for first, second in ((1, 0), (2, 0), (2, 1)):
        equal, twins = _find_twins(faces, split, groups, (first, second))
        pair = (labels.SPLITS[first], labels.SPLITS[second])
        exact[pair], near[pair] = int((equal & (split == first)).sum()), int((twins & (split == first)).sum())
        if second == 0:
            # Both tests count: equal faces of a single grey have no correlation.
            clean &= ~(equal | twins)
    return LeakReport(clean, *_count_groups(groups, split), exact, near)


def group_equal_faces(faces: np.ndarray) -> np.ndarray:
    """Return a number for each face, int64 (N,), the same for exactly equal faces and for no others."""
    numbers: dict[bytes, int] = {}
    digests = (hashlib.sha256(np.ascontiguousarray(face).data).digest() for face in faces)
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], np.int64)


def find_near_equal_faces(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the faces of each stack that have a near-equal one in the other: normalised correlation above 0.97.

    Normalised correlation is the cosine of the two images, each less its mean; an image of one grey has none. Faces are
    compared first by the means of 4x4 blocks: averaging over blocks is an orthogonal projection, which bounds what the
    rest of two unit vectors can add, so no pair is lost (Keogh et al., 2001, "Dimensionality Reduction for Fast
    Similarity Search in Large Time Series Databases"). What passes is compared in full.

    Args:
        first: uint8 (N, H, W), H and W multiples of 4.
        second: uint8 (M, H, W).

    Returns:
        bool (N,) and bool (M,).
    """
    coarse = _project(second)
    in_first, in_second = np.zeros(len(first), bool), np.zeros(len(second), bool)
    for start in range(0, len(first), _CHUNK):
        candidates = _compute_bound(_project(first[start : start + _CHUNK]), coarse) > NEAR - 1e-4
        rows, columns = np.flatnonzero(candidates.any(axis=1)), np.flatnonzero(candidates.any(axis=0))
        near = _correlate(first[start + rows], second[columns]) > NEAR
        in_first[start + rows] |= near.any(axis=1)
        in_second[columns] |= near.any(axis=0)
    return in_first, in_second


def _find_twins(
    faces: np.ndarray, split: np.ndarray, groups: np.ndarray, pair: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return which faces of two splits have an equal, and which a near-equal one in the other; bool (N,) each."""
    equal, near = np.zeros(len(faces), bool), np.zeros(len(faces), bool)
    first, second = (np.flatnonzero(split == code) for code in pair)
    equal[first], equal[second] = np.isin(groups[first], groups[second]), np.isin(groups[second], groups[first])
    near[first], near[second] = find_near_equal_faces(faces[first], faces[second])
    return equal, near


def _count_groups(groups: np.ndarray, split: np.ndarray) -> tuple[int, int, int]:
    sizes = np.bincount(groups, minlength=1)
    members = [np.bincount(groups[split == code], minlength=len(sizes)) > 0 for code in range(len(labels.SPLITS))]
    crossing = np.sum(members, axis=0) > 1
    return int((sizes > 1).sum()), int(sizes[sizes > 1].sum()), int(crossing.sum())


def _normalise(faces: np.ndarray) -> np.ndarray:
    """Return the faces less their means, at unit length, float32 (N, H, W); zeros where a face has one grey."""
    centred = faces.astype(np.float32)
    centred -= centred.mean(axis=(1, 2), keepdims=True)
    lengths = np.sqrt(np.einsum("nhw,nhw->n", centred, centred))
    # A constant face leaves rounding errors only, which must not be blown up to unit length.
    centred[lengths < 1.0] = 0.0
    centred /= np.maximum(lengths, 1.0)[:, None, None]
    return centred


def _project(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return block means scaled to an orthogonal projection, float32 (N, D), and the squared lengths, (N,)."""
    height, width = faces.shape[1] // _BLOCK, faces.shape[2] // _BLOCK
    coarse = np.empty((len(faces), height * width), np.float32)
    for start in range(0, len(faces), _CHUNK):
        fine = _normalise(faces[start : start + _CHUNK])
        blocks = fine.reshape(-1, height, _BLOCK, width, _BLOCK).sum(axis=(2, 4)) / _BLOCK
        coarse[start : start + _CHUNK] = blocks.reshape(-1, height * width)
    lengths = np.einsum("nd,nd->n", coarse, coarse)
    # A face of one grey is the zero vector: nothing of it is left outside the projection.
    return coarse, np.where(lengths == 0.0, 1.0, lengths)


def _compute_bound(first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return an upper bound of the correlation, (N, M): the parts outside the projection are taken as parallel."""
    rest = np.sqrt(np.maximum(1.0 - first[1], 0.0))[:, None] * np.sqrt(np.maximum(1.0 - second[1], 0.0))[None, :]
    bound = first[0] @ second[0].T
    bound += rest
    return bound


def _correlate(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the normalised correlations of two stacks, float32 (N, M)."""
    return np.tensordot(_normalise(first), _normalise(second), axes=((1, 2), (1, 2)))

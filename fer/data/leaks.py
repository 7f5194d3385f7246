"""The duplicate guard: exact duplicates and near-duplicates across splits.

FER2013 repeats images within and across its splits, so a network is tested on faces that it has memorised. The guard
counts these leaks and marks the faces without one; the clean-test figures are computed on the marked faces.
"""

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np

from fer.data.dataset import SPLITS

#: Normalised correlation above which two faces are near-duplicates.
NEAR = 0.97

#: The pairs of splits that are compared.
PAIRS: tuple[tuple[str, str], ...] = (("validation", "train"), ("test", "train"), ("test", "validation"))

#: Faces of the larger split per matrix product, which bounds its memory.
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class LeakReport:
    """Result of the duplicate guard.

    Args:
        clean: bool (N,), as in :class:`~fer.data.dataset.Dataset`.
        duplicate_groups: groups of two or more exact duplicates.
        duplicate_faces: faces in such groups.
        crossing_groups: groups with members in more than one split.
        exact: for each pair (split, other), the number of faces in split with an exact duplicate in other.
        near: the same for faces with a normalised correlation above 0.97.
    """

    clean: np.ndarray
    duplicate_groups: int
    duplicate_faces: int
    crossing_groups: int
    exact: dict[tuple[str, str], int] = field(default_factory=dict)
    near: dict[tuple[str, str], int] = field(default_factory=dict)


def find_leaks(faces: np.ndarray, split: np.ndarray) -> LeakReport:
    """Find exact duplicates and near-duplicates across splits.

    Args:
        faces: uint8 (N, H, W).
        split: uint8 (N,), indices into ``SPLITS``.

    Returns:
        The counts and the mask of clean faces.
    """
    groups = group_duplicates(faces)
    clean, exact, near = np.ones(len(faces), bool), {}, {}
    for pair in PAIRS:
        first, second = (np.flatnonzero(split == SPLITS.index(name)) for name in pair)
        exact_first, exact_second = np.isin(groups[first], groups[second]), np.isin(groups[second], groups[first])
        near_first, near_second = find_near_duplicates(faces[first], faces[second])
        exact[pair], near[pair] = int(exact_first.sum()), int(near_first.sum())
        if "train" in pair:
            # Both count: exact duplicates of a single grey value have no correlation.
            clean[first] &= ~(exact_first | near_first)
            clean[second] &= ~(exact_second | near_second)
    return LeakReport(clean, *_count_groups(groups, split), exact, near)


def group_duplicates(faces: np.ndarray) -> np.ndarray:
    """Return a group number per face, int64 (N,), that exact duplicates and no other faces share."""
    numbers: dict[bytes, int] = {}
    digests = (hashlib.sha256(np.ascontiguousarray(face).data).digest() for face in faces)
    return np.array([numbers.setdefault(digest, len(numbers)) for digest in digests], np.int64)


def find_near_duplicates(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the faces of each stack with a near-duplicate in the other: a normalised correlation above 0.97.

    The normalised correlation is the cosine of two images from which their means have been subtracted; an image of a
    single grey value has none.

    Args:
        first: uint8 (N, H, W), held in memory as float32.
        second: uint8 (M, H, W), better the larger one.

    Returns:
        bool (N,) and bool (M,).
    """
    reference = _normalise(first)
    in_first, in_second = np.zeros(len(first), bool), np.zeros(len(second), bool)
    for start in range(0, len(second), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        near = reference @ _normalise(second[chunk]).T > NEAR
        in_first |= near.any(axis=1)
        in_second[chunk] = near.any(axis=0)
    return in_first, in_second


def _normalise(faces: np.ndarray) -> np.ndarray:
    """Return the faces minus their means, at unit length, float32 (N, H * W); zeros for a single grey value."""
    centred = faces.reshape(len(faces), math.prod(faces.shape[1:])).astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    # A face of a single grey value leaves rounding errors, which must not be scaled to unit length.
    unit: np.ndarray = np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths >= 1.0)
    return unit


def _count_groups(groups: np.ndarray, split: np.ndarray) -> tuple[int, int, int]:
    sizes = np.bincount(groups, minlength=1)
    occurs = [np.bincount(groups[split == code], minlength=len(sizes)) > 0 for code in range(len(SPLITS))]
    crossing = np.sum(occurs, axis=0) > 1
    return int((sizes > 1).sum()), int(sizes[sizes > 1].sum()), int(crossing.sum())

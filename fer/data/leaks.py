"""The duplicate guard: exact duplicates and near-duplicates across splits.

FER2013 repeats images within and across its splits, so a network is tested on faces that it has memorised. The guard
counts these leaks and marks the faces without one; the clean-test figures are computed on the marked faces.
"""

import hashlib
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fer.data.dataset import SPLITS

if TYPE_CHECKING:
    from scipy.spatial import KDTree

#: Normalised correlation above which two faces are near-duplicates.
NEAR = 0.97

#: Distance of two unit vectors with that correlation, with a margin for rounding.
_REACH = math.sqrt(2.0 - 2.0 * NEAR) + 1e-4

#: The pairs of splits that are compared.
PAIRS: tuple[tuple[str, str], ...] = (("validation", "train"), ("test", "train"), ("test", "validation"))

#: Frequencies per axis of the cosine transform in which candidates are searched.
_FREQUENCIES = 5
#: Candidates per face in the first search, and in those of the faces that have more.
_CANDIDATES = (8, 64, 512)
#: Faces that are compared at a time, and candidates that are searched at a time, which bounds the memory.
_PAIRS, _POINTS = 4096, 131072


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
    parts = {name: _Stack(faces, np.flatnonzero(split == code)) for code, name in enumerate(SPLITS)}
    clean, exact, near = np.ones(len(faces), bool), {}, {}
    for pair in PAIRS:
        first, second = (parts[name] for name in pair)
        for part, other in ((first, second), (second, first)):
            is_exact, is_near = np.isin(groups[part.rows], groups[other.rows]), _find_near(part, other)
            if part is first:
                exact[pair], near[pair] = int(is_exact.sum()), int(is_near.sum())
            if "train" in pair:
                # Both count: exact duplicates of a single grey value have no correlation.
                clean[part.rows] &= ~(is_exact | is_near)
    return LeakReport(clean, *_count_groups(groups, split), exact, near)


def group_duplicates(faces: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return a group number per face, int64 (N,), that exact duplicates and no other faces share.

    Groups are numbered in the order of their first faces.

    Args:
        faces: uint8 (M, H, W).
        rows: int (N,), the faces to compare; by default all.
    """
    rows = np.arange(len(faces)) if rows is None else rows
    # As numbers, the digests of five million faces take 80 MB; as objects they would take a gigabyte.
    digests = np.empty((len(rows), 2), np.uint64)
    for digest, row in zip(digests, rows, strict=True):
        digest[:] = np.frombuffer(hashlib.sha256(np.ascontiguousarray(faces[row]).data).digest()[:16], np.uint64)
    # The sort is stable: of equal digests, the first face comes first.
    order = np.lexsort(digests.T)
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    first_rows = order[is_first]
    numbers = np.empty(len(first_rows), np.int64)
    numbers[np.argsort(first_rows)] = np.arange(len(first_rows))
    groups = np.empty(len(rows), np.int64)
    groups[order] = numbers[np.cumsum(is_first) - 1]
    return groups


def find_near_duplicates(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the faces of each stack with a near-duplicate in the other: a normalised correlation above 0.97.

    The normalised correlation is the cosine of two images from which their means have been subtracted; an image of a
    single grey value has none. The search is exact, and takes less than quadratic time: the distance of two unit
    vectors follows from their cosine, and is never smaller than the distance of their projections, here the low
    frequencies of the cosine transform. So a k-d tree of the projections finds every candidate, and only candidates
    are compared by their pixels.

    Args:
        first: uint8 (N, H, W).
        second: uint8 (M, H, W).

    Returns:
        bool (N,) and bool (M,).

    Reference:
        Agrawal, Faloutsos and Swami, 1993, "Efficient similarity search in sequence databases", FODO.
    """
    stacks = _Stack(first), _Stack(second)
    return _find_near(*stacks), _find_near(*reversed(stacks))


class _Stack:
    """Some faces, and the tree in which their near-duplicates are searched.

    Args:
        faces: uint8 (M, H, W).
        rows: int (N,), which of them; by default all. They are not copied, so that the faces may be a mapped file.

    Attributes:
        points: low frequencies of the normalised faces, float32 (N, K).
        with_contrast: indices of the faces of more than one grey value, int64.
    """

    def __init__(self, faces: np.ndarray, rows: np.ndarray | None = None) -> None:
        self.faces, self.rows = faces, np.arange(len(faces)) if rows is None else rows
        bases = [_build_basis(side) for side in faces.shape[1:]]
        self.points = np.empty((len(self.rows), math.prod(basis.shape[1] for basis in bases)), np.float32)
        has_contrast = np.zeros(len(self.rows), bool)
        for indices in _chunk(np.arange(len(self.rows)), _PAIRS):
            unit = self.normalise(indices)
            frequencies = bases[0].T @ unit.reshape(-1, *faces.shape[1:]) @ bases[1]
            self.points[indices] = frequencies.reshape(len(indices), -1)
            has_contrast[indices] = unit.any(axis=1)
        self.with_contrast = np.flatnonzero(has_contrast)

    def normalise(self, indices: np.ndarray) -> np.ndarray:
        """Return some of the faces as :func:`_normalise` does."""
        return _normalise(self.faces[self.rows[indices]])

    @cached_property
    def tree(self) -> "KDTree":
        """The tree of the points of faces with contrast."""
        from scipy.spatial import KDTree

        return KDTree(self.points[self.with_contrast])


def _build_basis(side: int) -> np.ndarray:
    """Return the low frequencies of the orthonormal cosine transform, float32 (side, K)."""
    from scipy.fft import dct

    transform: np.ndarray = dct(np.eye(side, dtype=np.float32), norm="ortho")
    return transform[:, :_FREQUENCIES]


def _find_near(stack: _Stack, other: _Stack) -> np.ndarray:
    """Return which faces of a stack, bool (N,), have a near-duplicate in another."""
    near, open_indices = np.zeros(len(stack.rows), bool), stack.with_contrast
    for num_candidates in _CANDIDATES:
        if not len(open_indices) or not len(other.with_contrast):
            return near
        remaining = _search(stack, other, open_indices, num_candidates, near)
        is_worthwhile = len(remaining) < len(open_indices) / 2
        open_indices = remaining
        if not is_worthwhile:
            break
    # Faces that resemble very many others are compared with all.
    for indices in _chunk(open_indices, _PAIRS):
        faces = stack.normalise(indices)
        for others in _chunk(other.with_contrast, _PAIRS):
            near[indices] |= (faces @ other.normalise(others).T > NEAR).any(axis=1)
    return near


def _search(stack: _Stack, other: _Stack, indices: np.ndarray, num_candidates: int, near: np.ndarray) -> np.ndarray:
    """Compare faces with their nearest candidates, mark them in ``near``, and return those that may have more."""
    ranks, remaining = np.arange(1, num_candidates + 1), []
    for chunk in _chunk(indices, max(_POINTS // num_candidates, 1)):
        distances, found = other.tree.query(stack.points[chunk], ranks, distance_upper_bound=_REACH)
        query, rank = np.nonzero(np.isfinite(distances))
        first, second = chunk[query], other.with_contrast[found[query, rank]]
        near[first[_are_near(stack, other, first, second)]] = True
        remaining.append(chunk[np.isfinite(distances[:, -1]) & ~near[chunk]])
    return np.concatenate(remaining)


def _are_near(stack: _Stack, other: _Stack, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return which pairs of indices, bool (P,), are near-duplicates."""
    near = np.zeros(len(first), bool)
    for pairs in _chunk(np.arange(len(first)), _PAIRS):
        cosines = np.einsum("ij,ij->i", stack.normalise(first[pairs]), other.normalise(second[pairs]))
        near[pairs] = cosines > NEAR
    return near


def _chunk(indices: np.ndarray, size: int) -> list[np.ndarray]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


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

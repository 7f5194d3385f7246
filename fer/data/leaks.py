"""The duplicate guard: exact duplicates and near-duplicates across splits.

FER2013 repeats images within and across its splits, so a network is tested on faces that it has memorised. The guard
counts these leaks and marks the faces without one; the clean-test figures are computed on the marked faces.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from fer.data.dataset import SPLITS

#: Normalised correlation above which two faces are near-duplicates.
NEAR = 0.97

#: Half the square of the distance of two unit vectors with that correlation, with a margin for rounding.
_REACH = 1.0 - NEAR + 1e-4

#: The pairs of splits that are compared.
PAIRS: tuple[tuple[str, str], ...] = (("validation", "train"), ("test", "train"), ("test", "validation"))

#: Frequencies per axis of the cosine transform in which candidates are searched.
_FREQUENCIES = 5
#: Up to this many pairs of faces the search is exact, which takes up to a minute on two cores. FER2013 has 1e8 pairs.
_MAX_EXACT_PAIRS = 1e10
#: Beyond that, the faces are clustered into as many cells as the square root of the size of a sample, and each face is
#: compared with those of its nearest cells.
_NEAREST_CELLS, _SAMPLE = 8, 100_000
#: Faces of the first and of the second stack that are compared at a time, and faces whose pixels are.
_ROWS, _COLUMNS, _PIXEL_ROWS = 1024, 2048, 4096
#: Share of candidates in a block above which all of its faces are compared by their pixels at once.
_DENSE = 0.01


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
        exact_first, exact_second = (
            np.isin(groups[a.rows], groups[b.rows]) for a, b in ((first, second), (second, first))
        )
        near_first, near_second = _find_near(first, second)
        exact[pair], near[pair] = int(exact_first.sum()), int(near_first.sum())
        if "train" in pair:
            # Both count: exact duplicates of a single grey value have no correlation.
            clean[first.rows] &= ~(exact_first | near_first)
            clean[second.rows] &= ~(exact_second | near_second)
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
    single grey value has none. The distance of two unit vectors follows from their cosine, and is never smaller than
    that of their projections, here the low frequencies of the cosine transform. So only pairs with near projections
    are compared by their pixels. Up to 1e10 pairs of faces, all projections are compared, and the result is exact.
    Above, only those in neighbouring cells of the space are: it takes less than quadratic time and may miss one.

    Args:
        first: uint8 (N, H, W).
        second: uint8 (M, H, W).

    Returns:
        bool (N,) and bool (M,).

    References:
        Agrawal, Faloutsos and Swami, 1993, "Efficient similarity search in sequence databases" (the bound);
        Jégou, Douze and Schmid, 2011, "Product quantization for nearest neighbor search", section IV (the cells).
    """
    return _find_near(_Stack(first), _Stack(second))


class _Stack:
    """Some faces with their projections.

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
        for indices in _chunk(np.arange(len(self.rows)), _PIXEL_ROWS):
            unit = self.normalise(indices)
            frequencies = bases[0].T @ unit.reshape(-1, *faces.shape[1:]) @ bases[1]
            self.points[indices] = frequencies.reshape(len(indices), -1)
            has_contrast[indices] = unit.any(axis=1)
        self.with_contrast = np.flatnonzero(has_contrast)

    def normalise(self, indices: np.ndarray) -> np.ndarray:
        """Return some of the faces as :func:`_normalise` does."""
        return _normalise(self.faces[self.rows[indices]])


def _build_basis(side: int) -> np.ndarray:
    """Return the low frequencies of the orthonormal cosine transform, float32 (side, K)."""
    from scipy.fft import dct

    transform: np.ndarray = dct(np.eye(side, dtype=np.float32), norm="ortho")
    return transform[:, :_FREQUENCIES]


def _find_near(first: _Stack, second: _Stack) -> tuple[np.ndarray, np.ndarray]:
    """Return which faces of each stack, bool (N,) and bool (M,), have a near-duplicate in the other."""
    in_first, in_second = np.zeros(len(first.rows), bool), np.zeros(len(second.rows), bool)
    if not len(first.with_contrast) or not len(second.with_contrast):
        return in_first, in_second
    is_exact = len(first.rows) * len(second.rows) <= _MAX_EXACT_PAIRS
    groups = [(first.with_contrast, second.with_contrast)] if is_exact else _share_cells(first, second)
    for rows, columns in groups:
        for block in _chunk(rows, _ROWS):
            for other in _chunk(columns, _COLUMNS):
                near_first, near_second = _compare(first, second, block, other)
                in_first[near_first], in_second[near_second] = True, True
    return in_first, in_second


def _share_cells(first: _Stack, second: _Stack) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the indices of the faces of each stack that are to be compared, cell by cell."""
    from sklearn.cluster import MiniBatchKMeans

    points = second.points[second.with_contrast]
    sample = points[np.random.default_rng(0).permutation(len(points))[:_SAMPLE]]
    num_cells = round(len(sample) ** 0.5)
    centres = MiniBatchKMeans(num_cells, n_init=1, random_state=0).fit(sample).cluster_centers_.astype(np.float32)
    (own,) = _find_cells(points, centres, 1).T
    nearest = _find_cells(first.points[first.with_contrast], centres, min(_NEAREST_CELLS, num_cells))
    for cell in range(num_cells):
        yield first.with_contrast[(nearest == cell).any(axis=1)], second.with_contrast[own == cell]


def _find_cells(points: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers of the nearest centres of each point, int64 (N, count)."""
    half_squares = (centres**2).sum(axis=1) / 2
    cells = np.empty((len(points), count), np.int64)
    for indices in _chunk(np.arange(len(points)), _PIXEL_ROWS):
        distances = half_squares - points[indices] @ centres.T
        cells[indices] = np.argpartition(distances, count - 1, axis=1)[:, :count]
    return cells


def _compare(first: _Stack, second: _Stack, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of near-duplicates among some faces of each stack, with repetitions."""
    points, others = first.points[rows], second.points[columns]
    reach = _REACH - (points**2).sum(axis=1, keepdims=True) / 2 - (others**2).sum(axis=1) / 2
    query, candidate = np.nonzero(points @ others.T > -reach)
    if len(query) > _DENSE * len(rows) * len(columns):
        query, candidate = np.nonzero(first.normalise(rows) @ second.normalise(columns).T > NEAR)
        return rows[query], columns[candidate]
    near = _are_near(first, second, rows[query], columns[candidate])
    return rows[query[near]], columns[candidate[near]]


def _are_near(first: _Stack, second: _Stack, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return which pairs of indices, bool (P,), are near-duplicates."""
    near = np.zeros(len(rows), bool)
    for pairs in _chunk(np.arange(len(rows)), _PIXEL_ROWS):
        cosines = np.einsum("ij,ij->i", first.normalise(rows[pairs]), second.normalise(columns[pairs]))
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

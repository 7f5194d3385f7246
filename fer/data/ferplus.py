"""The FER+ votes of ten annotators a face, read as one class, as a distribution, or as "not a face".

Votes are uint8 (N, 10) arrays with the columns of ``labels.FERPLUS_COLUMNS``; an all-zero row has no votes.

Reference:
    Barsoum et al., 2016, "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
    Distribution", arXiv:1608.01041; the rules are those of its published code, microsoft/FERPlus.
"""

import numpy as np

from fer import labels

_SHARED = list(labels.FERPLUS_COLUMN_OF_EXPRESSION)
_NOT_FACE = labels.FERPLUS_COLUMNS.index("NF")


def compute_ferplus_majority(votes: np.ndarray) -> np.ndarray:
    """Return the class that more than half of the voters agree on.

    Single votes are dropped first. A row is left out when no column holds more than half of the votes that remain, or
    when that column is contempt, unknown or NF.

    Args:
        votes: uint8 (N, 10), FER+ columns.

    Returns:
        int64 (N,): an index into ``labels.EXPRESSIONS``, or -1 for a row that is left out.
    """
    kept = drop_single_votes(votes).astype(np.int64)
    shared = kept[:, _SHARED]
    winners = shared.argmax(axis=1) if len(shared) else np.zeros(0, np.int64)
    # Only one column can hold more than half, so ties and winners outside the seven leave no row here.
    agreed = 2 * shared.max(axis=1, initial=0) > kept.sum(axis=1)
    return np.where(agreed, winners, -1).astype(np.int64)


def compute_ferplus_distribution(votes: np.ndarray) -> np.ndarray:
    """Return the share of each of the seven shared expressions, single votes dropped.

    Args:
        votes: uint8 (N, 10), FER+ columns.

    Returns:
        float32 (N, 7): rows that sum to 1, or all-zero rows where no vote for a shared expression remains.
    """
    shared = drop_single_votes(votes)[:, _SHARED].astype(np.float32)
    return shared / np.maximum(shared.sum(axis=1, keepdims=True), 1)


def compute_not_face(votes: np.ndarray) -> np.ndarray:
    """Return whether "not a face" holds more votes than any other column.

    Args:
        votes: uint8 (N, 10), FER+ columns.

    Returns:
        bool (N,).
    """
    others = np.delete(votes, _NOT_FACE, axis=1)
    return votes[:, _NOT_FACE] > others.max(axis=1, initial=0)


def drop_single_votes(votes: np.ndarray) -> np.ndarray:
    """Return the votes with every count of 1 set to 0, as FER+ does against outliers."""
    return np.where(votes > 1, votes, 0).astype(votes.dtype)

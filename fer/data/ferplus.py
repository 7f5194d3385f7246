"""FER+ votes: the votes of ten annotators per face, as one class, as a distribution, or as "not a face".

Votes are uint8 (N, 10) arrays with the columns of :data:`FERPLUS_COLUMNS`; an all-zero row has no votes.

Reference:
    Barsoum et al., 2016, "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
    Distribution", arXiv:1608.01041; the rules are those of its published code, microsoft/FERPlus.
"""

import numpy as np

#: The vote columns of ``fer2013new.csv``, in file order.
FERPLUS_COLUMNS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)

#: The column in :data:`FERPLUS_COLUMNS` of each expression, in the order of ``EXPRESSIONS``.
FERPLUS_COLUMN_OF_EXPRESSION: tuple[int, ...] = (4, 5, 6, 1, 3, 2, 0)

_NOT_FACE = FERPLUS_COLUMNS.index("NF")


def compute_ferplus_majority(votes: np.ndarray) -> np.ndarray:
    """Return the class that more than half of the annotators agree on.

    Single votes are dropped first. A row has no majority if no column holds more than half of the remaining votes, or
    if that column is contempt, unknown or NF.

    Args:
        votes: uint8 (N, 10), FER+ columns.

    Returns:
        int64 (N,): an index into ``EXPRESSIONS``, or -1 for a row without a majority.
    """
    kept = drop_single_votes(votes).astype(np.int64)
    shared = kept[:, FERPLUS_COLUMN_OF_EXPRESSION]
    winners = shared.argmax(axis=1) if len(shared) else np.zeros(0, np.int64)
    # At most one column holds more than half, so this also excludes ties and winners outside the seven expressions.
    agreed = 2 * shared.max(axis=1, initial=0) > kept.sum(axis=1)
    return np.where(agreed, winners, -1).astype(np.int64)


def compute_ferplus_distribution(votes: np.ndarray) -> np.ndarray:
    """Return the share of each of the seven shared expressions, after dropping single votes.

    Args:
        votes: uint8 (N, 10), FER+ columns.

    Returns:
        float32 (N, 7): rows that sum to 1, or all-zero rows if no vote for a shared expression remains.
    """
    shared = drop_single_votes(votes)[:, FERPLUS_COLUMN_OF_EXPRESSION].astype(np.float32)
    distribution: np.ndarray = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1)
    return distribution


def compute_not_face(votes: np.ndarray) -> np.ndarray:
    """Return whether "not a face" holds more votes than any other column.

    Args:
        votes: uint8 (N, 10), FER+ columns.

    Returns:
        bool (N,).
    """
    others = np.delete(votes, _NOT_FACE, axis=1)
    not_face: np.ndarray = votes[:, _NOT_FACE] > others.max(axis=1, initial=0)
    return not_face


def drop_single_votes(votes: np.ndarray) -> np.ndarray:
    """Return the votes with every count of 1 set to 0, as FER+ does to suppress outliers."""
    return np.where(votes > 1, votes, 0).astype(votes.dtype)

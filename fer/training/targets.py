"""Training targets: which rows are used, their target distributions and their weights."""

from dataclasses import replace

import numpy as np

from fer.config import Config, DataConfig, Head
from fer.data.dataset import Dataset
from fer.data.ferplus import (
    FERPLUS_COLUMN_OF_EXPRESSION,
    FERPLUS_COLUMNS,
    compute_ferplus_distribution,
    compute_ferplus_majority,
    compute_not_face,
)
from fer.errors import DataError
from fer.labels import EXPRESSIONS

#: Votes of a face whose label stands for the votes that it lacks: as many as a face of FER+ has.
_NUM_VOTES = 10


def has_votes(dataset: Dataset) -> bool:
    """Return whether a head 'votes' can be validated: whether some validation face has a FER+ majority."""
    return bool((compute_ferplus_majority(dataset.votes[dataset.is_in("validation")]) >= 0).any())


def complete_votes(dataset: Dataset, config: Config) -> Dataset:
    """Return a data set on which a network that starts from a run can be trained with the heads of that run.

    If the network has a head 'votes' and the data set no votes, every annotator is taken to have voted for the label.
    Otherwise, the data set is returned as it is.

    Args:
        dataset: all splits.
        config: gives the heads and ``training.initial_run``.
    """
    if not config.training.initial_run or "votes" not in config.model.heads or has_votes(dataset):
        return dataset
    rows = np.flatnonzero(~dataset.votes.any(axis=1))
    columns = np.array(FERPLUS_COLUMN_OF_EXPRESSION)[dataset.labels[rows]]
    votes = dataset.votes.copy()
    votes[rows] = _NUM_VOTES * np.eye(len(FERPLUS_COLUMNS), dtype=np.uint8)[columns]
    return replace(dataset, votes=votes)


def select_training_rows(dataset: Dataset, config: DataConfig) -> np.ndarray:
    """Return the indices, int64, of the training rows that the settings keep.

    Raises:
        DataError: no row is left.
    """
    kept = dataset.is_in("train")
    if config.drop_leaked:
        kept = kept & dataset.clean
    if config.drop_not_face:
        kept = kept & ~compute_not_face(dataset.votes)
    if not kept.any():
        raise DataError(
            f"A training split must have faces. Received: none in {dataset.name!r}. Remedy: check the splits."
        )
    return np.flatnonzero(kept)


def build_targets(labels: np.ndarray, votes: np.ndarray, config: DataConfig) -> np.ndarray:
    """Return target distributions: the label, blended with the FER+ votes if the face has any, then smoothed.

    Args:
        labels: int (N,), class indices.
        votes: uint8 (N, 10), FER+ votes.
        config: the shares of the votes and of the uniform distribution.

    Returns:
        float32 (N, 7), rows summing to 1.

    Reference:
        Barsoum et al., 2016, arXiv:1608.01041, section 4.4 (votes as targets); Szegedy et al., 2016,
        arXiv:1512.00567, section 7 (label smoothing).
    """
    targets = np.eye(len(EXPRESSIONS), dtype=np.float32)[labels]
    distribution = compute_ferplus_distribution(votes)
    share = config.ferplus_weight * distribution.any(axis=1, keepdims=True)
    targets = (1.0 - share) * targets + share * distribution
    smoothed = (1.0 - config.label_smoothing) * targets + config.label_smoothing / len(EXPRESSIONS)
    return np.asarray(smoothed, np.float32)


def build_head_targets(
    labels: np.ndarray, votes: np.ndarray, config: DataConfig, heads: tuple[Head, ...]
) -> np.ndarray:
    """Return the target distributions of each head: blended ones for 'labels', the votes alone for 'votes'.

    A face without usable votes gets its label for both.

    Args:
        labels: int (N,), class indices.
        votes: uint8 (N, 10), FER+ votes.
        config: the shares of the votes and of the uniform distribution.
        heads: the network's heads, in order.

    Returns:
        float32 (N, heads, 7), rows summing to 1.
    """
    settings = {"labels": config, "votes": config.model_copy(update={"ferplus_weight": 1.0})}
    targets = [build_targets(labels, votes, settings[head]) for head in heads]
    return np.stack(targets, axis=1)


def compute_class_shares(
    labels: np.ndarray, votes: np.ndarray, heads: tuple[Head, ...]
) -> dict[Head, tuple[float, ...]]:
    """Return the share of each class among what each head is trained on, with one face of each class added.

    The added faces keep a class that does not occur from being multiplied without limit by :mod:`fer.joint`.

    Args:
        labels: int (N,), class indices.
        votes: uint8 (N, 10), FER+ votes; faces without usable votes do not count for the head 'votes'.
        heads: the network's heads, in order.

    Returns:
        Seven numbers per head, which sum to 1.
    """
    distribution = compute_ferplus_distribution(votes)
    usable = distribution.any(axis=1)
    targets = {
        "labels": np.eye(len(EXPRESSIONS))[labels],
        "votes": distribution[usable] if usable.any() else np.eye(len(EXPRESSIONS))[labels],
    }
    counts = {head: targets[head].sum(axis=0) + 1.0 for head in heads}
    return {head: tuple((counts[head] / counts[head].sum()).tolist()) for head in heads}


def compute_row_weights(labels: np.ndarray, config: DataConfig) -> np.ndarray:
    """Return loss weights, float32 (N,) with mean 1: the inverse share of each row's class to the configured power."""
    shares = np.bincount(labels, minlength=len(EXPRESSIONS)) / len(labels)
    weights = np.maximum(shares, 1e-12)[labels] ** -config.class_weight_power
    return np.asarray(weights / weights.mean(), np.float32)

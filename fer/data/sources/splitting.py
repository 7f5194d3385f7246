"""Drawing of the splits that a source lacks: stratified, seeded, with duplicates and persons in one split."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fer.data.dataset import SPLITS
from fer.data.leaks import group_duplicates
from fer.data.sources.raw import RawData
from fer.errors import DataError, shorten

#: Share of train that becomes validation, and test, if a source has no such split.
DRAWN_SHARE = 0.1


def draw_missing_splits(raw: RawData, persons: Sequence[str] | None = None, *, seed: int = 0) -> RawData:
    """Move a stratified tenth of train to each of validation and test that has no face.

    Faces with equal pixels, faces of one image, and faces of one person stay in one split.

    Args:
        raw: the content of a source.
        persons: a name of the person of each face; None if they are not known.
        seed: of the draw.

    Raises:
        DataError: train is too small.
    """
    present = {SPLITS[code] for code in np.unique(raw.split)}
    size = round(DRAWN_SHARE * np.count_nonzero(raw.split == SPLITS.index("train")))
    for split in ("test", "validation"):
        if split not in present and len(raw.faces):
            raw = _draw(raw, persons, split, size, seed)
    return raw


def _draw(raw: RawData, persons: Sequence[str] | None, split: str, size: int, seed: int) -> RawData:
    rows = np.flatnonzero(raw.split == SPLITS.index("train"))
    labels = raw.labels[rows]
    groups = merge_groups(group_duplicates(raw.faces, rows), raw.rows[rows])
    try:
        if persons is None:
            drawn = _draw_faces(labels, groups, size, seed)
        else:
            groups = merge_groups(groups, np.unique(np.asarray(persons)[rows], return_inverse=True)[1])
            drawn = _draw_groups(labels, groups, size, seed)
    except ValueError as error:
        raise DataError(
            f"Train must be large enough for a stratified {split} split. Received: {len(rows)} images"
            f" ({shorten(error)}). Remedy: add a {split} folder."
        ) from None
    codes = raw.split.copy()
    codes[rows[drawn]] = SPLITS.index(split)
    by_person = "" if persons is None else ", by person"
    note = (
        f"No {split} split: moved {int(drawn.sum())} of {len(rows)} training images to it, stratified{by_person}, seed"
        f" {seed}."
    )
    return replace(raw, split=codes, notes=(*raw.notes, note))


def merge_groups(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the number of the group of each row, int (N,), if rows that share either number belong together.

    Args:
        first: int (N,), group numbers.
        second: int (N,), other group numbers.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = (np.unique(groups, return_inverse=True)[1] for groups in (first, second))
    num_first, num_second = first.max(initial=-1) + 1, second.max(initial=-1) + 1
    # Nodes are the groups of both kinds; a row joins its two groups.
    size = num_first + num_second
    graph = coo_array((np.ones(len(first)), (first, num_first + second)), shape=(size, size))
    merged: np.ndarray = connected_components(graph, directed=False)[1][first]
    return merged


def _draw_faces(labels: np.ndarray, groups: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return the mask of the drawn rows: a stratified draw of rows, after which every row follows its group's first."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(labels))
    size = max(size, len(np.unique(labels)))
    _, drawn = train_test_split(rows, test_size=size, stratify=labels, random_state=seed)
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    mask: np.ndarray = np.isin(first, drawn)[inverse]
    return mask


def _draw_groups(labels: np.ndarray, groups: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Return the mask of the drawn rows: of the folds over groups, the one nearest to the size with most classes."""
    from sklearn.model_selection import StratifiedGroupKFold

    num_groups = len(np.unique(groups))
    if num_groups < 3:
        raise ValueError(f"{num_groups} persons or groups of duplicates")
    folds = StratifiedGroupKFold(min(round(1 / DRAWN_SHARE), num_groups), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Scikit-learn warns of classes with fewer faces than folds; the choice of the fold takes care of them.
        warnings.simplefilter("ignore", UserWarning)
        drawn = [rows for _, rows in folds.split(labels, labels, groups)]
    best = min(drawn, key=lambda rows: (-len(np.unique(labels[rows])), abs(len(rows) - size)))
    mask = np.zeros(len(labels), bool)
    mask[best] = True
    return mask

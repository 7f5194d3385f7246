"""A folder tree of photos under one hard light, made from the validation faces of a data set.

It shows what fine-tuning does, on a set that everybody who has FER2013 can make: the faces are known to the network's
makers and unknown to the network, and the light is unlike that of its training faces.
"""

from pathlib import Path

import numpy as np

from fer.data.dataset import Dataset
from fer.errors import DataError, OutputError
from fer.labels import EXPRESSIONS


def write_lit_photos(dataset: Dataset, folder: str | Path, *, num_train: int, num_test: int, seed: int = 0) -> None:
    """Write ``<folder>/<train or test>/<expression>/<row>.jpg``, one face per photo.

    The photos of train have as many faces of each expression as there are; those of test follow the data set's shares.

    Args:
        dataset: a prepared data set with a validation split.
        folder: new or empty.
        num_train: photos in train.
        num_test: photos in test, of other faces.
        seed: of the choice, the light and the photos.

    Raises:
        DataError: the validation split has fewer faces.
        OutputError: the folder is not empty, or cannot be written.
    """
    from fer.vision.images import write_image
    from fer.vision.synthetic_photos import light_from_side, show_as_photo

    folder, split = Path(folder), dataset.part("validation")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"A new set needs an empty folder. Received: {folder}. Remedy: name another with --out.")
    if len(split) < num_train + num_test:
        raise DataError(
            f"The validation split must have {num_train + num_test} faces. Received: {len(split)} in"
            f" {dataset.name!r}. Remedy: ask for fewer with --train and --test."
        )
    rows = np.random.default_rng(seed).permutation(len(split))
    train = choose_evenly(rows[num_test:], split.labels, num_train)
    for name, chosen in (("train", train), ("test", rows[:num_test])):
        for row in chosen:
            # One generator per face, so that a photo does not depend on the others.
            generator = np.random.default_rng((seed, row))
            photo = show_as_photo(light_from_side(split.faces[row], generator), generator)
            path = folder / name / EXPRESSIONS[split.labels[row]] / f"{row:05}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(photo, path)


def choose_evenly(rows: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` of the rows, in their order: of each class as many as of the others, while there are any."""
    rank = np.zeros(len(rows), np.int64)
    for label in np.unique(labels[rows]):
        members = labels[rows] == label
        rank[members] = np.arange(members.sum())
    chosen = np.argsort(rank, kind="stable")[:count]
    return np.asarray(rows[np.sort(chosen)])

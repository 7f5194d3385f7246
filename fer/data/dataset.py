"""A prepared data set: every face with its label, split, FER+ votes and leak mask, and its one file form.

A set is held as arrays and stored as one uncompressed ``.npz`` file with a fingerprint over the arrays, so that a
figure can name exactly the data it was measured on. Files are written atomically: a reader sees the old file or the
new one.
"""

import hashlib
import re
import zipfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fer import labels
from fer.errors import DataError, SettingsError
from fer.files import Content, write_atomically
from fer.labels import FACE_SIZE

_NUM_VOTES = len(labels.FERPLUS_COLUMNS)
_ARRAYS: dict[str, tuple[type, tuple[int, ...]]] = {
    "faces": (np.uint8, (FACE_SIZE, FACE_SIZE)),
    "labels": (np.int64, ()),
    "split": (np.uint8, ()),
    "votes": (np.uint8, (_NUM_VOTES,)),
    "clean": (np.bool_, ()),
}
_REMEDY = "Remedy: make it again with `invoke preprocess`."


@dataclass(frozen=True, eq=False)
class Dataset:
    """Faces with what is known about them, row by row.

    Args:
        name: the name of the prepared file, without folder or suffix.
        faces: uint8 (N, 48, 48), grey 0..255.
        labels: int64 (N,), indices into ``labels.EXPRESSIONS``.
        split: uint8 (N,), indices into ``labels.SPLITS``.
        votes: uint8 (N, 10), FER+ votes by ``labels.FERPLUS_COLUMNS``; an all-zero row has none.
        clean: bool (N,). A validation or test row is clean when no equal or near-equal face stands in train; a
            training row when none stands in validation or test.
        is_sample: whether the faces are the package's own drawings, evidence of mechanics only.
        source: the kind of source: ``csv``, ``folder`` or ``sample``.

    Raises:
        DataError: an array has another type, shape or range than stated here.
    """

    name: str
    faces: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    votes: np.ndarray
    clean: np.ndarray
    is_sample: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        for field, (dtype, shape) in _ARRAYS.items():
            _check_array(field, getattr(self, field), np.dtype(dtype), (len(self.faces), *shape))
        _check_codes("labels", self.labels, len(labels.EXPRESSIONS))
        _check_codes("split", self.split, len(labels.SPLITS))

    def __len__(self) -> int:
        return len(self.faces)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256, in hex, of the names, types, shapes and bytes of the five arrays."""
        digest = hashlib.sha256()
        for field in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, field))
            digest.update(f"{field} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.data)
        return digest.hexdigest()

    def part(self, split: str) -> "Dataset":
        """Return the rows of one split, in their order.

        Args:
            split: 'train', 'validation' or 'test'.

        Raises:
            SettingsError: the split has another name.
        """
        if split not in labels.SPLITS:
            known = ", ".join(repr(name) for name in labels.SPLITS)
            raise SettingsError(f"Unknown split. Use {known}. Received: {split!r}.")
        rows = self.split == labels.SPLITS.index(split)
        return replace(self, **{field: getattr(self, field)[rows] for field in _ARRAYS})

    def count_classes(self) -> np.ndarray:
        """Return the number of faces of each split and expression, int64 (3, 7)."""
        counts = np.zeros((len(labels.SPLITS), len(labels.EXPRESSIONS)), np.int64)
        np.add.at(counts, (self.split, self.labels), 1)
        return counts


def save_dataset(dataset: Dataset, folder: str | Path = "data") -> Path:
    """Write a set to ``<folder>/<name>.npz`` atomically and return the path.

    Raises:
        SettingsError: the set's name cannot be a file name.
        DataError: the folder cannot be written.
    """
    path = Path(folder) / f"{check_name(dataset.name)}.npz"
    content: dict[str, Any] = {field: getattr(dataset, field) for field in _ARRAYS}
    content |= {"name": dataset.name, "is_sample": dataset.is_sample, "source": dataset.source}
    content["fingerprint"] = dataset.fingerprint
    write_prepared(path, lambda stream: np.savez(stream, **content))
    return path


def load_dataset(name_or_path: str | Path, folder: str | Path = "data") -> Dataset:
    """Read a prepared set by its name in ``folder``, or from the path of an ``.npz`` file.

    Raises:
        DataError: the file is missing, damaged, or does not match its own fingerprint.
    """
    path = Path(name_or_path)
    if path.suffix != ".npz":
        path = Path(folder) / f"{name_or_path}.npz"
    if not path.is_file():
        raise DataError(f"A prepared data set must exist. Received: {path} (missing). Remedy: run `invoke preprocess`.")
    try:
        dataset, stored = _read(path)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"A prepared data set must be whole. Received: {path} ({error}). {_REMEDY}") from None
    if dataset.fingerprint != stored:
        raise DataError(f"A prepared data set must match its fingerprint. Received: {path} (changed). {_REMEDY}")
    return dataset


def write_prepared(path: Path, content: Content) -> None:
    """Write a file atomically.

    Args:
        path: the file; its folder is made where it is missing.
        content: as :func:`fer.files.write_atomically` takes it.

    Raises:
        DataError: the file cannot be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        raise DataError(f"A prepared file must be writable. Received: {path} ({error.strerror}).") from None


def check_name(name: str) -> str:
    """Return ``name`` when it can safely be a file name.

    Raises:
        SettingsError: it is empty, hidden or holds other characters than letters, digits, dot, dash and underscore.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) or name.endswith(".npz"):
        raise SettingsError(
            f"A data set's name has letters, digits, '.', '-' and '_' only, and no '.npz'. Received: {name!r}."
        )
    return name


def _read(path: Path) -> tuple[Dataset, str]:
    # NumPy does not close a file that it opened itself and found damaged.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        arrays = {field: content[field] for field in _ARRAYS}
        name, source, fingerprint = (str(content[key]) for key in ("name", "source", "fingerprint"))
        return Dataset(name, **arrays, is_sample=bool(content["is_sample"]), source=source), fingerprint


def _check_array(field: str, array: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        received = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"Dataset.{field} must be a {dtype} array of shape {shape}. Received: {received}.")


def _check_codes(field: str, codes: np.ndarray, count: int) -> None:
    if codes.size and not (codes.min() >= 0 and codes.max() < count):
        raise DataError(f"Dataset.{field} must be in 0..{count - 1}. Received: {codes.min()}..{codes.max()}.")

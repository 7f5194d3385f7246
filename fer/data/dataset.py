"""A prepared data set: faces with labels, splits, FER+ votes and the mask of clean faces, and its file format.

A data set is held as arrays and stored as one uncompressed ``.npz`` file with a fingerprint of the arrays, so that
figures can name exactly the data on which they were measured.
"""

import hashlib
import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fer.data.ferplus import FERPLUS_COLUMNS
from fer.data.mapped import map_member
from fer.errors import DataError, SettingsError, shorten, shorten_path
from fer.files import BROKEN_ARRAYS, write_atomically
from fer.labels import EXPRESSIONS, FACE_SIZE

#: The splits of a data set, in the order of their codes in a prepared file (0, 1, 2).
SPLITS: tuple[str, ...] = ("train", "validation", "test")

#: The source of data sets drawn by this package.
SAMPLE_SOURCE = "sample"

_ARRAYS: dict[str, tuple[type, tuple[int, ...]]] = {
    "faces": (np.uint8, (FACE_SIZE, FACE_SIZE)),
    "labels": (np.int64, ()),
    "split": (np.uint8, ()),
    "votes": (np.uint8, (len(FERPLUS_COLUMNS),)),
    "clean": (np.bool_, ()),
}
_PACKED_SUFFIXES = (".csv", ".tsv", ".txt", ".gz", ".zip", ".tar", ".tgz", ".bz2", ".xz", ".zst")
_REMEDY = "Remedy: run `invoke preprocess` again."


@dataclass(frozen=True, eq=False)
class Dataset:
    """Faces with their labels, splits and votes, row by row.

    Args:
        name: the name of the prepared file, without folder and suffix.
        faces: uint8 (N, 48, 48), grey values 0..255; those of a prepared file are mapped from it and read-only.
        labels: int64 (N,), indices into ``EXPRESSIONS``.
        split: uint8 (N,), indices into ``SPLITS``.
        votes: uint8 (N, 10), FER+ votes in the order of ``FERPLUS_COLUMNS``; all-zero rows have no votes.
        clean: bool (N,). A validation or test face is clean if train holds no exact or near-duplicate of it; a training
            face is clean if validation and test hold none.
        source: the kind of source: ``csv``, ``folder`` or ``sample``.

    Raises:
        DataError: an array does not have the type, shape and range given above.

    Example:
        >>> from fer.data import draw_sample
        >>> dataset = draw_sample(140)
        >>> dataset.part("test").faces.shape
        (21, 48, 48)
    """

    name: str
    faces: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    votes: np.ndarray
    clean: np.ndarray
    source: str = ""

    def __post_init__(self) -> None:
        for field, (dtype, shape) in _ARRAYS.items():
            _check_array(field, getattr(self, field), np.dtype(dtype), (len(self.faces), *shape))
        _check_codes("labels", self.labels, len(EXPRESSIONS))
        _check_codes("split", self.split, len(SPLITS))

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def is_sample(self) -> bool:
        """Whether the faces were drawn by this package, so that figures on them only show that the code works."""
        return self.source == SAMPLE_SOURCE

    @cached_property
    def fingerprint(self) -> str:
        """The sha256, in hex, of the names, types, shapes and bytes of the five arrays."""
        digest = hashlib.sha256()
        for field in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, field))
            digest.update(f"{field} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.data)
        return digest.hexdigest()

    def is_in(self, split: str) -> np.ndarray:
        """Return the mask of the rows of one split, bool (N,).

        Args:
            split: 'train', 'validation' or 'test'.

        Raises:
            SettingsError: the split has another name.
        """
        if split not in SPLITS:
            raise SettingsError(f"Unknown split. Use {', '.join(map(repr, SPLITS))}. Received: {split!r}.")
        mask: np.ndarray = self.split == SPLITS.index(split)
        return mask

    def part(self, split: str) -> "Dataset":
        """Return a copy of the rows of one split, in their order; :meth:`is_in` selects them without copying.

        Args:
            split: 'train', 'validation' or 'test'.

        Raises:
            SettingsError: the split has another name.
        """
        rows = self.is_in(split)
        return replace(self, **{field: getattr(self, field)[rows] for field in _ARRAYS})

    def count_classes(self) -> np.ndarray:
        """Return the number of faces per split and expression, int64 (3, 7)."""
        counts = np.zeros((len(SPLITS), len(EXPRESSIONS)), np.int64)
        np.add.at(counts, (self.split, self.labels), 1)
        return counts


def save_dataset(dataset: Dataset, folder: str | Path = "data") -> Path:
    """Write a data set to ``<folder>/<name>.npz`` atomically.

    Args:
        dataset: the data set.
        folder: created if it is missing.

    Returns:
        The path of the file.

    Raises:
        SettingsError: the name of the data set cannot be a file name.
        OutputError: the file cannot be written.

    Example:
        >>> from fer.data import draw_sample
        >>> save_dataset(draw_sample(140, name="tiny")).as_posix()  # doctest: +SKIP
        'data/tiny.npz'
    """
    path = build_path(dataset.name, folder)
    content: dict[str, Any] = {field: getattr(dataset, field) for field in _ARRAYS}
    content |= {field: getattr(dataset, field) for field in ("name", "source", "fingerprint")}
    write_atomically(path, lambda stream: np.savez(stream, **content))
    return path


def load_dataset(name_or_path: str | Path, folder: str | Path = "data") -> Dataset:
    """Read a prepared data set.

    Args:
        name_or_path: the name of a data set in ``folder``, or the path of an ``.npz`` file.
        folder: where prepared data sets are found by name.

    Raises:
        DataError: the file is missing, damaged, or does not match its own fingerprint.

    Example:
        >>> load_dataset("fer2013").part("validation").faces.shape  # doctest: +SKIP
        (3589, 48, 48)
    """
    path = Path(name_or_path)
    if path.suffix != ".npz":
        path = Path(folder) / f"{name_or_path}.npz"
    if not path.is_file():
        raise DataError(
            f"A prepared data set must exist. Received: {shorten_path(path)} (missing)."
            f" Remedy: run `{_name_command(path)}`."
        )
    try:
        dataset, fingerprint = _read(path)
    except (*BROKEN_ARRAYS, DataError) as error:
        raise DataError(
            f"A prepared data set must be complete. Received: {shorten_path(path)}"
            f" ({shorten(error or type(error).__name__)}). {_REMEDY}"
        ) from None
    if dataset.fingerprint != fingerprint:
        raise DataError(
            f"A prepared data set must match its fingerprint. Received: {shorten_path(path)} (altered). {_REMEDY}"
        )
    return dataset


def choose_name(source: str | Path | None) -> str:
    """Return the name of the data set that is prepared from a source, if none is given.

    Example:
        >>> choose_name("downloads/fer2013.csv.gz"), choose_name("kaggle:owner/faces"), choose_name("My photos/")
        ('fer2013', 'faces', 'My_photos')
    """
    if source is None:
        return SAMPLE_SOURCE
    stem = Path(os.path.abspath(source)).name if not str(source).startswith("kaggle:") else Path(str(source)).name
    while Path(stem).suffix.lower() in _PACKED_SUFFIXES:
        stem = Path(stem).stem
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")
    return name or "dataset"


def check_replaceable(dataset: Dataset, folder: str | Path) -> None:
    """Check that writing a data set replaces no other one of the same name.

    Raises:
        DataError: the file exists and holds another data set, or something else.
    """
    path = build_path(dataset.name, folder)
    if not path.exists():
        return
    try:
        replaced = load_dataset(path)
    except DataError:
        replaced = None
    if replaced is None or not (
        replaced.fingerprint == dataset.fingerprint or (dataset.is_sample and replaced.is_sample)
    ):
        raise DataError(
            f"An existing data set is replaced only with --overwrite. Received: {path}, which holds another one."
            " Nothing was written. Remedy: choose another --name, or add --overwrite."
        )


def _name_command(path: Path) -> str:
    """Return the command that makes a prepared file."""
    if path.stem == SAMPLE_SOURCE:
        return "invoke preprocess"
    if path.stem == "fer2013":
        return "invoke preprocess --source fer2013.csv.gz --name fer2013"
    return f"invoke preprocess --source <table or folder> --name {path.stem}"


def build_path(name: str, folder: str | Path) -> Path:
    """Return the path of a prepared file.

    Raises:
        SettingsError: the name is empty, begins with '.' or '-', ends in '.npz', or holds other characters than
            letters, digits, '.', '-' and '_'.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) or name.endswith(".npz"):
        raise SettingsError(
            "The name of a data set may hold letters, digits, '.', '-' and '_', may not begin with '.' or '-' and may"
            f" not end in '.npz'. Received: {shorten(repr(name))}."
        )
    return Path(folder) / f"{name}.npz"


def _read(path: Path) -> tuple[Dataset, str]:
    # Opened here because NumPy does not close a file that it opened itself and found to be damaged.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        arrays = {field: content[field] for field in _ARRAYS if field != "faces"}
        arrays["faces"] = map_member(stream, content, "faces")
        name, source, fingerprint = (str(content[key]) for key in ("name", "source", "fingerprint"))
        return Dataset(name, **arrays, source=source), fingerprint


def _check_array(field: str, array: np.ndarray, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
        received = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
        raise DataError(f"Dataset.{field} must be a {dtype} array of shape {shape}. Received: {received}.")


def _check_codes(field: str, codes: np.ndarray, count: int) -> None:
    if codes.size and not (codes.min() >= 0 and codes.max() < count):
        raise DataError(f"Dataset.{field} must be in 0..{count - 1}. Received: {codes.min()}..{codes.max()}.")

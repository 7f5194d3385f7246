"""What every reader returns: the usable rows of a source, and the others with the reason."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from fer.data.mapped import FaceFile


@dataclass(frozen=True)
class Reject:
    """A row or image that cannot be used.

    Args:
        location: ``row 12`` (data rows are numbered from 1), or the path of an image relative to the source.
        reason: why, in a few words.
    """

    location: str
    reason: str


@dataclass(frozen=True, eq=False)
class RawData:
    """The content of a source.

    Args:
        faces: uint8 (N, 48, 48).
        labels: int64 (N,), indices into ``EXPRESSIONS``.
        split: uint8 (N,), indices into ``SPLITS``.
        rows: int64 (N,), the index of each usable row in its source, from 0.
        usages: the Usage of every row of a table, rejects included; empty for folders.
        rejects: the rows that cannot be used.
        notes: messages for the user, such as the number of ignored files.
        votes: uint8 (N, 10), the FER+ votes that the source has with its images; None without such.
    """

    faces: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    rows: np.ndarray
    usages: tuple[str, ...] = ()
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()
    votes: np.ndarray | None = None

    @classmethod
    def build(
        cls,
        faces: FaceFile,
        codes: "array[int]",
        rejects: Iterable[Reject],
        *,
        usages: Iterable[str] = (),
        notes: Iterable[str] = (),
    ) -> "RawData":
        """Build the arrays from what a reader collects row by row.

        Args:
            faces: the faces, one after another.
            codes: the index in the source, the label and the split code of each usable row, of typecode 'q'.
            rejects: see the class.
            usages: see the class.
            notes: see the class.
        """
        rows, labels, split = np.array(codes, np.int64).reshape(-1, 3).T.copy()
        return cls(faces.map(), labels, split.astype(np.uint8), rows, tuple(usages), tuple(rejects), tuple(notes))

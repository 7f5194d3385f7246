"""Readers of FER2013's table forms and of the FER+ votes.

A table is ``fer2013.csv`` (emotion,pixels,Usage) or ``icml_face_data.csv`` (emotion, Usage, pixels; headers with
leading spaces), plain or packed. It is read as a stream, one row at a time, so the 301 MB file never stands in memory.

Rows are numbered from 1; the header and blank lines are no rows.
"""

import csv
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from fer import labels
from fer.data.sources.archives import MAX_TABLE, open_table
from fer.errors import DataError
from fer.labels import FACE_SIZE

#: Bytes of one line beyond which a file is no FER2013 table; a face of 2304 numbers takes at most 9216.
MAX_LINE = 1 << 16

_NUM_PIXELS = FACE_SIZE * FACE_SIZE
_COLUMNS = ("emotion", "pixels", "usage")
_LABELS = {str(index): index for index in range(len(labels.EXPRESSIONS))}
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Reject:
    """A row or image that cannot be used.

    Args:
        place: ``row 12`` (data rows from 1), or the path of an image below the source.
        reason: why, in a few words.
    """

    place: str
    reason: str


@dataclass(frozen=True, eq=False)
class RawData:
    """What a reader found: the good rows, and the others with the reason.

    Args:
        faces: uint8 (N, 48, 48).
        labels: int64 (N,), indices into ``labels.EXPRESSIONS``.
        split: uint8 (N,), indices into ``labels.SPLITS``.
        rows: int64 (N,), the place of each good row in its source, from 0.
        usages: the Usage of every row of a table, the bad ones too; empty for folders.
        rejects: the bad rows.
        notes: lines to be told, such as what was left aside.
    """

    faces: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    rows: np.ndarray
    usages: tuple[str, ...] = ()
    rejects: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()


def read_table(path: str | Path) -> RawData:
    """Read a FER2013 table in any of its forms.

    Raises:
        DataError: the file is missing, truncated, or holds no such table. A bad row does not raise; it is returned.
    """
    path = Path(path)
    try:
        with ExitStack() as stack, warnings.catch_warnings():
            # NumPy before 2.3 tells of unread text by a DeprecationWarning, later ones by a ValueError.
            warnings.simplefilter("error", DeprecationWarning)
            return _collect_rows(_read_fields(open_table(path, stack), path))
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"A table must be there and whole. Received: {path} ({reason}).") from None


def read_votes(path: str | Path, raw: RawData) -> np.ndarray:
    """Read FER+ votes for the good rows of a table.

    Args:
        path: ``fer2013new.csv``: Usage, Image name, then ten columns of counts; one line for every row of the table.
        raw: the table, read.

    Returns:
        uint8 (N, 10): the votes by ``labels.FERPLUS_COLUMNS``.

    Raises:
        DataError: the file is unreadable, or does not belong to the table (number of rows, Usage).
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, skipinitialspace=True)
        votes = table[list(labels.FERPLUS_COLUMNS)].to_numpy()
        usages = table["Usage"].astype(str).str.strip().to_list()
    except (OSError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"FER+ votes must be a readable fer2013new.csv. Received: {path} ({reason}).") from None
    _check_votes(path, votes, usages, raw)
    return votes[raw.rows].astype(np.uint8)


def _check_votes(path: str | Path, votes: np.ndarray, usages: list[str], raw: RawData) -> None:
    expected = len(raw.usages)
    if len(votes) != expected:
        raise DataError(
            f"FER+ votes must have one row for each of the {expected} faces. Received: {path}, {len(votes)}."
        )
    if not np.issubdtype(votes.dtype, np.integer) or votes.min(initial=0) < 0 or votes.max(initial=0) > 255:
        raise DataError(f"FER+ votes must be whole numbers in 0..255. Received: {path}.")
    for row in raw.rows:
        if usages[row] != raw.usages[row]:
            received = f"row {row + 1} {usages[row][:20]!r} against {raw.usages[row]!r}"
            raise DataError(f"FER+ votes must have the Usage of the table's rows. Received: {path}, {received}.")


def _read_lines(stream: IO[bytes], path: Path) -> Iterator[str]:
    total = 0
    while line := stream.readline(MAX_LINE):
        total += len(line)
        if len(line) == MAX_LINE or total > MAX_TABLE:
            raise DataError(f"A line must be below {MAX_LINE} bytes, a table below {MAX_TABLE}. Received: {path}.")
        yield line.decode("utf-8", errors="replace")


def _read_fields(stream: IO[bytes], path: Path) -> Iterator[list[str]]:
    """Yield [emotion, pixels, Usage] of each row; a row of another width than the header yields its own fields."""
    rows = csv.reader(_read_lines(stream, path))
    try:
        header = [name.strip("\ufeff \t").lower() for name in next(rows, [])]
        if not set(_COLUMNS) <= set(header):
            received = ", ".join(repr(name[:20]) for name in header[:6]) or "no line"
            raise DataError(f"A table must have columns emotion, pixels, Usage. Received: {path} with {received}.")
        places = [header.index(column) for column in _COLUMNS]
        for row in filter(None, rows):
            yield [row[place].strip() for place in places] if len(row) == len(header) else ["", *row, "", "", ""]
    except csv.Error as error:
        raise DataError(f"A table must be comma-separated text. Received: {path} ({error}).") from None


def _collect_rows(rows: Iterator[list[str]]) -> RawData:
    faces, usages = bytearray(), []
    good: list[tuple[int, int, int]] = []
    rejects = []
    for index, fields in enumerate(rows):
        usages.append(fields[2])
        try:
            label, split, pixels = _parse_row(fields)
        except ValueError as error:
            rejects.append(Reject(f"row {index + 1}", str(error)))
        else:
            faces += pixels.tobytes()
            good.append((index, label, split))
    places = np.array(good, np.int64).reshape(-1, 3)
    return RawData(
        faces=np.frombuffer(faces, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE),
        labels=places[:, 1].copy(),
        split=places[:, 2].astype(np.uint8),
        rows=places[:, 0].copy(),
        usages=tuple(usages),
        rejects=tuple(rejects),
    )


def _parse_row(fields: list[str]) -> tuple[int, int, np.ndarray]:
    if len(fields) != len(_COLUMNS):
        raise ValueError("a row must have as many fields as the header")
    return _parse_label(fields[0]), _parse_usage(fields[2]), parse_pixels(fields[1])


def _parse_label(text: str) -> int:
    if text not in _LABELS:
        raise ValueError(f"emotion must be 0..{len(_LABELS) - 1}; it is {text[:20]!r}")
    return _LABELS[text]


def _parse_usage(text: str) -> int:
    if text not in labels.USAGE_TO_SPLIT:
        raise ValueError(f"Usage must be one of {', '.join(labels.USAGE_TO_SPLIT)}; it is {text[:20]!r}")
    return labels.SPLITS.index(labels.USAGE_TO_SPLIT[text])


def parse_pixels(text: str) -> np.ndarray:
    """Return the 2304 greys, uint8, of whole numbers separated by spaces.

    Raises:
        ValueError: another number of values, a value that is not whole, or one outside 0..255.
    """
    try:
        # NumPy takes '1+2' for two numbers; 64 bits, because in 32 a large number would wrap into the range.
        pixels = np.fromstring("?" if "+" in text else text, dtype=np.int64, sep=" ") if text else np.empty(0)
    except (ValueError, DeprecationWarning):
        raise ValueError("pixels must be whole numbers separated by spaces") from None
    if len(pixels) != _NUM_PIXELS:
        raise ValueError(f"a face must have {_NUM_PIXELS} pixels; it has {len(pixels)}")
    if pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(f"pixels must be in 0..255; they reach {pixels.min()}..{pixels.max()}")
    return pixels.astype(np.uint8)

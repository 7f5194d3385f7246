"""Readers of FER2013 tables and of FER+ votes.

A table is ``fer2013.csv`` (emotion,pixels,Usage) or ``icml_face_data.csv`` (emotion, Usage, pixels; column names with
leading spaces), plain or packed. It is read as a stream, row by row, so the 301 MB of text are never in memory at once.

Rows are numbered from 1; the header and blank lines are not counted.
"""

import csv
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from fer.data.dataset import SPLITS
from fer.data.ferplus import FERPLUS_COLUMNS
from fer.data.sources.archives import MAX_TABLE, open_table
from fer.data.sources.raw import RawData, Reject
from fer.errors import DataError
from fer.labels import EXPRESSIONS, FACE_SIZE

#: Largest length in bytes of a line; a face of 2304 numbers takes at most 9216.
MAX_LINE = 1 << 16

#: The split of each value of the column ``Usage``.
USAGE_TO_SPLIT: dict[str, str] = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}

_TABLE_REMEDY = "Remedy: check the path, or download the file again."
_VOTES_REMEDY = "Remedy: use the fer2013new.csv that belongs to the table."
_NUM_PIXELS = FACE_SIZE * FACE_SIZE
_COLUMNS = ("emotion", "pixels", "usage")
_LABELS = {str(index): index for index in range(len(EXPRESSIONS))}
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError)


def read_table(path: str | Path) -> RawData:
    """Read a FER2013 table, plain or packed.

    Raises:
        DataError: the file is missing, truncated, or not a FER2013 table. Bad rows do not raise; they are returned as
            rejects.
    """
    path = Path(path)
    try:
        with ExitStack() as stack, warnings.catch_warnings():
            # On unparsed text NumPy before 2.3 issues a DeprecationWarning, and later versions raise a ValueError.
            warnings.simplefilter("error", DeprecationWarning)
            return _collect_rows(_read_fields(open_table(path, stack), path))
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"A table must exist and be complete. Received: {path} ({reason}). {_TABLE_REMEDY}") from None


def read_votes(path: str | Path, raw: RawData) -> np.ndarray:
    """Read the FER+ votes of the usable rows of a table.

    Args:
        path: ``fer2013new.csv``, with the columns Usage, Image name and ten counts, and one line per row of the table.
        raw: the content of the table.

    Returns:
        uint8 (N, 10): the votes in the order of ``FERPLUS_COLUMNS``.

    Raises:
        DataError: the file cannot be read, or belongs to another table (other number of rows or Usage).
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, skipinitialspace=True)
        votes: np.ndarray = table[list(FERPLUS_COLUMNS)].to_numpy()
        usages = table["Usage"].astype(str).str.strip().to_list()
    except (OSError, EOFError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"FER+ votes must be a readable fer2013new.csv. Received: {path} ({reason}). {_VOTES_REMEDY}"
        ) from None
    _check_votes(path, votes, usages, raw)
    usable: np.ndarray = votes[raw.rows].astype(np.uint8)
    return usable


def _check_votes(path: str | Path, votes: np.ndarray, usages: list[str], raw: RawData) -> None:
    expected = len(raw.usages)
    if len(votes) != expected:
        raise DataError(
            f"FER+ votes must have one row per row of the table ({expected}). Received: {path} with {len(votes)}."
            f" {_VOTES_REMEDY}"
        )
    if not np.issubdtype(votes.dtype, np.integer) or votes.min(initial=0) < 0 or votes.max(initial=0) > 255:
        raise DataError(f"FER+ votes must be whole numbers in 0..255. Received others in {path}. {_VOTES_REMEDY}")
    for row in raw.rows:
        if usages[row] != raw.usages[row]:
            received = f"{usages[row][:20]!r} in row {row + 1}, where the table has {raw.usages[row]!r}"
            raise DataError(
                f"FER+ votes must have the same Usage as the table. Received: {path} with {received}. {_VOTES_REMEDY}"
            )


def _read_lines(stream: IO[bytes], path: Path) -> Iterator[str]:
    total = 0
    while line := stream.readline(MAX_LINE):
        total += len(line)
        if len(line) == MAX_LINE or total > MAX_TABLE:
            raise DataError(f"A line must be below {MAX_LINE} bytes, a table below {MAX_TABLE}. Received: {path}.")
        yield line.decode("utf-8", errors="replace")


def _read_fields(stream: IO[bytes], path: Path) -> Iterator[list[str]]:
    """Yield [emotion, pixels, Usage] of each row; [] for a row with more or fewer fields than the header."""
    rows = csv.reader(_read_lines(stream, path))
    try:
        header = [name.strip("\ufeff \t").lower() for name in next(rows, [])]
        if not set(_COLUMNS) <= set(header):
            received = ", ".join(repr(name[:20]) for name in header[:6]) or "no header"
            raise DataError(f"A table must have columns emotion, pixels, Usage. Received: {path} with {received}.")
        indices = [header.index(column) for column in _COLUMNS]
        for row in filter(None, rows):
            yield [row[index].strip() for index in indices] if len(row) == len(header) else []
    except csv.Error as error:
        raise DataError(f"A table must be comma-separated text. Received: {path} ({error}).") from None


def _collect_rows(rows: Iterator[list[str]]) -> RawData:
    pixels, codes, rejects, usages = bytearray(), [], [], []
    for index, fields in enumerate(rows):
        usages.append(fields[2] if fields else "")
        try:
            label, split, face = _parse_row(fields)
        except ValueError as error:
            rejects.append(Reject(f"row {index + 1}", str(error)))
        else:
            pixels += face.tobytes()
            codes.append((index, label, split))
    return RawData.build(pixels, codes, rejects, usages=usages)


def _parse_row(fields: list[str]) -> tuple[int, int, np.ndarray]:
    if not fields:
        raise ValueError("a row must have as many fields as the header")
    return _parse_label(fields[0]), _parse_usage(fields[2]), parse_pixels(fields[1])


def _parse_label(text: str) -> int:
    if text not in _LABELS:
        raise ValueError(f"emotion must be 0..{len(_LABELS) - 1}; it is {text[:20]!r}")
    return _LABELS[text]


def _parse_usage(text: str) -> int:
    if text not in USAGE_TO_SPLIT:
        raise ValueError(f"Usage must be one of {', '.join(USAGE_TO_SPLIT)}; it is {text[:20]!r}")
    return SPLITS.index(USAGE_TO_SPLIT[text])


def parse_pixels(text: str) -> np.ndarray:
    """Parse 2304 whole numbers 0..255, separated by spaces, into uint8 (2304,).

    Raises:
        ValueError: the number of values differs, or a value is not a whole number in 0..255.
    """
    try:
        # NumPy reads '1+2' as two numbers. With 32 bits, a large number could wrap around into the range.
        pixels = np.fromstring("?" if "+" in text else text, dtype=np.int64, sep=" ") if text else np.empty(0)
    except (ValueError, DeprecationWarning):
        raise ValueError("pixels must be whole numbers separated by spaces") from None
    if len(pixels) != _NUM_PIXELS:
        raise ValueError(f"a face must have {_NUM_PIXELS} pixels; it has {len(pixels)}")
    if pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(f"pixels must be in 0..255; they reach {pixels.min()}..{pixels.max()}")
    return pixels.astype(np.uint8)

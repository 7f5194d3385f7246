"""Readers of FER2013 tables and of FER+ votes.

A table is ``fer2013.csv`` (emotion,pixels,Usage) or ``icml_face_data.csv`` (emotion, Usage, pixels; column names with
leading spaces), plain or packed, or one like them: separated by ``;`` or tabs, in UTF-16, with names of expressions in
place of numbers, with further columns such as a pandas index, or without Usage. It is read as a stream, row by row, so
the 301 MB of text are never in memory at once.

Rows are numbered from 1; the header and blank lines are not counted.
"""

import csv
import io
import sys
import warnings
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from fer.data.dataset import SPLITS
from fer.data.ferplus import FERPLUS_COLUMNS
from fer.data.mapped import FaceFile, open_face_file
from fer.data.sources.archives import BROKEN, MAX_TABLE, VOTES_NAMES, describe_error, open_table
from fer.data.sources.names import EXPRESSION_NAMES, normalize, suggest
from fer.data.sources.raw import RawData, Reject
from fer.data.sources.splitting import draw_missing_splits
from fer.errors import DataError, shorten, shorten_path
from fer.labels import EXPRESSIONS, FACE_SIZE

#: Largest length in bytes of a line; a face of 2304 numbers takes at most 9216.
MAX_LINE = 1 << 16

#: The split of each value of the column ``Usage``.
USAGE_TO_SPLIT: dict[str, str] = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}

#: Emotion, pixels and Usage of a row, None for the last one in a table without Usage; None for a row with more or fewer
#: fields than the header.
Fields = tuple[str, str, str | None] | None

_TABLE_REMEDY = "Remedy: check the path, or download the file again."
_VOTES_REMEDY = "Remedy: use the fer2013new.csv that belongs to the table."
_NUM_PIXELS = FACE_SIZE * FACE_SIZE
_REQUIRED = ("emotion", "pixels")
_USAGE = "usage"
_DELIMITERS = ",;\t"
_LABELS = {str(index): index for index in range(len(EXPRESSIONS))}


def read_table(path: str | Path, *, seed: int = 0, scratch: str | Path | None = None) -> RawData:
    """Read a FER2013 table, plain or packed.

    Args:
        path: the file.
        seed: seed of the draw of validation and test, if the table has no column Usage.
        scratch: folder of the temporary file that holds the faces; None takes the system's.

    Raises:
        OutputError: the temporary file cannot be written.
        DataError: the file is missing, truncated, or not a FER2013 table. Bad rows do not raise; they are returned as
            rejects.
    """
    path = Path(path)
    try:
        with ExitStack() as stack, warnings.catch_warnings():
            # On unparsed text NumPy before 2.3 issues a DeprecationWarning, and later versions raise a ValueError.
            warnings.simplefilter("error", DeprecationWarning)
            faces = stack.enter_context(open_face_file(scratch))
            raw = _collect_rows(_read_fields(open_table(path, stack), path), faces)
    except BROKEN as error:
        raise DataError(
            f"A table must exist and be complete. Received: {shorten_path(path)} ({describe_error(error)})."
            f" {_TABLE_REMEDY}"
        ) from None
    has_usage = any(raw.usages) or not len(raw.faces)
    return raw if has_usage else draw_missing_splits(raw, seed=seed)


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
    path = Path(path)
    votes, usages = _read_votes_file(path)
    _check_votes(path, votes, usages, raw)
    usable: np.ndarray = votes[raw.rows].astype(np.uint8)
    return usable


def _read_votes_file(path: Path) -> tuple[np.ndarray, list[str]]:
    """Return the ten counts and the Usage of each row; lines without any count at the end are left out."""
    import pandas as pd

    try:
        with ExitStack() as stack:
            text = stack.enter_context(_open_text(open_table(path, stack, VOTES_NAMES)))
            table = pd.read_csv(text, skipinitialspace=True)
        counts = table[list(FERPLUS_COLUMNS)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
        length = int(np.flatnonzero(~np.isnan(counts).all(axis=1)).max(initial=-1)) + 1
        usages = table["Usage"].astype(str).str.strip().to_list()[:length]
    except (*BROKEN, TypeError) as error:
        raise DataError(
            f"FER+ votes must be a readable fer2013new.csv. Received: {shorten_path(path)} ({describe_error(error)})."
            f" {_VOTES_REMEDY}"
        ) from None
    counts = counts[:length]
    if not np.isin(counts, np.arange(256)).all():
        raise DataError(
            f"FER+ votes must be whole numbers in 0..255. Received others in {shorten_path(path)}. {_VOTES_REMEDY}"
        )
    return counts.astype(np.uint8), usages


def _check_votes(path: Path, votes: np.ndarray, usages: list[str], raw: RawData) -> None:
    # Lines below a table that are no rows, such as a note, have no votes.
    expected = len(raw.usages)
    if not int(raw.rows.max(initial=-1)) < len(votes) <= expected:
        raise DataError(
            f"FER+ votes must have one row per row of the table ({expected}). Received: {shorten_path(path)} with"
            f" {len(votes)}. {_VOTES_REMEDY}"
        )
    for row in raw.rows:
        if raw.usages[row] and usages[row] != raw.usages[row]:
            received = f"{shorten(repr(usages[row]), 22)} in row {row + 1}, where the table has {raw.usages[row]!r}"
            raise DataError(
                f"FER+ votes must have the same Usage as the table. Received: {shorten_path(path, 80)} with {received}."
                f" {_VOTES_REMEDY}"
            )


def _open_text(stream: IO[bytes]) -> io.TextIOWrapper:
    """Return a binary stream as text with any line ends: UTF-16 if it begins as that, otherwise UTF-8."""
    head = stream.read(2)
    stream.seek(0)
    is_utf16 = head in (b"\xff\xfe", b"\xfe\xff")
    encoding = "utf-16" if is_utf16 else {b"\0": "utf-16-be"}.get(head[:1]) or {b"\0": "utf-16-le"}.get(head[1:])
    return io.TextIOWrapper(stream, encoding or "utf-8-sig", errors="replace")


def _decode_lines(stream: IO[bytes], path: Path) -> Iterator[str]:
    total, largest = 0, max(MAX_TABLE, path.stat().st_size)
    with _open_text(stream) as text:
        while line := text.readline(MAX_LINE):
            total += len(line)
            if len(line) == MAX_LINE or total > largest:
                raise DataError(
                    f"A line must be below {MAX_LINE} characters, a packed table below {MAX_TABLE}."
                    f" Received: {shorten_path(path)}."
                )
            yield line


def _read_fields(stream: IO[bytes], path: Path) -> Iterator[Fields]:
    """Yield emotion, pixels and Usage of each row; see :data:`Fields`."""
    lines = _decode_lines(stream, path)
    first = next(lines, "")
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        header = [name.strip("\ufeff \t").lower() for name in next(csv.reader([first], delimiter=delimiter), [])]
        if not set(_REQUIRED) <= set(header):
            received = ", ".join(shorten(repr(name), 20) for name in header[:4]) or "no header"
            raise DataError(
                f"A table must have columns emotion, pixels, Usage. Received: {shorten_path(path)} with {received}."
                " Remedy: rename its columns."
            )
        rows = filter(None, csv.reader(lines, delimiter=delimiter))
        yield from _select_columns(rows, header)
    except csv.Error as error:
        raise DataError(
            f"A table must be comma-separated text. Received: {shorten_path(path)} ({shorten(error)}). {_TABLE_REMEDY}"
        ) from None


def _select_columns(rows: Iterator[list[str]], header: list[str]) -> Iterator[Fields]:
    indices, width = [header.index(name) for name in _REQUIRED], len(header)
    usage = header.index(_USAGE) if _USAGE in header else None
    for number, row in enumerate(rows):
        if number == 0 and len(row) == width + 1 and _is_shifted(row, indices[1]):
            # The header has no name for an index that pandas wrote.
            indices, width = [index + 1 for index in indices], width + 1
            usage = None if usage is None else usage + 1
        if len(row) != width:
            yield None
        else:
            yield (row[indices[0]].strip(), row[indices[1]].strip(), None if usage is None else row[usage].strip())


def _is_shifted(row: list[str], pixels: int) -> bool:
    return row[0].strip().isdecimal() and len(row[pixels + 1].split()) > len(row[pixels].split())


def _collect_rows(rows: Iterator[Fields], faces: FaceFile) -> RawData:
    codes, rejects, usages = array("q"), [], []
    for index, fields in enumerate(rows):
        # Of millions of rows, each usage is held once.
        usages.append(sys.intern((fields[2] if fields else None) or ""))
        try:
            label, split, face = _parse_row(fields)
        except ValueError as error:
            rejects.append(Reject(f"row {index + 1}", str(error)))
        else:
            faces.append(face)
            codes.extend((index, label, split))
    return RawData.build(faces, codes, rejects, usages=usages)


def _parse_row(fields: Fields) -> tuple[int, int, np.ndarray]:
    if not fields:
        raise ValueError("a row must have as many fields as the header")
    return _parse_label(fields[0]), _parse_usage(fields[2]), parse_pixels(fields[1])


def _parse_label(text: str) -> int:
    if text in _LABELS:
        return _LABELS[text]
    expression = EXPRESSION_NAMES.get(normalize(text))
    if expression is None:
        hint = suggest(text, EXPRESSION_NAMES)
        raise ValueError(f"emotion must be 0..{len(_LABELS) - 1}; it is {text[:20]!r}{hint}")
    return EXPRESSIONS.index(expression)


def _parse_usage(text: str | None) -> int:
    if text is None:
        # A table without the column: validation and test are drawn afterwards.
        return SPLITS.index("train")
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

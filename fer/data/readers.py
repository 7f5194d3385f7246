"""Readers of FER2013's table forms and of the FER+ votes.

A table is ``fer2013.csv`` (emotion,pixels,Usage) or ``icml_face_data.csv`` (emotion, Usage, pixels; headers with leading
spaces), plain or inside .gz, .zip or .tar.gz. The form is told by the content, not by the name. Tables are read as a
stream, one row at a time: the 301 MB file never stands in memory, and nothing is unpacked to disk.

Rows are numbered from 1, the header not counted.
"""

import csv
import gzip
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import numpy as np

from fer import labels
from fer.data.dataset import FACE_SIZE
from fer.errors import DataError

#: Bytes of one line, of a whole table, and rows of it beyond which a file is no FER2013 table.
MAX_LINE = 1 << 16
MAX_TABLE = 1 << 32

_NUM_PIXELS = FACE_SIZE * FACE_SIZE
_COLUMNS = ("emotion", "pixels", "usage")
_KNOWN_TABLES = ("fer2013.csv", "icml_face_data.csv")
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class Reject:
    """A row or image that cannot be used.

    Args:
        place: ``row 12`` (data rows from 1), or the path of an image.
        reason: why, in a few words.
    """

    place: str
    reason: str


@dataclass(frozen=True, eq=False)
class RawData:
    """What a reader found: the good rows, and the others with the reason.

    Args:
        faces: uint8 (N, 48, 48).
        labels: int64 (N,).
        split: uint8 (N,).
        rows: int64 (N,), the place of each good row in its source, from 0.
        num_rows: good and bad rows together.
        rejects: the bad rows.
    """

    faces: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    rows: np.ndarray
    num_rows: int
    rejects: tuple[Reject, ...] = ()
    usages: tuple[str, ...] = field(default=(), repr=False)


def read_table(path: str | Path) -> RawData:
    """Read a FER2013 table in any of its forms.

    Raises:
        DataError: the file is missing, truncated, or holds no such table. A bad row does not raise; it is returned.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"A source must exist. Received: {path} (missing).")
    try:
        with ExitStack() as stack, warnings.catch_warnings():
            # NumPy before 2.3 tells of unread text by a DeprecationWarning, later ones by a ValueError.
            warnings.simplefilter("error", DeprecationWarning)
            return _collect(_read_rows(_open_table(path, stack), path))
    except _BROKEN as error:
        raise DataError(f"A table must be readable to its end. Received: {path} ({error}).") from None


def read_votes(path: str | Path, raw: RawData) -> np.ndarray:
    """Read FER+ votes for the rows of a table.

    Args:
        path: ``fer2013new.csv``: Usage, Image name, then ten columns of counts, one line for every row of the table.
        raw: the table, read.

    Returns:
        uint8 (N, 10): votes of the good rows, in their order.

    Raises:
        DataError: the file is unreadable, or does not belong to the table (rows, Usage).
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, skipinitialspace=True, dtype={"Usage": str})
        votes = table[list(labels.FERPLUS_COLUMNS)].to_numpy()
        usages = tuple(table["Usage"].fillna("").str.strip())
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"FER+ votes must be a fer2013new.csv. Received: {path} ({error}).") from None
    _check_votes(Path(path), votes, usages, raw)
    return votes[raw.rows].astype(np.uint8)


def _check_votes(path: Path, votes: np.ndarray, usages: tuple[str, ...], raw: RawData) -> None:
    if len(votes) != raw.num_rows:
        raise DataError(f"FER+ votes must have a row for each of {raw.num_rows} faces. Received: {path}, {len(votes)}.")
    if not np.issubdtype(votes.dtype, np.integer) or votes.min(initial=0) < 0 or votes.max(initial=0) > 255:
        raise DataError(f"FER+ votes must be whole numbers in 0..255. Received: {path}.")
    for row in raw.rows:
        if usages[row] != raw.usages[row]:
            raise DataError(
                f"FER+ votes must have the Usage of the table's rows. Received: {path}, row {row + 1}:"
                f" {usages[row]!r} against {raw.usages[row]!r}."
            )


def _open_table(path: Path, stack: ExitStack) -> IO[bytes]:
    stream = stack.enter_context(path.open("rb"))
    if zipfile.is_zipfile(stream):
        archive = stack.enter_context(zipfile.ZipFile(stream))
        member = _choose_member([name for name in archive.namelist() if not name.endswith("/")], path)
        return stack.enter_context(archive.open(member))
    stream.seek(0)
    if stream.read(2) != b"\x1f\x8b":
        stream.seek(0)
        return stream
    stream.seek(0)
    unpacked = stack.enter_context(gzip.open(stream))
    is_tar = unpacked.read(262)[257:] == b"ustar"
    unpacked.seek(0)
    return _open_tar_member(cast(IO[bytes], unpacked), path, stack) if is_tar else cast(IO[bytes], unpacked)


def _open_tar_member(stream: IO[bytes], path: Path, stack: ExitStack) -> IO[bytes]:
    archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r:"))
    member = archive.getmember(_choose_member([info.name for info in archive if info.isfile()], path))
    content = archive.extractfile(member)
    assert content is not None, "members are chosen among regular files"
    return stack.enter_context(content)


def _choose_member(names: list[str], path: Path) -> str:
    tables = [name for name in names if name.lower().endswith(".csv")]
    for known in _KNOWN_TABLES:
        for name in tables:
            if name.rsplit("/", 1)[-1] == known:
                return name
    if len(tables) != 1:
        raise DataError(
            f"An archive must hold fer2013.csv, icml_face_data.csv or one table. Received: {path}: {names}."
        )
    return tables[0]


def _read_lines(stream: IO[bytes], path: Path) -> Iterator[str]:
    total = 0
    while line := stream.readline(MAX_LINE):
        total += len(line)
        if len(line) == MAX_LINE or total > MAX_TABLE:
            raise DataError(f"A table has lines below {MAX_LINE} bytes and {MAX_TABLE} in all. Received: {path}.")
        yield line.decode("utf-8", errors="replace")


def _read_rows(stream: IO[bytes], path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (emotion, pixels, usage) of each data row; missing fields are empty."""
    rows = csv.reader(_read_lines(stream, path))
    try:
        header = [name.strip().strip("\ufeff").lower() for name in next(rows, [])]
        if not set(_COLUMNS) <= set(header):
            raise DataError(f"A table must have the columns emotion, pixels, Usage. Received: {path}: {header[:9]}.")
        places = [header.index(column) for column in _COLUMNS]
        for row in rows:
            row += [""] * (len(header) - len(row))
            yield row[places[0]].strip(), row[places[1]], row[places[2]].strip()
    except csv.Error as error:
        raise DataError(f"A table must be comma-separated text. Received: {path} ({error}).") from None


def _collect(rows: Iterator[tuple[str, str, str]]) -> RawData:
    faces, good, classes, splits = bytearray(), [], [], []
    usages, rejects = [], []
    for index, (emotion, pixels, usage) in enumerate(rows):
        usages.append(usage)
        try:
            label, split, face = _parse_label(emotion), _parse_usage(usage), _parse_pixels(pixels)
        except ValueError as error:
            rejects.append(Reject(f"row {index + 1}", str(error)))
            continue
        faces += face.tobytes()
        good.append(index)
        classes.append(label)
        splits.append(split)
    return RawData(
        np.frombuffer(faces, np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE),
        np.array(classes, np.int64),
        np.array(splits, np.uint8),
        np.array(good, np.int64),
        len(usages),
        tuple(rejects),
        tuple(usages),
    )


def _parse_label(text: str) -> int:
    if text not in _LABELS:
        raise ValueError(f"emotion must be 0..6; it is {text[:20]!r}")
    return _LABELS[text]


def _parse_usage(text: str) -> int:
    if text not in labels.USAGE_TO_SPLIT:
        raise ValueError(f"Usage must be one of {', '.join(labels.USAGE_TO_SPLIT)}; it is {text[:20]!r}")
    return labels.SPLITS.index(labels.USAGE_TO_SPLIT[text])


def _parse_pixels(text: str) -> np.ndarray:
    try:
        pixels = np.fromstring(text, dtype=np.int32, sep=" ") if text.strip() else np.empty(0, np.int32)
    except (ValueError, DeprecationWarning):
        raise ValueError("pixels must be whole numbers") from None
    if len(pixels) != _NUM_PIXELS:
        raise ValueError(f"a face must have {_NUM_PIXELS} pixels; it has {len(pixels)}")
    if pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(f"pixels must be in 0..255; they are in {pixels.min()}..{pixels.max()}")
    return pixels.astype(np.uint8)


_LABELS = {str(index): index for index in range(len(labels.EXPRESSIONS))}

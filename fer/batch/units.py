"""The units of a batch, images and whole videos, from folders, patterns, manifests and addresses, as lists on disk.

A list has one path or address per line, as JSON. It is written while the inputs are read: a manifest of any length
needs some 20 bytes of memory per row, by which repeats are found.
"""

import glob
import hashlib
import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import numpy as np
import pandas as pd

from fer.batch.storage import check_address, is_address, list_addresses
from fer.errors import DataError, ImageError
from fer.files import show_path
from fer.reports.inputs import describe_left_aside, scan_inputs
from fer.vision.containers import VIDEO_SUFFIXES
from fer.vision.decoding import IMAGE_SUFFIXES

#: What a unit is: an image, or a whole video.
Kind = Literal["image", "video"]
KINDS: tuple[Kind, ...] = ("image", "video")
#: Columns of a manifest: of a ``path`` the suffix decides whether it is a video.
MANIFEST_COLUMNS = ("path", "image", "video")

_MANIFEST_SUFFIXES = (".csv", ".tsv")
_PACKED_SUFFIXES = (".gz", ".bz2", ".xz", ".zst")
_NUM_ROWS_AT_ONCE = 20_000


@dataclass
class UnitList:
    """A list of units on disk.

    Args:
        path: the file.
        count: number of units.
        repeats: number of repeats that were dropped.
        digest: sha256 of the file, in hex.
    """

    path: Path
    count: int = 0
    repeats: int = 0
    digest: str = ""
    _hashes: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, unit: str, stream: IO[bytes]) -> None:
        """Append a unit to the list's open file."""
        line = _encode(unit)
        stream.write(line)
        self._hashes.append(_hash_line(line))

    def finish(self) -> None:
        """Drop the repeats, keeping the first of each, and compute the digest."""
        hashes = np.frombuffer(self._hashes, np.uint64) if self._hashes else np.zeros(0, np.uint64)
        ordered = np.sort(hashes)
        suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
        if suspects:
            self._drop_repeats(suspects)
        self.count = len(hashes) - self.repeats
        self._hashes = array("Q")
        with self.path.open("rb") as stream:
            self.digest = hashlib.file_digest(stream, "sha256").hexdigest()

    def _drop_repeats(self, suspects: set[int]) -> None:
        """Rewrite the file; only the lines whose hash occurs more than once are held in memory."""
        kept, known = self.path.with_name(f"{self.path.name}.kept"), set()
        with self.path.open("rb") as stream, kept.open("wb") as target:
            for line in stream:
                if _hash_line(line) in suspects:
                    if line in known:
                        self.repeats += 1
                        continue
                    known.add(line)
                target.write(line)
        kept.replace(self.path)


def write_units(inputs: str | Path | Sequence[str | Path], folder: Path) -> tuple[dict[Kind, UnitList], str]:
    """Write the lists of the units that inputs name.

    Args:
        inputs: files, folders, glob patterns, addresses, or manifests: tables with a column ``path``, ``image`` or
            ``video``, whose relative paths begin at the manifest's folder.
        folder: an existing folder, which gets ``images.txt`` and ``videos.txt``.

    Returns:
        The list of each kind, and a sentence about the files of the folders that are neither, or nothing.

    Raises:
        DataError: a manifest cannot be read.
        ImageError: an input matches no file, or all of them together name no unit.
        SettingsError: the package that reads an address is missing.
    """
    names = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    lists = {kind: UnitList(folder / f"{kind}s.txt") for kind in KINDS}
    left_aside: Counter[str] = Counter()
    with ExitStack() as stack:
        streams = {kind: stack.enter_context(units.path.open("wb")) for kind, units in lists.items()}
        for name in names:
            for kind, unit in _read_input(os.path.expanduser(name), left_aside):
                lists[kind].add(unit, streams[kind])
    for units in lists.values():
        units.finish()
    if not any(units.count for units in lists.values()):
        raise ImageError(
            "A batch must name at least one image or video. Received: none. Remedy: give a file, folder, pattern or"
            " manifest."
        )
    return lists, describe_left_aside(left_aside)


def read_units(path: Path, offset: int, count: int) -> list[str]:
    """Read some units of a list.

    Args:
        path: the list.
        offset: the byte at which the first of them begins.
        count: their number.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        return [json.loads(stream.readline()) for _ in range(count)]


def read_all_units(path: Path) -> Iterator[str]:
    """Yield the units of a list."""
    with path.open("rb") as stream:
        yield from map(json.loads, stream)


def find_offsets(path: Path, step: int) -> list[int]:
    """Return the bytes at which every ``step``-th unit of a list begins."""
    offsets, position = [], 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream):
            if number % step == 0:
                offsets.append(position)
            position += len(line)
    return offsets


def is_manifest(name: str) -> bool:
    """Return whether an input is a manifest, by its suffix.

    Example:
        >>> is_manifest("photos.csv.gz"), is_manifest("photo.jpg")
        (True, False)
    """
    path = Path(name.lower())
    return (path.stem if path.suffix in _PACKED_SUFFIXES else path.name).endswith(_MANIFEST_SUFFIXES)


def _read_input(name: str, left_aside: Counter[str]) -> Iterator[tuple[Kind, str]]:
    if is_manifest(name) and not glob.has_magic(name):
        yield from _read_manifest(name)
    elif is_address(name):
        check_address(name)
        yield from _read_addresses(name, left_aside)
    else:
        found = scan_inputs(name, other_suffixes=VIDEO_SUFFIXES)
        left_aside.update(found.left_aside)
        yield from ((_choose_kind(path.name), os.fspath(path)) for path in found.paths)


def _read_addresses(name: str, left_aside: Counter[str]) -> Iterator[tuple[Kind, str]]:
    if not name.endswith("/") and not glob.has_magic(name):
        yield _choose_kind(name), name
        return
    for address in list_addresses(name):
        suffix = Path(address).suffix.lower()
        if suffix in VIDEO_SUFFIXES or suffix in IMAGE_SUFFIXES:
            yield _choose_kind(address), address
        else:
            left_aside[show_path(suffix) or "without a suffix"] += 1


def _read_manifest(name: str) -> Iterator[tuple[Kind, str]]:
    """Yield the units of a manifest, reading some rows at once; an empty cell is no unit."""
    locate, schemes = _choose_locator(name), set()
    for column, texts in _read_cells(name):
        for text in texts:
            if not text:
                continue
            if is_address(text) and (scheme := text.partition("://")[0]) not in schemes:
                check_address(text)
                schemes.add(scheme)
            unit = text if is_address(text) else locate(text)
            yield (_choose_kind(unit) if column == "path" else _NAMED_KINDS[column]), unit


_NAMED_KINDS: dict[str, Kind] = {"image": "image", "video": "video"}


def _read_cells(name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield a column of a manifest and some of its cells."""
    separator = "\t" if ".tsv" in Path(name.lower()).suffixes else ","
    try:
        header = pd.read_csv(name, sep=separator, nrows=0, encoding="utf-8-sig")
        columns = [column for column in MANIFEST_COLUMNS if column in header.columns]
        if len(columns) != 1:
            raise DataError(
                f"A manifest must have one of the columns {', '.join(MANIFEST_COLUMNS)}. Received: {show_path(name)}"
                f" with {', '.join(map(str, header.columns[:5]))}. Remedy: rename the column of the paths."
            )
        with pd.read_csv(
            name,
            sep=separator,
            usecols=columns,
            dtype=str,
            keep_default_na=False,
            chunksize=_NUM_ROWS_AT_ONCE,
            encoding="utf-8-sig",
        ) as chunks:
            for chunk in chunks:
                yield columns[0], chunk[columns[0]].tolist()
    except (OSError, ValueError, EOFError) as error:  # pandas' errors of parsing are of ValueError.
        raise DataError(
            f"A manifest must be a readable table. Received: {show_path(name)} ({' '.join(str(error).split())[:120]})."
            " Remedy: check the path and the file."
        ) from None


def _choose_locator(manifest: str) -> Callable[[str], str]:
    """Return the function that finds the file of a cell: beside the manifest, if that is a local file."""
    parent = Path() if is_address(manifest) else Path(manifest).parent
    return lambda text: os.fspath(parent / text)


def _choose_kind(name: str) -> Kind:
    return "video" if Path(name).suffix.lower() in VIDEO_SUFFIXES else "image"


def _encode(unit: str) -> bytes:
    # JSON in ASCII keeps line breaks and bytes that are not UTF-8 in one line of text.
    return json.dumps(unit).encode("ascii") + b"\n"


def _hash_line(line: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(line, digest_size=8).digest(), "little")

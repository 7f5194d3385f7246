"""Small sources in every format that the readers accept, made of random faces; no image of FER2013."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from fer.data.ferplus import FERPLUS_COLUMNS
from fer.data.sources.tables import USAGE_TO_SPLIT
from fer.errors import DataError
from fer.labels import EXPRESSIONS

USAGES = tuple(USAGE_TO_SPLIT)
FERPLUS_HEADER = "Usage,Image name," + ",".join(FERPLUS_COLUMNS)


def draw_faces(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def make_rows(count: int = 21, *, seed: int = 0) -> list[list[str]]:
    """Return rows of [emotion, pixels, Usage] with every expression and every split."""
    faces = draw_faces(count, seed=seed)
    return [[str(i % 7), " ".join(map(str, face.ravel())), USAGES[i // 7 % 3]] for i, face in enumerate(faces)]


def format_table(rows: list[list[str]]) -> bytes:
    return "\n".join(["emotion,pixels,Usage", *map(",".join, rows)]).encode() + b"\n"


def format_icml_table(rows: list[list[str]]) -> bytes:
    lines = [f"{emotion}, {usage}, {pixels}" for emotion, pixels, usage in rows]
    return "\r\n".join(["emotion, Usage, pixels", *lines]).encode() + b"\r\n"


def pack_zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def pack_tar(members: dict[str, bytes], *, mode: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def pack(form: str, table: bytes, name: str = "fer2013.csv") -> bytes:
    notes = {"fer2013/README": b"notes", f"fer2013/{name}": table, "fer2013/fer2013.bib": b"@article"}
    packers = {
        "csv": lambda: table,
        "gz": lambda: gzip.compress(table),
        "bz2": lambda: bz2.compress(table),
        "xz": lambda: lzma.compress(table),
        "zip": lambda: pack_zip(notes),
        "tar": lambda: pack_tar(notes, mode="w"),
        "tar.gz": lambda: pack_tar(notes),
        "tar.bz2": lambda: pack_tar(notes, mode="w:bz2"),
        "tar.xz": lambda: pack_tar(notes, mode="w:xz"),
    }
    return packers[form]()


def write_votes(path: Path, usages: list[str]) -> np.ndarray:
    """Write and return votes in which row i has i % 9 + 1 votes for 'neutral'."""
    votes = np.zeros((len(usages), 10), np.uint8)
    votes[:, 0] = np.arange(len(usages)) % 9 + 1
    lines = [
        f"{usage},fer{i:07}.png,{','.join(map(str, row))}"
        for i, (usage, row) in enumerate(zip(usages, votes, strict=True))
    ]
    path.write_text("\n".join([FERPLUS_HEADER, *lines]) + "\n")
    return votes


def write_tree(root: Path, splits: dict[str, int], names: Iterable[str] = EXPRESSIONS, *, seed: int = 0) -> np.ndarray:
    """Write ``count`` PNG faces per split and class to ``root/<split>/<name>/`` and return them in reading order."""
    names = sorted(names)
    faces = draw_faces(sum(splits.values()) * len(names), seed=seed)
    remaining = iter(faces)
    for split, count in splits.items():
        for name in names:
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(next(remaining)).save(folder / f"{i:04}.png")
    return faces


def catch_message(call: Callable[[], object]) -> str:
    """Return the message of the DataError that a call raises, or '' if it raises none."""
    try:
        call()
    except DataError as error:
        return str(error)
    return ""

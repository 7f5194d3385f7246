"""Hostile FER2013 tables and FER+ votes, plain and packed."""

import functools
import random
import tempfile
from pathlib import Path

import numpy as np
from data_sources import format_icml_table, format_table, make_rows, pack, write_votes

from fer.data.preparation import prepare_dataset
from fer.data.sources.tables import read_table, read_votes
from fuzz.harness import MOST_SECONDS, Input, WrongAnswer
from fuzz.mutators import mutate_bytes

_FORMS = ("csv", "csv", "csv", "gz", "bz2", "xz", "zip", "tar", "tar.gz", "tar.bz2", "tar.xz")
#: Forms with a checksum over the whole table, so that damage to the packed bytes cannot give other faces.
_CHECKED = ("gz", "bz2", "xz")
_NUM_ROWS = 21


@functools.cache
def _build_table(icml: bool) -> bytes:
    return (format_icml_table if icml else format_table)(make_rows(_NUM_ROWS))


@functools.cache
def _pack_table(form: str, icml: bool) -> bytes:
    return pack(form, _build_table(icml))


@functools.cache
def _pack_votes(form: str) -> bytes:
    return pack(form, _build_votes(), "fer2013new.csv")


@functools.cache
def _build_votes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.csv"
        write_votes(path, [row[2] for row in make_rows(_NUM_ROWS)])
        return path.read_bytes()


def _name_file(stem: str, form: str) -> str:
    return f"{stem}.csv" if form == "csv" else f"{stem}.csv.{form}"


class Tables:
    """Tables: damage inside a file before it is packed, and to the packed file."""

    name = "tables"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a table."""
        form, icml, is_inside = random.choice(_FORMS), random.random() < 0.3, random.random() < 0.3
        if is_inside:
            content = pack(form, mutate_bytes(random, _build_table(icml)))
        else:
            content = mutate_bytes(random, _pack_table(form, icml))
        return Input(content, _name_file("inside" if is_inside else "packed", form))

    def read(self, path: Path) -> None:
        """Prepare the table, leaving bad rows out."""
        raw = read_table(path)
        is_packed = path.name.startswith("packed") and path.name.endswith(tuple(f"csv.{form}" for form in _CHECKED))
        if is_packed and not _is_part(raw.faces, _read_faces()):
            raise WrongAnswer("faces that the table does not hold")
        prepare_dataset(path, "fuzzed", path.parent / "data", skip_bad=True, overwrite=True)


@functools.cache
def _read_faces() -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fer2013.csv"
        path.write_bytes(_build_table(False))
        return read_table(path).faces


def _is_part(faces: np.ndarray, whole: np.ndarray) -> bool:
    known = {face.tobytes() for face in whole}
    return all(face.tobytes() in known for face in faces)


class Votes:
    """FER+ votes, in every form in which a table may be."""

    name = "votes"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw votes."""
        form = random.choice(_FORMS)
        if random.random() < 0.5:
            content = pack(form, mutate_bytes(random, _build_votes()), "fer2013new.csv")
        else:
            content = mutate_bytes(random, _pack_votes(form))
        return Input(content, _name_file("fer2013new", form))

    def read(self, path: Path) -> None:
        """Read the votes of a whole table."""
        table = path.with_name("fer2013.csv")
        table.write_bytes(_build_table(False))
        votes = read_votes(path, read_table(table))
        if votes.shape != (_NUM_ROWS, 10):
            raise WrongAnswer(f"votes of shape {votes.shape}")

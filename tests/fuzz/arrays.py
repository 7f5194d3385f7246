"""Hostile .npz files: prepared data sets, and the checkpoints of an unfinished run."""

import functools
import io
import random
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from fer.data import draw_sample
from fer.data.dataset import load_dataset, save_dataset
from fer.training.state import RunState, load_state, save_state
from fuzz.harness import MOST_SECONDS, Input, WrongAnswer
from fuzz.mutators import TOKENS, mutate_bytes


class Datasets:
    """Prepared data sets: a file is refused, or holds the faces that were saved."""

    name = "npz"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a file."""
        return Input(_damage(random, _build_dataset()), "fuzzed.npz")

    def read(self, path: Path) -> None:
        """Load the data set."""
        if load_dataset(path).fingerprint != _build_fingerprint():
            raise WrongAnswer("another data set than the one that was saved")


@functools.cache
def _build_dataset() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return save_dataset(draw_sample(140, name="fuzzed"), folder).read_bytes()


@functools.cache
def _build_fingerprint() -> str:
    return draw_sample(140, name="fuzzed").fingerprint


class States:
    """Checkpoints: a damaged newest one falls back to the one before, and is never read as another state."""

    name = "states"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a file."""
        return Input(_damage(random, _build_states()[1]), "state-00002.npz")

    def read(self, path: Path) -> None:
        """Load the newest whole checkpoint, and compare it with what was saved."""
        path.with_name("state-00001.npz").write_bytes(_build_states()[0])
        lines: list[str] = []
        state = load_state(path.parent, log=lines.append)
        if not _are_equal(state, _build_state(state.epoch)):
            raise WrongAnswer(f"state {state.epoch} differs from the saved one")
        if len(lines) != 2 - state.epoch or any(len(line) > 300 or not line.isprintable() for line in lines):
            raise WrongAnswer(f"the fall-back to state {state.epoch} is reported as {lines}")


def _build_state(epoch: int) -> RunState:
    draw = np.random.default_rng(epoch)
    shapes = ((3, 3, 1, 8), (8,), (), (8, 14))
    variables = [draw.standard_normal(shape).astype(np.float32) for shape in shapes]
    return RunState(epoch, variables, variables[:2], [{"epoch": index + 1, "loss": 0.5} for index in range(epoch)])


@functools.cache
def _build_states() -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        first, second = (save_state(Path(folder), _build_state(epoch)).read_bytes() for epoch in (1, 2))
        return first, second


def _are_equal(state: RunState, saved: RunState) -> bool:
    pairs = ((state.variables, saved.variables), (state.best, saved.best))
    return state.history == saved.history and all(
        len(one) == len(other)
        and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        for one, other in pairs
    )


def _damage(random: random.Random, content: bytes) -> bytes:
    """Return an .npz file with damage to its bytes, or with whole members that are changed."""
    if random.random() < 0.6:
        return mutate_bytes(random, content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(list(members))
    match random.randrange(4):
        case 0:
            del members[name]
        case 1:
            members[name.replace("e", random.choice("ab"), 1)] = members.pop(name)
        case 2:
            # The version and the length of the header, and the header itself.
            start = random.randrange(6, 100)
            token = random.choice((*TOKENS, struct.pack("<H", random.randrange(2**16)), b"|O", b"<U9"))
            members[name] = members[name][:start] + token + members[name][start + len(token) :]
        case _:
            members[name] = members[name][: random.randrange(len(members[name]))]
    return _zip(members)


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()

"""Checkpoints of an unfinished run: everything that the next epoch depends on, in files written atomically."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer.errors import ModelError
from fer.files import write_atomically

_KEPT = 2


@dataclass(frozen=True)
class RunState:
    """A run after a number of whole epochs.

    Args:
        epoch: number of epochs done.
        variables: every variable of the network and its optimiser, in order.
        best: the weights with the best validation score so far, in the network's order.
        history: one dictionary of plain JSON values per epoch.
    """

    epoch: int
    variables: list[np.ndarray]
    best: list[np.ndarray]
    history: list[dict[str, Any]]


def save_state(folder: Path, state: RunState) -> Path:
    """Write ``state-<epoch>.npz`` atomically, then remove all but the newest two."""
    arrays = {f"variable{index}": value for index, value in enumerate(state.variables)}
    arrays |= {f"best{index}": value for index, value in enumerate(state.best)}
    history = np.frombuffer(json.dumps(state.history).encode(), np.uint8)
    path = folder / f"state-{state.epoch:05d}.npz"
    write_atomically(path, lambda stream: np.savez(stream, allow_pickle=False, history=history, **arrays))
    for old in _list_states(folder)[_KEPT:]:
        old.unlink()
    return path


def load_state(folder: Path, *, log: Callable[[str], None] = print) -> RunState:
    """Read the newest whole checkpoint; damaged ones are reported through ``log`` and skipped.

    Raises:
        ModelError: there is no whole checkpoint.
    """
    for path in _list_states(folder):
        try:
            return _read_state(path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
            log(f"{path.name} is damaged ({error}); falling back to the checkpoint before it.")
    raise ModelError(f"A run is resumed from a whole checkpoint. Received: none in {folder}. Remedy: start a new run.")


def remove_states(folder: Path) -> None:
    """Remove the checkpoints of a finished run, whole or not, and their folder if nothing else is in it."""
    for path in folder.glob("state-*"):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _list_states(folder: Path) -> list[Path]:
    return sorted(folder.glob("state-*.npz"), reverse=True)


def _read_state(path: Path) -> RunState:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
    history = json.loads(arrays.pop("history").tobytes())
    variables = [arrays[f"variable{index}"] for index in range(sum(name.startswith("variable") for name in arrays))]
    best = [arrays[f"best{index}"] for index in range(sum(name.startswith("best") for name in arrays))]
    return RunState(int(path.stem.removeprefix("state-")), variables, best, history)

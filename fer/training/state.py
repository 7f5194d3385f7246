"""Checkpoints of an unfinished run: everything that the next epoch depends on, in files written atomically."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer.errors import ModelError, shorten, shorten_path
from fer.files import BROKEN_ARRAYS, write_atomically

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
    counts = np.array([len(state.variables), len(state.best)])
    path = folder / f"state-{state.epoch:05d}.npz"
    write_atomically(
        path, lambda stream: np.savez(stream, allow_pickle=False, history=history, counts=counts, **arrays)
    )
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
        except BROKEN_ARRAYS as error:
            reason = shorten(error) or type(error).__name__
            log(f"{shorten_path(path.name)} is damaged ({reason}); falling back to the checkpoint before it.")
    raise ModelError(
        f"A run is resumed from a whole checkpoint. Received: none in {shorten_path(folder)}. Remedy: start a new run."
    )


def remove_states(folder: Path) -> None:
    """Remove the checkpoints of a finished run, whole or not, and their folder if nothing else is in it."""
    for path in folder.glob("state-*"):
        path.unlink()
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _list_states(folder: Path) -> list[Path]:
    return sorted(folder.glob("state-*.npz"), reverse=True)


def _read_state(path: Path) -> RunState:
    epoch = int(path.stem.removeprefix("state-"))
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
        arrays = {name: content[name] for name in content.files}
    if not all(isinstance(value, np.ndarray) for value in arrays.values()):
        raise ValueError("a member is not an array")
    history = json.loads(arrays.pop("history").tobytes())
    # Checkpoints from before version 0.2 do not have the counts.
    counts = arrays.pop("counts", None)
    variables, best = _take(arrays, "variable"), _take(arrays, "best")
    if arrays or (counts is not None and counts.tolist() != [len(variables), len(best)]):
        raise ValueError("its members are not those that were written")
    return RunState(epoch, variables, best, history)


def _take(arrays: dict[str, np.ndarray], kind: str) -> list[np.ndarray]:
    """Remove and return the arrays ``<kind>0``, ``<kind>1`` and so on."""
    return [arrays.pop(f"{kind}{index}") for index in range(sum(name.startswith(kind) for name in arrays))]

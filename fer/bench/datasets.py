"""Time and memory of ``invoke preprocess`` and ``invoke train`` on generated data sets of growing size."""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer.bench.memory import read_memory
from fer.config import load_config
from fer.data.drawn.sample import draw_sample
from fer.errors import ModelError
from fer.labels import FACE_SIZE
from fer.training.augmentation import Augmentation, augment_faces, draw_augmentation, mix_faces

#: Each data set has twice the faces of the one before.
_NUM_SIZES = 4
#: Drawn faces from which all others are made, and faces that are made at a time.
_NUM_DRAWN, _CHUNK = 1000, 1000
#: Shares of validation and test.
_HELD_OUT = 0.1
_USAGES = (b"Training", b"PublicTest", b"PrivateTest")
_PREPARE = """
import sys
from fer.data import prepare_dataset
prepare_dataset(sys.argv[1], "generated", sys.argv[2])
"""
_TRAIN = """
import sys
from fer.config import load_config
from fer.data import load_dataset
from fer.training import train
phases = '[{"name": "main", "epochs": 1, "learning_rate": 0.004}]'
config = load_config("sample", overrides=["training.batch_size=256", f"training.phases={phases}"])
train(load_dataset("generated", sys.argv[1]), config, sys.argv[2], progress=False, log=lambda line: None)
"""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Args:
        seconds: from its start to its end.
        core_seconds: time of cores, which other processes change little; 0 on Windows.
        memory: largest memory of its own in MB, without mapped files; None on a system without ``/proc``.
    """

    seconds: float
    core_seconds: float
    memory: float | None


def run_dataset_bench(*, faces: int = 80_000, log: Callable[[str], None] = print) -> None:
    """Prepare generated tables and train one epoch on each, in fresh processes, and print what it took.

    Args:
        faces: number of faces of the largest of four data sets, each twice as large as the one before.
        log: called with each line of output.

    Raises:
        ModelError: a process fails.
    """
    sizes = [faces >> step for step in reversed(range(_NUM_SIZES))]
    costs: dict[str, list[Cost]] = {"preprocess": [], "train, one epoch": []}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            table, data, run = (Path(name) / part for part in ("table.csv", "data", "run"))
            write_table(table, size)
            costs["preprocess"].append(measure_process(_PREPARE, table, data))
            table.unlink()
            costs["train, one epoch"].append(measure_process(_TRAIN, data, run))
        for what, measured in costs.items():
            log(f"{size:,} faces: {what} {describe_cost(measured[-1])}")
    for what, measured in costs.items():
        growth = compute_growth(sizes, [cost.core_seconds for cost in measured])
        log(f"{what}: from {sizes[-2]:,} to {sizes[-1]:,} faces, core-seconds grow with the power {growth:.2f}")


def describe_cost(cost: Cost) -> str:
    """Return the figures of a process as text."""
    memory = "" if cost.memory is None else f", {cost.memory:.0f} MB"
    return f"{cost.seconds:.1f} s, {cost.core_seconds:.1f} core-seconds{memory}"


def compute_growth(sizes: list[int], seconds: list[float]) -> float:
    """Return the power of the size with which time grew between the two largest sizes; NaN where it is not measured."""
    if not seconds[-2]:
        return math.nan
    return math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])


def write_table(path: Path, num_faces: int) -> None:
    """Write a FER2013 table of drawn faces, all different: augmented, and mixed in pairs.

    Args:
        path: the file.
        num_faces: rows of the table; a tenth of them are validation, and a tenth are test.
    """
    drawn = draw_sample(_NUM_DRAWN)
    digits = [b"%d" % grey for grey in range(256)]
    generator = np.random.default_rng(0)
    usages = generator.choice(len(_USAGES), num_faces, p=(1 - 2 * _HELD_OUT, _HELD_OUT, _HELD_OUT))
    with path.open("wb") as stream:
        stream.write(b"emotion,pixels,Usage\n")
        for start in range(0, num_faces, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, num_faces)) % len(drawn)
            faces = _vary(drawn.faces, rows, start)
            for row, face, usage in zip(rows, faces, usages[start:], strict=False):
                pixels = b" ".join([digits[grey] for grey in face.ravel()])
                stream.write(b"%d,%b,%b\n" % (drawn.labels[row], pixels, _USAGES[usage]))


def _vary(faces: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """Return variants of some faces, uint8 (B, 48, 48): augmented, and each mixed with another one."""
    config = load_config("teacher")
    draws: Augmentation = draw_augmentation(
        len(rows), FACE_SIZE, config.augmentation, config.training.phases[0], epoch=0, seed=seed
    )
    augmented = augment_faces(faces[rows], draws)
    share = np.random.default_rng(seed).uniform(0.5, 0.8, len(rows))
    mixed: np.ndarray = np.rint(mix_faces(augmented, augmented[draws.partner], share)).astype(np.uint8)
    return mixed


def measure_process(script: str, *arguments: Path) -> Cost:
    """Run a script in a fresh process and return what it took.

    Args:
        script: Python code.
        arguments: its arguments.

    Raises:
        ModelError: the process fails.
    """
    start, before, memory = time.perf_counter(), os.times(), None
    with subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if (now := read_memory(process.pid, exclude_mapped=True)) is not None:
                memory = max(now, memory or 0.0)
            time.sleep(0.02)
    if process.returncode:
        raise ModelError(
            f"A fresh process must prepare or train. Received: exit code {process.returncode}."
            " Remedy: free memory and disk space, or ask for fewer faces with --faces."
        )
    after = os.times()
    core_seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(time.perf_counter() - start, core_seconds, memory)

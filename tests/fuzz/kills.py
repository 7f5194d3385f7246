"""A training that is killed and resumed ends with the weights of one that was not."""

import functools
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import h5py
from training_runs import RUN_FILES, make_config

from fer.data import draw_sample
from fer.data.dataset import save_dataset
from fuzz.harness import Input, WrongAnswer

_ROOT = Path(__file__).parents[2]
#: A training, killed in the middle of the write of the given number.
_SCRIPT = """
import os, signal, sys
write, folder, data, config = int(sys.argv[1]), *sys.argv[2:]
fsync, count = os.fsync, 0

def kill(descriptor):
    global count
    count += 1
    if count == write:
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

os.fsync = kill
from fer.config import load_config
from fer.data import load_dataset
from fer.runs import Run
from fer.training import train
resume = Run(__import__("pathlib").Path(folder)).is_begun
train(load_dataset(data), load_config("sample", config), folder, resume=resume, progress=False,
      log=lambda line: print(line, flush=True))
"""


class Kills:
    """Moments at which a tiny training is killed: after some seconds, or within the write of a file."""

    name = "kill"
    most_seconds = 600.0

    def draw(self, random: random.Random) -> Input:
        """Draw one to three moments, as a share of the time of the training, or the number of a write."""
        kinds = [random.choice(("share", "write")) for _ in range(random.choice((1, 1, 2, 3)))]
        moments = [(kind, random.random() if kind == "share" else random.randrange(1, 16)) for kind in kinds]
        return Input(json.dumps(moments).encode(), "moments.json")

    def read(self, path: Path) -> None:
        """Kill the training at each moment, then let it end, and compare the network and the files."""
        folder = path.with_name("run")
        for kind, moment in json.loads(path.read_bytes()):
            process = _start(folder, moment if kind == "write" else 0)
            if kind == "share":
                _wait_for_training(process)
                time.sleep(moment * _train_once()[1])
                process.send_signal(signal.SIGKILL)
            _, errors = process.communicate(timeout=300)
            if process.returncode not in (0, -signal.SIGKILL):
                raise WrongAnswer(f"exit code {process.returncode}: {errors[-1500:]}")
            if (folder / "model.keras").exists():
                break
        if not (folder / "model.keras").exists():
            _finish(folder)
        if compute_digest_of_weights(folder) != _train_once()[0]:
            raise WrongAnswer("other weights than those of an uninterrupted training")
        others = {file.name for file in folder.iterdir()} - RUN_FILES - {"state"}
        if any(not re.search(r"\.tmp", name) for name in others - {"train.lock"}):
            raise WrongAnswer(f"files that are left over: {others}")


def _start(folder: Path, write: int = 0) -> "subprocess.Popen[str]":
    inputs = _write_inputs()
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", _SCRIPT, str(write), folder, inputs / "sample.npz", inputs / "config.json"]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def _wait_for_training(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Training "):
            return


def _finish(folder: Path) -> float:
    process = _start(folder)
    _wait_for_training(process)
    start = time.monotonic()
    _, errors = process.communicate(timeout=300)
    if process.returncode:
        raise WrongAnswer(f"the killed training does not end: {errors[-1500:]}")
    return time.monotonic() - start


def compute_digest_of_weights(folder: Path) -> str:
    """Return a digest of the weights of a finished run."""
    with zipfile.ZipFile(folder / "model.keras") as archive, archive.open("model.weights.h5") as stream:
        values: list[bytes] = []
        with h5py.File(stream) as content:
            content.visititems(lambda name, item: values.append(item[()].tobytes()) if hasattr(item, "dtype") else None)
    return hashlib.sha256(b"".join(values)).hexdigest()


@functools.cache
def _write_inputs() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-kill-"))
    save_dataset(draw_sample(140), folder)
    (folder / "config.json").write_text(make_config().to_json())
    return folder


@functools.cache
def _train_once() -> tuple[str, float]:
    """Train without a kill; return the digest of the weights, and the seconds of the training."""
    folder = _write_inputs() / "whole"
    seconds = _finish(folder)
    return compute_digest_of_weights(folder), seconds

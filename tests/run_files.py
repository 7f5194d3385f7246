"""What a run folder holds in each of its states."""

import numpy as np

from fer.config import load_config
from fer.training.state import RunState, save_state

DIGEST = "f4" * 32


def write_finished(run):
    run.write_config(load_config("sample"))
    run.model.write_bytes(b"network")


def write_unfinished(run):
    run.write_config(load_config("sample"))
    save_state(run.state, RunState(1, [np.zeros(1)], [], []))


def write_interrupted(run):
    """Write what a run has before its first checkpoint."""
    run.write_provenance({"data_sha256": DIGEST, "teachers": {}})
    run.write_config(load_config("sample"))


def write_strangers(run):
    run.folder.mkdir()
    (run.folder / "notes.txt").write_text("mine")
    (run.folder / "config.json").write_text('{"mine": true}')


def read_files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

import contextlib
from pathlib import Path

import numpy as np
import pytest
from run_files import read_files, write_finished, write_interrupted, write_strangers, write_unfinished

from fer.config import load_config
from fer.data import draw_sample
from fer.errors import ModelError
from fer.runs import Run
from fer.training import train
from fer.training.run_folders import (
    check_free,
    check_replaceable,
    check_resumable,
    move_aside,
    remove_replaced,
    restore_replaced,
)
from fer.training.state import RunState, save_state


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_finished, "which holds a finished one"),
        (write_unfinished, "which holds an unfinished one.*--resume"),
        (write_strangers, r"which holds config\.json but no run"),
    ],
)
def test_a_folder_with_a_run_or_its_file_names_is_not_free(run, write, message):
    write(run)
    with pytest.raises(ModelError, match=message):
        check_free(run)


@pytest.mark.parametrize("write", [lambda run: None, lambda run: run.folder.mkdir(), write_interrupted])
def test_a_folder_without_a_network_or_checkpoint_is_free(run, write):
    write(run)
    check_free(run)


def test_a_folder_with_files_of_other_names_is_free(run):
    run.folder.mkdir()
    (run.folder / "notes.txt").touch()
    check_free(run)


def test_an_unfinished_run_is_resumable(run):
    write_unfinished(run)
    check_resumable(run)


@pytest.mark.parametrize(
    ("write", "message"),
    [(write_finished, "holds a finished run"), (lambda run: None, "holds none"), (write_interrupted, "holds none")],
)
def test_other_runs_are_not_resumable(run, write, message):
    write(run)
    with pytest.raises(ModelError, match=message):
        check_resumable(run)


@pytest.mark.parametrize(
    "write", [write_finished, write_unfinished, write_interrupted, lambda run: None, lambda run: run.folder.mkdir()]
)
def test_a_run_or_an_empty_folder_is_replaceable(run, write):
    write(run)
    check_replaceable(run)


def test_a_folder_of_other_files_is_not_replaceable(run):
    write_strangers(run)
    with pytest.raises(ModelError, match="which holds other files"):
        check_replaceable(run)


def test_a_file_is_not_replaceable(run):
    run.folder.write_text("mine")
    with pytest.raises(ModelError, match="which holds other files"):
        check_replaceable(run)


@pytest.mark.parametrize("overwrite", [False, True])
def test_training_leaves_a_folder_of_other_files_untouched(run, overwrite):
    write_strangers(run)
    before = read_files(run.folder)
    with pytest.raises(ModelError, match="name another folder with --run"):
        train(draw_sample(140), load_config("sample"), run.folder, overwrite=overwrite, progress=False)
    assert read_files(run.folder) == before


def test_removing_the_files_of_a_run_keeps_other_files(run):
    write_finished(run)
    write_unfinished(run)
    for path in (run.metrics, run.curves, run.folder / "notes.txt", run.folder / "plots" / "roc.png"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("content")
    move_aside(run)
    remove_replaced(run)
    assert set(read_files(run.folder)) == {Path("notes.txt"), Path("plots/roc.png")}


def write_run(folder):
    run = Run(folder)
    run.write_config(load_config("mini"))
    run.write_provenance({"data_sha256": "a", "teachers": {}})
    run.model.write_bytes(b"network")
    return run


@pytest.mark.parametrize(
    "files",
    [
        {"letter.txt": "dear"},
        {"config.json": '{"name": "another tool"}', "model.keras": "network"},
        {"provenance.json": '{"source": "another tool"}'},
        {"config.json": "no json", "model.keras": "network"},
    ],
)
def test_a_folder_without_a_runs_own_marks_is_not_replaceable(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ModelError, match="other files"):
        check_replaceable(Run(tmp_path))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_replaced_run_is_aside_until_the_new_one_has_a_checkpoint(tmp_path):
    run = write_run(tmp_path / "run")
    (run.folder / "letter.txt").write_text("dear")
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    move_aside(run)
    assert sorted(path.name for path in run.folder.iterdir()) == ["letter.txt", "replaced"]
    run.write_config(load_config("small"))
    restore_replaced(run)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    move_aside(run)
    run.state.mkdir()
    (run.state / "state-00001.npz").write_bytes(b"")
    restore_replaced(run)
    assert not run.is_finished
    remove_replaced(run)
    assert sorted(path.name for path in run.folder.iterdir()) == ["letter.txt", "state"]


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("num_moves", range(1, 12))
def test_a_run_whose_move_was_interrupted_comes_back_whole(tmp_path, monkeypatch, is_finished, num_moves):
    """``num_moves`` files are moved, aside or back, before each of two interruptions."""
    run = write_run(tmp_path / "run")
    if not is_finished:
        run.model.unlink()
        save_state(run.state, RunState(1, [np.zeros(1)], [], []))
    for path in (run.history, run.metrics, run.calibration):
        path.write_text("old")
    before = read_files(run.folder)
    for step in (move_aside, restore_replaced):
        with monkeypatch.context() as context:
            moves = iter(range(num_moves))
            replace = Path.replace

            def move(path, target, moves=moves, replace=replace):
                if next(moves, None) is None:
                    raise KeyboardInterrupt
                return replace(path, target)

            context.setattr(Path, "replace", move)
            with contextlib.suppress(KeyboardInterrupt):
                step(run)
                if step == move_aside:
                    write_interrupted(run)
    restore_replaced(run)
    assert read_files(run.folder) == before
    assert not run.replaced.exists()


def test_the_run_before_the_replaced_one_is_not_mixed_into_it(tmp_path):
    run = write_run(tmp_path / "run")
    run.metrics.write_text("old")
    move_aside(run)
    # Killed after the first checkpoint, before the replaced run is removed; then replaced by a third one.
    write_unfinished(run)
    before = read_files(run.folder / "state")
    move_aside(run)
    restore_replaced(run)
    assert read_files(run.folder / "state") == before
    assert not run.metrics.exists()

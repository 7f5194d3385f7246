"""The script of a training session on a GPU, without training."""

import importlib.util
import json
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest

from fer.config import load_config, parse_config
from fer.training.distillation import find_teacher

SCRIPT = Path(__file__).parents[1] / "docs" / "experiments" / "gpu_session.py"


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_SESSION", str(tmp_path))
    # The script sets these if they are missing.
    for name in ("XLA_PYTHON_CLIENT_PREALLOCATE", "JAX_COMPILATION_CACHE_DIR"):
        monkeypatch.setenv(name, "false" if name.startswith("XLA") else str(tmp_path / "xla"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")
    specification = importlib.util.spec_from_file_location("gpu_session", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["teacher-0", "teacher-1", "teacher-2", "teacher-3"])
def test_the_script_has_the_settings_of_the_kept_teachers(session, name):
    with np.load(session.KEPT / f"{name}.npz") as content:
        texts = json.loads(str(content["texts"]))
    assert session.build_config(name, session.TEACHERS[name][-1]) == parse_config(json.loads(texts["config"]))


@pytest.mark.parametrize("name", ["student", "mini"])
def test_students_have_the_settings_of_their_presets(session, name):
    config, preset = session.build_config(name, 20), load_config(session.STUDENTS[name])
    assert config.training.epochs == 20
    assert (config.model, config.augmentation, config.degradation) == (
        preset.model,
        preset.augmentation,
        preset.degradation,
    )
    assert config.distillation.views == preset.distillation.views


def test_the_kept_teachers_become_run_folders_that_students_can_use(session):
    names = ["teacher-0", "teacher-1", "teacher-2", "teacher-3"]
    session.unpack_teachers(session.ROOT, names)
    runs = [find_teacher(str(session.ROOT / name)) for name in names]
    assert [keras.models.load_model(run.model).count_params() for run in runs] == [3_114_866, 4_418_198] * 2
    assert [Path(teacher).name for teacher in session.build_config("student", 20).distillation.teacher] == names
    with pytest.raises(SystemExit, match="overwritten"):
        session.unpack_teachers(session.ROOT, names[:1])


def test_a_teacher_that_is_not_kept_leaves_no_folder(session):
    with pytest.raises(SystemExit, match="teacher-7"):
        session.unpack_teachers(session.ROOT, ["teacher-0", "teacher-7"])
    assert not list(session.ROOT.iterdir())


@pytest.fixture
def run(session, monkeypatch):
    """Run a session whose parts are short processes; some of them fail."""
    started = []

    def launch(part, *values, smoke=False):
        name = str(values[0]) if part in ("teacher", "student") else part
        started.append(name)
        if part == "probe":
            (session.ROOT / "probe.json").write_text("0.5")
        return subprocess.Popen([sys.executable, "-c", f"raise SystemExit({int(name in failing)})"])

    def run(*names, train=()):
        failing.extend(names)
        times = {"seconds": 20.0, "mini_seconds": 20.0, "reserve": 1.0, "epoch_seconds": 0.8}
        options = types.SimpleNamespace(smoke=True, views=2, mini_epochs=1, train=list(train), **times)
        session.run_session(options)

    failing = []
    run.started = started
    monkeypatch.setenv("FER_STARTED", "0")
    monkeypatch.setattr(session, "launch", launch)
    return run


def test_a_session_starts_all_its_parts_once(session, run):
    run(train=["teacher-2"])
    assert run.started == ["probe", "teacher-2", "unpack", "views", "student", "mini"]
    assert (session.ROOT / "session.done").exists()
    with pytest.raises(SystemExit, match="new folder"):
        run()


def test_a_session_that_trains_all_teachers_unpacks_none(session, run):
    run(train=session.TEACHERS)
    assert "unpack" not in run.started


@pytest.mark.parametrize("name", ["probe", "views", "student", "mini"])
def test_a_session_names_the_part_that_failed(session, run, name):
    with pytest.raises(SystemExit, match=name):
        run(name)
    assert (session.ROOT / "session.done").exists()


@pytest.mark.parametrize("name", ["unpack", "teacher-2"])
def test_no_student_is_trained_if_a_teacher_is_missing(session, run, name):
    with pytest.raises(SystemExit, match="teacher is missing"):
        run(name, train=["teacher-2"])
    assert not {"views", "student"} & set(run.started)
    assert (session.ROOT / "session.done").exists()


def test_results_are_not_written_into_a_folder_with_files(session, tmp_path):
    (tmp_path / "student.npz").touch()
    with pytest.raises(SystemExit, match="overwritten"):
        session.collect(tmp_path, [], 0.0)


def test_results_need_a_session(session, tmp_path):
    with pytest.raises(SystemExit, match="no session"):
        session.collect(tmp_path / "out", [], 0.0)


def test_results_that_cannot_be_written_are_an_error(session, tmp_path, monkeypatch, capsys):
    (session.ROOT / "session.log").write_text("0 s  start\n")
    run = session.ROOT / "student"
    run.mkdir()
    (run / "history.csv").write_text("epoch\n1\n")
    (run / "model.keras").write_text("damaged")
    with pytest.raises(SystemExit, match="student"):
        session.collect(tmp_path / "out", [], 0.0)
    assert "start" in capsys.readouterr().out


def test_the_best_weights_of_a_run_are_collected(session, tmp_path):
    (session.ROOT / "session.log").write_text("0 s  start\n")
    (session.ROOT / "session.done").touch()
    session.unpack_teachers(session.ROOT, ["teacher-0", "teacher-1"])
    (session.ROOT / "teacher-0" / "history.csv").write_text("epoch\n1\n")
    session.collect(tmp_path / "out", [], 5.0)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["logs.txt", "teacher-0.npz"]
    with np.load(tmp_path / "out" / "teacher-0.npz") as content, np.load(session.KEPT / "teacher-0.npz") as kept:
        for name in set(kept.files) - {"texts"}:
            np.testing.assert_array_equal(content[name], kept[name])
        assert json.loads(str(content["texts"]))["finished"]


def test_the_kept_teachers_are_those_of_the_presets(session):
    for name in session.STUDENTS.values():
        assert [Path(teacher).name for teacher in load_config(name).distillation.teacher] == list(session.TEACHERS)

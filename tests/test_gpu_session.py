"""The script of a training session on a GPU, without training."""

import importlib.util
import json
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


def test_the_kept_teachers_are_those_of_the_presets(session):
    for name in session.STUDENTS.values():
        assert [Path(teacher).name for teacher in load_config(name).distillation.teacher] == list(session.TEACHERS)

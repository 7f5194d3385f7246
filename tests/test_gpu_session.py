"""The script of a training session on a GPU, without training."""

import importlib.util
from pathlib import Path

import keras
import pytest

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


def test_the_settings_of_all_networks_are_valid(session):
    for name in (*session.TEACHERS, *session.STUDENTS):
        config = session.build_config(name, 20)
        assert config.training.epochs == 20
        assert bool(config.distillation.views) == (name in session.STUDENTS)


def test_the_kept_teachers_become_run_folders_that_students_can_use(session):
    session.unpack_teachers(session.ROOT)
    parameters = {}
    for name in ("teacher-adamw", "teacher-plain-adamw"):
        run = find_teacher(str(session.ROOT / name))
        parameters[name] = keras.models.load_model(run.model).count_params()
    assert parameters == {"teacher-adamw": 3_114_866, "teacher-plain-adamw": 4_418_198}
    teachers = session.build_config("student-robust", 20).distillation.teacher
    assert [Path(teacher).name for teacher in teachers] == ["teacher-adamw", "teacher-plain-adamw", "xception"]

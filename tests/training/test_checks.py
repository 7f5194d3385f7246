import shutil

import pytest
from training_runs import ONE_EPOCH, ignore, make_config

from fer import runs
from fer.config import load_config
from fer.errors import ModelError, SettingsError
from fer.model.xception import build_xception
from fer.runs import Run
from fer.training import train
from fer.training.checks import check_combinations, check_preset_teachers
from fer.training.provenance import describe_provenance
from fer.training.state import RunState, save_state
from fer.training.trainer import read_initial_weights


@pytest.mark.parametrize(
    ("overrides", "match"),
    [
        (["training.layers=head"], "no training.initial_run"),
        (["distillation.teacher=x", "distillation.views=2"], "2 views without it"),
        (
            ["distillation.teacher=x", "distillation.consistent=true", "training.engine=device"],
            "without distillation.views",
        ),
    ],
)
def test_a_setting_that_would_be_ignored_is_refused(overrides, match):
    with pytest.raises(SettingsError, match=match):
        check_combinations(load_config("sample", overrides=[ONE_EPOCH, *overrides]))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["training.layers=head", "training.initial_run=x"],
        ["distillation.views=2"],
        ["distillation.teacher=x", "distillation.consistent=true", "distillation.views=2", "training.engine=device"],
        ["distillation.teacher=x", "distillation.consistent=true"],
    ],
)
def test_settings_that_fit_each_other_are_accepted(overrides):
    check_combinations(load_config("sample", overrides=[ONE_EPOCH, *overrides]))


def test_all_folders_of_missing_teachers_are_checked_before_the_first_is_trained(dataset, tmp_path):
    occupied = Run(tmp_path / "second")
    occupied.folder.mkdir()
    occupied.config.write_text("mine")
    teachers = f'distillation.teacher=["{tmp_path / "first"}", "{occupied.folder}"]'
    config = load_config("sample", overrides=[teachers, "distillation.teacher_preset=sample", ONE_EPOCH])
    with pytest.raises(ModelError, match="must not replace other files"):
        train(dataset, config, tmp_path / "run", progress=False, log=ignore)
    assert not (tmp_path / "first").exists()


def test_a_teacher_of_other_data_is_refused_before_a_missing_one_is_trained(finished, tmp_path):
    teachers = f'distillation.teacher=["{tmp_path / "first"}", "{finished.folder}"]'
    config = load_config("sample", overrides=[teachers, "distillation.teacher_preset=sample"])
    with pytest.raises(ModelError, match="which was trained on 'sample'"):
        check_preset_teachers(config, "other")


def test_a_missing_teacher_is_not_trained_for_a_resumed_run(dataset, tmp_path):
    teacher, run = tmp_path / "teacher", Run(tmp_path / "run")
    overrides = [f"distillation.teacher={teacher}", "distillation.teacher_preset=sample", ONE_EPOCH]
    save_state(run.state, RunState(1, [], [], []))
    run.write_config(load_config("sample", overrides=overrides))
    run.write_provenance({"data_sha256": dataset.fingerprint, "teachers": {str(teacher): "0" * 64}})
    with pytest.raises(ModelError, match="A teacher must be a trained network"):
        train(dataset, make_config(), run.folder, resume=True, progress=False, log=ignore)
    assert not teacher.exists()


def test_the_initial_run_may_be_one_of_the_wheel(dataset, finished, tmp_path, monkeypatch):
    packaged = shutil.copytree(finished.folder, tmp_path / "packaged")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "PACKAGED_RUNS", {"xception": packaged})
    config = make_config(initial_run="xception")
    model = build_xception(config.model)
    assert len(read_initial_weights("xception", model)) == len(model.weights)
    assert set(describe_provenance(dataset, config, None)["initial_run"]) == {"xception"}

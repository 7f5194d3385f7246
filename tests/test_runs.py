import contextlib
import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from fer import runs
from fer.calibration import Calibration
from fer.config import load_config
from fer.data import draw_sample
from fer.errors import ModelError, SettingsError
from fer.runs import Run
from fer.training import train
from fer.training.state import RunState, save_state

OFFSETS = (0.1, 0.0, -0.1, 0.2, 0.0, 0.0, -0.2)
CALIBRATIONS = {"labels": Calibration(temperature=1.6), "votes": Calibration(offsets=OFFSETS, uncertain_below=0.3)}
DIGEST = "f4" * 32


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


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


# Finding a run


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mini", "artifacts/mini"),
        ("runs/mini", "runs/mini"),
        ("./mini", "mini"),
        (Path("mini"), "mini"),
        ("/runs/mini", "/runs/mini"),
    ],
)
def test_a_text_without_a_slash_is_a_name_and_anything_else_a_path(name, folder):
    assert Run.find(name) == Run(Path(folder))


def test_a_windows_path_is_a_path():
    assert Run.find("runs\\mini") == Run(Path("runs\\mini"))


def test_the_argument_of_a_run_under_artifacts_is_its_name():
    assert Run.find("mini").argument == "mini"


@pytest.mark.parametrize("folder", ["mini", "runs/mini", "artifacts/group/mini"])
def test_the_argument_of_another_run_is_its_absolute_path(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Run(Path(folder)).argument == str(tmp_path / folder)


@pytest.mark.parametrize("name", ["mini", "runs/mini", Path("mini")])
def test_the_argument_finds_the_run_again(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Run.find(name)
    assert Run.find(run.argument).folder.absolute() == run.folder.absolute()


def test_fer_model_may_be_a_run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path))
    assert Run.find_shipped().model == tmp_path / "model.keras"


def test_fer_model_may_be_a_keras_file(tmp_path, monkeypatch):
    path = tmp_path / "other.keras"
    path.touch()
    monkeypatch.setenv("FER_MODEL", str(path))
    assert Run.find_shipped().model == path


def test_a_missing_fer_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path / "none"))
    with pytest.raises(ModelError, match=r"none\. .*FER_MODEL") as caught:
        Run.find_shipped()
    assert "\n" not in str(caught.value)


def test_without_fer_model_the_shipped_run_is_found(monkeypatch):
    monkeypatch.delenv("FER_MODEL", raising=False)
    assert Run.find_shipped() == Run(Path(runs.__file__).parents[1] / "artifacts" / "xception")


def test_the_run_inside_a_wheel_comes_first(tmp_path, monkeypatch):
    monkeypatch.delenv("FER_MODEL", raising=False)
    monkeypatch.setattr(runs, "SHIPPED_RUNS", (tmp_path, *runs.SHIPPED_RUNS))
    assert Run.find_shipped() == Run(tmp_path)


def test_a_package_without_a_shipped_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("FER_MODEL", raising=False)
    monkeypatch.setattr(runs, "SHIPPED_RUNS", (tmp_path / "first", tmp_path / "second"))
    with pytest.raises(ModelError, match="second"):
        Run.find_shipped()


# State of the folder


@pytest.mark.parametrize(
    ("write", "is_finished", "is_begun", "is_run"),
    [
        (lambda run: None, False, False, False),
        (lambda run: run.folder.mkdir(), False, False, False),
        (write_finished, True, False, True),
        (write_unfinished, False, True, True),
        (write_interrupted, False, False, True),
        (write_strangers, False, False, False),
    ],
    ids=["missing", "empty", "finished", "unfinished", "interrupted", "strangers"],
)
def test_the_state_of_a_folder(run, write, is_finished, is_begun, is_run):
    write(run)
    assert (run.is_finished, run.is_begun, run.is_run) == (is_finished, is_begun, is_run)


def test_an_unfinished_write_is_no_checkpoint(run):
    run.state.mkdir(parents=True)
    (run.state / "state-00001.npz.123.tmp").touch()
    assert not run.is_begun


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
        run.check_free()


@pytest.mark.parametrize("write", [lambda run: None, lambda run: run.folder.mkdir(), write_interrupted])
def test_a_folder_without_a_network_or_checkpoint_is_free(run, write):
    write(run)
    run.check_free()


def test_a_folder_with_files_of_other_names_is_free(run):
    run.folder.mkdir()
    (run.folder / "notes.txt").touch()
    run.check_free()


def test_an_unfinished_run_is_resumable(run):
    write_unfinished(run)
    run.check_resumable()


@pytest.mark.parametrize(
    ("write", "message"),
    [(write_finished, "holds a finished run"), (lambda run: None, "holds none"), (write_interrupted, "holds none")],
)
def test_other_runs_are_not_resumable(run, write, message):
    write(run)
    with pytest.raises(ModelError, match=message):
        run.check_resumable()


@pytest.mark.parametrize(
    "write", [write_finished, write_unfinished, write_interrupted, lambda run: None, lambda run: run.folder.mkdir()]
)
def test_a_run_or_an_empty_folder_is_replaceable(run, write):
    write(run)
    run.check_replaceable()


def test_a_folder_of_other_files_is_not_replaceable(run):
    write_strangers(run)
    with pytest.raises(ModelError, match="which holds other files"):
        run.check_replaceable()


def test_a_file_is_not_replaceable(run):
    run.folder.write_text("mine")
    with pytest.raises(ModelError, match="which holds other files"):
        run.check_replaceable()


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
    run.move_aside()
    run.remove_replaced()
    assert set(read_files(run.folder)) == {Path("notes.txt"), Path("plots/roc.png")}


# Settings, calibrations, provenance


def test_settings_read_back_equal(run):
    config = load_config("mini", overrides=["distillation.teacher=artifacts/xception"])
    run.write_config(config)
    assert run.read_config() == config


def test_a_folder_without_settings_names_the_task_that_writes_them(run):
    with pytest.raises(ModelError, match="invoke train"):
        run.read_config()


def test_calibrations_read_back_equal(run):
    run.write_calibrations(CALIBRATIONS)
    assert run.read_calibrations() == CALIBRATIONS


def test_a_folder_without_calibrations_has_none(run):
    assert run.read_calibrations() == {}
    run.write_config(load_config("sample"))
    assert run.read_calibrations() == {}


def test_provenance_reads_back_equal(run):
    provenance = {"data_sha256": DIGEST, "teachers": {"artifacts/xception": DIGEST}}
    run.write_provenance(provenance)
    assert run.read_provenance() == provenance


def test_a_folder_without_provenance_and_settings_is_refused(run):
    with pytest.raises(ModelError, match="invoke train"):
        run.read_provenance()


def test_a_run_without_teachers_has_no_digests(run):
    run.write_config(load_config("sample"))
    assert run.read_provenance() == {"data_sha256": None, "teachers": {}}


@pytest.mark.parametrize("name", ["config", "calibration", "provenance"])
@pytest.mark.parametrize("content", [b'{"half": ', b"[1]", b"\xff\xfe", b""], ids=repr)
def test_a_damaged_file_is_an_error_of_one_line_that_names_it(run, name, content):
    path = getattr(run, name)
    path.parent.mkdir()
    path.write_bytes(content)
    read = {"config": run.read_config, "calibration": run.read_calibrations, "provenance": run.read_provenance}[name]
    with pytest.raises(SettingsError, match=path.name) as caught:
        read()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [{"labels": {"temperature": 0}}, {"labels": {"offsets": [0.0]}}, {"labels": {"slope": 1}}, {"labels": 3}]
)
def test_a_calibration_out_of_range_is_refused(run, content):
    run.folder.mkdir()
    run.calibration.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match="is not valid"):
        run.read_calibrations()


# Runs from before version 0.2, with calibrations and digests in config.json


@pytest.fixture
def former(run):
    """A run whose config.json also holds its calibrations and the digests of its teachers."""
    settings = json.loads(load_config("sample").to_json())
    settings["distillation"] |= {"teacher": ["artifacts/xception", "artifacts/other"], "sha256": [DIGEST, "0" * 64]}
    settings["calibration"] = CALIBRATIONS["labels"].model_dump()
    settings["calibration_votes"] = CALIBRATIONS["votes"].model_dump()
    run.folder.mkdir()
    run.config.write_text(json.dumps(settings))
    return run


def test_a_former_run_has_its_settings(former):
    expected = load_config("sample", overrides=['distillation.teacher=["artifacts/xception","artifacts/other"]'])
    assert former.read_config() == expected


def test_a_former_run_has_its_calibrations(former):
    assert former.read_calibrations() == CALIBRATIONS


def test_a_former_run_has_the_digests_of_its_teachers(former):
    teachers = {"artifacts/xception": DIGEST, "artifacts/other": "0" * 64}
    assert former.read_provenance() == {"data_sha256": None, "teachers": teachers}


def test_new_files_take_precedence_over_those_of_a_former_run(former):
    former.write_calibrations({"labels": Calibration(temperature=3.0)})
    former.write_provenance({"data_sha256": DIGEST, "teachers": {}})
    assert former.read_calibrations() == {"labels": Calibration(temperature=3.0)}
    assert former.read_provenance() == {"data_sha256": DIGEST, "teachers": {}}


def test_an_unknown_section_of_a_former_run_is_refused(former):
    former.config.write_text(json.dumps(json.loads(former.config.read_text()) | {"calibration_other": {}}))
    with pytest.raises(SettingsError, match="calibration_other"):
        former.read_config()


@pytest.mark.parametrize("distillation", [3, None, "text"])
def test_a_damaged_section_of_a_former_run_is_refused(former, distillation):
    former.config.write_text(json.dumps(json.loads(former.config.read_text()) | {"distillation": distillation}))
    for read in (former.read_config, former.read_provenance):
        with pytest.raises(SettingsError, match="'distillation'"):
            read()


# Replacing a run


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
        Run(tmp_path).check_replaceable()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == files


def test_a_replaced_run_is_aside_until_the_new_one_has_a_checkpoint(tmp_path):
    run = write_run(tmp_path / "run")
    (run.folder / "letter.txt").write_text("dear")
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    run.move_aside()
    assert sorted(path.name for path in run.folder.iterdir()) == ["letter.txt", "replaced"]
    run.write_config(load_config("small"))
    run.restore_replaced()
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    run.move_aside()
    run.state.mkdir()
    (run.state / "state-00001.npz").write_bytes(b"")
    run.restore_replaced()
    assert not run.is_finished
    run.remove_replaced()
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
    for step in (run.move_aside, run.restore_replaced):
        with monkeypatch.context() as context:
            moves = iter(range(num_moves))
            replace = Path.replace

            def move(path, target, moves=moves, replace=replace):
                if next(moves, None) is None:
                    raise KeyboardInterrupt
                return replace(path, target)

            context.setattr(Path, "replace", move)
            with contextlib.suppress(KeyboardInterrupt):
                step()
                if step == run.move_aside:
                    write_interrupted(run)
    run.restore_replaced()
    assert read_files(run.folder) == before
    assert not run.replaced.exists()


def test_the_run_before_the_replaced_one_is_not_mixed_into_it(tmp_path):
    run = write_run(tmp_path / "run")
    run.metrics.write_text("old")
    run.move_aside()
    # Killed after the first checkpoint, before the replaced run is removed; then replaced by a third one.
    write_unfinished(run)
    before = read_files(run.folder / "state")
    run.move_aside()
    run.restore_replaced()
    assert read_files(run.folder / "state") == before
    assert not run.metrics.exists()


@pytest.mark.parametrize("name", ["a run", "$(x)"])
def test_the_argument_of_a_run_can_be_pasted_into_a_shell(tmp_path, name):
    (word,) = shlex.split(Run(tmp_path / name).argument)
    assert Run.find(word).folder == Run.find(Run(tmp_path / name).reference).folder == tmp_path / name


def test_a_folder_that_looks_like_a_network_is_refused_before_training(tmp_path):
    dataset, folder = draw_sample(140), tmp_path / "network.keras"
    with pytest.raises(ModelError, match=r"must not end in \.keras"):
        train(dataset, load_config("sample"), folder, progress=False)
    assert not folder.exists()


def test_a_name_finds_a_run_of_the_wheel_only_if_there_is_none_in_artifacts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "PACKAGED_RUNS", {"mini": tmp_path / "packaged", "xception": tmp_path / "gone"})
    (tmp_path / "packaged").mkdir()
    assert Run.find_trained("mini").folder == tmp_path / "packaged"
    # A training never writes into the package.
    assert Run.find("mini").folder == Path("artifacts/mini")
    assert Run.find_trained("xception").folder == Path("artifacts/xception")
    Path("artifacts/mini").mkdir(parents=True)
    assert Run.find_trained("mini").folder == Path("artifacts/mini")

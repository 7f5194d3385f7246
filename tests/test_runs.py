import json
import re
import shlex
from pathlib import Path

import pytest
from run_files import DIGEST, write_finished, write_interrupted, write_strangers, write_unfinished

from fer import runs
from fer.calibration import Calibration
from fer.config import load_config
from fer.data import draw_sample
from fer.errors import ModelError, SettingsError
from fer.runs import Run
from fer.training import train
from fer.training.provenance import check_fingerprint, check_teachers

OFFSETS = (0.1, 0.0, -0.1, 0.2, 0.0, 0.0, -0.2)
CALIBRATIONS = {"labels": Calibration(temperature=1.6), "votes": Calibration(offsets=OFFSETS, uncertain_below=0.3)}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "run")


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


@pytest.mark.parametrize(
    ("key", "check"),
    [
        ("data_sha256", lambda run: check_fingerprint(run, draw_sample(140))),
        ("teachers", lambda run: check_teachers(run, {"teachers": {}})),
    ],
)
def test_a_provenance_that_lacks_a_key_is_one_line(run, key, check):
    provenance = {"data_sha256": DIGEST, "teachers": {}}
    run.write_provenance({name: value for name, value in provenance.items() if name != key})
    with pytest.raises(ModelError, match=rf"provenance\.json must have '{key}'.*train again"):
        check(run)


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
    ("content", "name"),
    [
        ({"labels": {"temperature": 0}}, "labels.temperature"),
        ({"labels": {"temperature": 1e-308}}, "labels.temperature"),
        ({"joint": {"class_shares": {}, "dataset": {"temperature": 1e-308}}}, "joint.dataset.temperature"),
        ({"labels": {"offsets": [0.0]}}, "labels.offsets"),
        ({"labels": {"offsets": [1e308, 0, 0, 0, 0, 0, 0]}}, "labels.offsets.0"),
        ({"labels": {"slope": 1}}, "labels.slope"),
        ({"labels": 3}, "labels"),
        ({"joint": {}}, "joint.class_shares"),
    ],
)
def test_a_calibration_out_of_range_is_refused(run, content, name):
    run.folder.mkdir()
    run.calibration.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=f"'{re.escape(name)}' is not valid"):
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

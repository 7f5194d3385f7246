import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from training_runs import ONE_EPOCH, RUN_FILES, ignore, make_config

from fer.config import load_config
from fer.data import draw_sample, save_dataset
from fer.data.ferplus import FERPLUS_COLUMN_OF_EXPRESSION
from fer.errors import DataError, ModelError, SettingsError
from fer.files import compute_digest
from fer.runs import Run
from fer.training import train
from fer.training.loop import _warn_of_chance
from fer.training.provenance import describe_provenance
from fer.training.state import RunState, save_state
from fer.training.trainer import Trainer
from fer.training.validation import Validation

ROOT = Path(__file__).parents[2]


def read_weights(folder):
    return keras.saving.load_model(folder / "model.keras", compile=False).get_weights()


def assert_bit_identical(first, second):
    for a, b in zip(read_weights(first), read_weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


# The run folder


def test_training_writes_these_files(finished):
    assert {path.name for path in finished.folder.iterdir()} == RUN_FILES


def test_the_history_has_one_row_per_epoch(finished):
    history = pd.read_csv(finished.folder / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3, 4]
    assert list(history["phase"]) == ["main"] * 3 + ["fine-tune"]
    assert (history["seconds"] > 0).all()
    assert history["data_share"].between(0, 1).all()


def test_the_returned_run_describes_its_best_epoch(finished):
    best = finished.history.iloc[finished.best_epoch - 1]
    assert best["epoch"] == finished.best_epoch
    assert best["validation_score"] == finished.history["validation_score"].max()
    assert finished.validation_accuracy == best["validation_accuracy"]


def test_the_curves_are_an_image(finished):
    with Image.open(finished.folder / "curves.png") as curves:
        assert curves.format == "PNG"


def test_the_calibration_was_fitted(finished):
    calibration = Run(finished.folder).read_calibrations()["labels"]
    assert calibration.temperature != 1.0
    assert 0 < calibration.uncertain_below < 1


def test_the_settings_name_the_data_set(dataset, finished):
    config = make_config()
    expected = config.model_copy(update={"data": config.data.model_copy(update={"name": dataset.name})})
    assert Run(finished.folder).read_config() == expected


def test_the_provenance_holds_the_fingerprint_of_the_data(dataset, finished):
    expected = {"data_sha256": dataset.fingerprint, "teachers": {}, "initial_run": {}}
    assert Run(finished.folder).read_provenance() == expected


def test_the_digest_beside_the_network_is_its_sha256(finished):
    digest = (finished.folder / "model.keras.sha256").read_text().split()[0]
    assert digest == compute_digest(finished.folder / "model.keras")


# The network


def test_the_saved_network_has_stock_keras_layers_only(finished):
    model = keras.saving.load_model(finished.folder / "model.keras", compile=False)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)


def test_the_saved_network_has_the_accuracy_of_the_best_epoch(finished, dataset):
    model = keras.saving.load_model(finished.folder / "model.keras", compile=False)
    part = dataset.part("validation")
    probabilities = model.predict(part.faces.astype(np.float32)[..., None], verbose=0)
    accuracy = (probabilities.argmax(axis=1) == part.labels).mean()
    assert accuracy == pytest.approx(finished.validation_accuracy, abs=1e-6)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(finished, dataset, tmp_path):
    repeated = train(dataset, make_config(), tmp_path / "repeated", progress=False)
    assert_bit_identical(finished.folder, repeated.folder)


def test_training_reduces_the_loss(dataset, tmp_path):
    phases = [{"name": "main", "epochs": 12, "learning_rate": 0.005, "augmentation_strength": 0.0, "mixup": False}]
    config = make_config(phases=phases)
    history = train(dataset, config, tmp_path / "run", progress=False).history
    assert history["train_loss"].iloc[-1] < 0.85 * history["train_loss"].iloc[0]


# Resuming


def start_training(folder, data, *flags):
    script = (
        "import sys; from fer.training import train; from fer.data import load_dataset;"
        "from fer.config import parse_config, read_json;"
        "train(load_dataset(sys.argv[1]), parse_config(read_json(sys.argv[2])), sys.argv[3],"
        " resume='resume' in sys.argv, progress=False)"
    )
    config = Path(data).with_name("config.json")
    command = [sys.executable, "-c", script, str(data), str(config), str(folder), *flags]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def wait_for(path, process):
    deadline = time.monotonic() + 300
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()


@pytest.fixture(scope="module")
def killed(dataset, tmp_path_factory):
    """The folder of a run that was killed after its first and second epoch, then finished."""
    root = tmp_path_factory.mktemp("killed")
    data = save_dataset(dataset, root)
    (root / "config.json").write_text(make_config().to_json())
    folder = root / "run"
    for epoch, flags in ((1, ()), (2, ("resume",))):
        process = start_training(folder, data, *flags)
        assert wait_for(folder / "state" / f"state-{epoch:05d}.npz", process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (folder / "model.keras").exists()
    assert start_training(folder, data, "resume").wait() == 0
    return folder


def test_a_run_killed_twice_ends_with_the_weights_of_an_uninterrupted_one(finished, killed):
    assert_bit_identical(finished.folder, killed)


def test_a_run_killed_twice_has_the_history_of_an_uninterrupted_one(finished, killed):
    history, expected = (pd.read_csv(run / "history.csv") for run in (killed, finished.folder))
    columns = ["epoch", "phase", "learning_rate", "train_loss", "validation_loss", "validation_accuracy"]
    pd.testing.assert_frame_equal(history[columns], expected[columns])


def write_unfinished(folder, config, provenance):
    run = Run(folder)
    save_state(run.state, RunState(1, [], [], []))
    run.write_config(config)
    run.write_provenance(provenance)


def test_a_finished_run_is_not_resumed(finished, dataset):
    with pytest.raises(ModelError, match="which holds a finished run"):
        train(dataset, make_config(), finished.folder, resume=True, progress=False)


def test_a_missing_run_is_not_resumed(dataset, tmp_path):
    with pytest.raises(ModelError, match="drop --resume"):
        train(dataset, make_config(), tmp_path / "none", resume=True, progress=False)


def test_a_run_is_not_resumed_with_other_data(dataset, tmp_path):
    write_unfinished(tmp_path / "run", make_config(), {"data_sha256": "another", "teachers": {}})
    with pytest.raises(DataError, match="the data set it began with"):
        train(dataset, make_config(), tmp_path / "run", resume=True, progress=False)


def test_a_run_is_not_resumed_and_replaced_at_once(dataset, tmp_path):
    write_unfinished(tmp_path / "run", make_config(), {"data_sha256": dataset.fingerprint, "teachers": {}})
    with pytest.raises(SettingsError, match="Received: both"):
        train(dataset, make_config(), tmp_path / "run", resume=True, overwrite=True, progress=False)
    assert Run(tmp_path / "run").is_begun


# Occupied folders


def test_a_finished_run_is_not_trained_over(finished, dataset):
    with pytest.raises(ModelError, match="holds a finished one"):
        train(dataset, make_config(), finished.folder, progress=False)


def test_an_unfinished_run_is_not_trained_over(dataset, tmp_path):
    write_unfinished(tmp_path / "run", make_config(), {"data_sha256": dataset.fingerprint, "teachers": {}})
    with pytest.raises(ModelError, match="resume it with --resume"):
        train(dataset, make_config(), tmp_path / "run", progress=False)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_killed_in_its_first_epoch_is_trained_from_the_start(dataset, tmp_path, overwrite):
    run = Run(tmp_path / "run")
    run.write_provenance({"data_sha256": "another", "teachers": {}})
    run.write_config(make_config())
    train(dataset, load_config("sample", overrides=[ONE_EPOCH]), run.folder, overwrite=overwrite, progress=False)
    assert run.is_finished
    assert run.read_provenance()["data_sha256"] == dataset.fingerprint


def test_overwriting_removes_the_evaluation_of_the_former_run(dataset, tmp_path):
    run = Run(tmp_path / "run")
    write_unfinished(run.folder, make_config(), {"data_sha256": dataset.fingerprint, "teachers": {}})
    for path in (run.metrics, run.model_card, run.folder / "notes.txt"):
        path.write_text("old")
    train(dataset, load_config("sample", overrides=[ONE_EPOCH]), run.folder, overwrite=True, progress=False)
    assert not run.metrics.exists()
    assert not run.model_card.exists()
    assert (run.folder / "notes.txt").read_text() == "old"


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        ('model.heads=["votes"]', DataError),
        ("distillation.teacher=nowhere", ModelError),
        ("training.initial_run=nowhere/model.keras", ModelError),
        ("training.batch_size=4096", SettingsError),
    ],
)
def test_overwriting_with_wrong_settings_keeps_the_former_run(dataset, tmp_path, mistake, error):
    run = Run(tmp_path / "run")
    write_unfinished(run.folder, make_config(), {"data_sha256": dataset.fingerprint, "teachers": {}})
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    with pytest.raises(error):
        train(dataset, load_config("sample", overrides=[mistake]), run.folder, overwrite=True, progress=False)
    assert {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()} == before


# Data and heads


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_data_set_without_a_needed_split_is_refused(dataset, tmp_path, split):
    code = np.where(dataset.is_in(split), 2, dataset.split).astype(np.uint8)
    with pytest.raises(DataError, match=f"without {split}"):
        train(replace(dataset, split=code), make_config(), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def add_votes(dataset):
    """Return the data set with ten votes per face for its label."""
    votes = np.zeros((len(dataset), 10), np.uint8)
    votes[np.arange(len(dataset)), np.array(FERPLUS_COLUMN_OF_EXPRESSION)[dataset.labels]] = 10
    return replace(dataset, votes=votes)


def test_two_heads_are_measured_one_by_one(dataset, tmp_path):
    phases = 'training.phases=[{"name": "main", "epochs": 2, "learning_rate": 0.002}]'
    settings = ['model.heads=["labels","votes"]', phases, "augmentation.mixup=0.2", "data.class_weight_power=0.5"]
    config = load_config("sample", overrides=settings)
    history = train(add_votes(dataset), config, tmp_path / "run", progress=False).history
    assert {"validation_accuracy", "validation_accuracy_votes", "validation_score"} <= set(history.columns)
    mean = history[["validation_accuracy", "validation_accuracy_votes"]].mean(axis=1)
    np.testing.assert_allclose(history["validation_score"], mean, atol=1e-9)


def test_without_votes_the_head_labels_is_trained_alone_with_a_message(dataset, tmp_path):
    config = load_config("sample", overrides=['model.heads=["labels","votes"]', ONE_EPOCH])
    lines = []
    run = Run(train(dataset, config, tmp_path / "run", progress=False, log=lines.append).folder)
    assert "no FER+ votes" in lines[0]
    assert run.read_config().model.heads == ("labels",)


def test_a_network_for_votes_alone_needs_votes(dataset, tmp_path):
    config = load_config("sample", overrides=['model.heads=["votes"]', ONE_EPOCH])
    with pytest.raises(DataError, match="needs FER\\+ votes"):
        train(dataset, config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


# Teachers


@pytest.fixture
def short_preset(monkeypatch):
    """Train teachers for two epochs."""
    phases = 'training.phases=[{"name": "main", "epochs": 2, "learning_rate": 0.002}]'

    def load(preset, overrides):
        return load_config(preset, overrides=[phases, "training.batch_size=32", *overrides])

    monkeypatch.setattr("fer.training.loop.load_config", load)


def make_student(*teachers, overrides=()):
    names = ", ".join(f'"{teacher}"' for teacher in teachers)
    settings = [f"distillation.teacher=[{names}]", "distillation.teacher_preset=sample", ONE_EPOCH, *overrides]
    return load_config("sample", overrides=settings)


@pytest.mark.parametrize(
    ("mistake", "match"),
    [
        ("training.batch_size=4096", "must not exceed the training split"),
        ('model.heads=["labels","votes"]', "must have the heads of its student"),
    ],
)
@pytest.mark.usefixtures("short_preset")
def test_settings_that_do_not_fit_are_refused_before_a_missing_teacher_is_trained(dataset, tmp_path, mistake, match):
    config = make_student(tmp_path / "teacher", overrides=[mistake])
    with pytest.raises(SettingsError, match=match):
        train(add_votes(dataset), config, tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("short_preset")
def test_a_finished_teacher_without_a_head_is_refused_before_a_missing_one_is_trained(dataset, finished, tmp_path):
    overrides = ['model.heads=["labels","votes"]', "distillation.teacher_preset=small"]
    config = make_student(tmp_path / "teacher", finished.folder, overrides=overrides)
    with pytest.raises(SettingsError, match=f"{finished.folder.name}, which has labels"):
        train(add_votes(dataset), config, tmp_path / "run", progress=False)
    assert list(tmp_path.iterdir()) == []


def stop_after_one_epoch(monkeypatch):
    end_epoch = Trainer.end_epoch

    def end_and_stop(*arguments):
        end_epoch(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "end_epoch", end_and_stop)


@pytest.mark.usefixtures("short_preset")
def test_missing_teachers_are_trained_first_with_their_positions_as_seeds(dataset, tmp_path):
    teachers = [Run(tmp_path / name) for name in ("first", "second")]
    config = make_student(*(teacher.folder for teacher in teachers))
    student = Run(train(dataset, config, tmp_path / "student", progress=False).folder)
    assert [teacher.read_config().training.seed for teacher in teachers] == [0, 1]
    expected = {str(teacher.folder): compute_digest(teacher.model) for teacher in teachers}
    assert student.read_provenance()["teachers"] == expected


@pytest.mark.usefixtures("short_preset")
def test_an_unfinished_teacher_is_resumed(dataset, tmp_path, monkeypatch):
    config, lines = make_student(tmp_path / "teacher"), []
    with monkeypatch.context() as context:
        stop_after_one_epoch(context)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, config, tmp_path / "student", progress=False)
    train(dataset, config, tmp_path / "student", progress=False, log=lines.append)
    assert any("Resuming after epoch 1 of 2" in line for line in lines)
    assert Run(tmp_path / "student").is_finished


def test_a_finished_teacher_is_not_trained_again(finished, dataset, tmp_path):
    before, lines = compute_digest(finished.folder / "model.keras"), []
    train(dataset, make_student(finished.folder), tmp_path / "student", progress=False, log=lines.append)
    assert compute_digest(finished.folder / "model.keras") == before
    assert not any("training it first" in line for line in lines)


def test_a_teacher_from_a_preset_must_know_the_data_of_its_student(finished, tmp_path):
    with pytest.raises(ModelError, match="which was trained on 'sample'"):
        train(draw_sample(140, name="other"), make_student(finished.folder), tmp_path / "student", progress=False)


def test_a_teacher_inside_the_folder_of_its_student_is_refused(dataset, tmp_path):
    with pytest.raises(ModelError, match="outside the new run's folder"):
        train(dataset, make_student(tmp_path / "run" / "teacher"), tmp_path / "run", progress=False)


@pytest.mark.parametrize("occupied", [True, False], ids=["occupied folder", "missing votes"])
def test_no_teacher_is_trained_for_a_student_that_cannot_be(finished, dataset, tmp_path, occupied):
    config = make_student(tmp_path / "teacher", overrides=[] if occupied else ['model.heads=["votes"]'])
    folder = finished.folder if occupied else tmp_path / "student"
    with pytest.raises((DataError, ModelError)):
        train(dataset, config, folder, progress=False)
    assert not (tmp_path / "teacher").exists()


def test_a_network_at_chance_is_reported(dataset, tmp_path):
    config, lines = load_config("sample", overrides=[ONE_EPOCH, "training.batch_size=64"]), []
    config = config.model_copy(
        update={
            "training": config.training.model_copy(
                update={"phases": (config.training.phases[0].model_copy(update={"learning_rate": 1e-9}),)}
            )
        }
    )
    train(dataset, config, tmp_path / "run", progress=False, log=lines.append)
    assert any("no better than chance" in line and "initial_run" in line for line in lines)


def test_a_network_above_chance_is_not_reported(dataset, finished, tmp_path):
    lines = []
    validation = Validation.build(dataset.part("validation"), ("labels",))
    _warn_of_chance(validation, 0.9, lines.append)
    assert lines == []


# Initial weights and frozen layers


@pytest.fixture(scope="module")
def two_headed(dataset, tmp_path_factory):
    """A run with both heads, on data that has votes."""
    config = load_config("sample", overrides=['model.heads=["labels","votes"]', ONE_EPOCH])
    return train(add_votes(dataset), config, tmp_path_factory.mktemp("runs") / "two", progress=False).folder


def start_from(folder, *overrides):
    settings = ['model.heads=["labels","votes"]', ONE_EPOCH, f"training.initial_run={folder}"]
    return load_config("sample", overrides=[*settings, *overrides])


def test_the_provenance_holds_the_digest_of_the_initial_run(dataset, two_headed, tmp_path):
    run = Run(train(dataset, start_from(two_headed), tmp_path / "run", progress=False).folder)
    assert run.read_provenance()["initial_run"] == {str(two_headed): compute_digest(two_headed / "model.keras")}


def test_labels_stand_for_missing_votes_if_training_starts_from_a_run(dataset, two_headed, tmp_path):
    lines = []
    result = train(dataset, start_from(two_headed), tmp_path / "run", progress=False, log=lines.append)
    assert "its labels train the head 'votes' too" in lines[0]
    assert "validation_accuracy_votes" in result.history
    assert Run(result.folder).read_config().model.heads == ("labels", "votes")
    assert Run(result.folder).read_provenance()["data_sha256"] == dataset.fingerprint


def test_training_the_head_alone_leaves_all_other_weights(dataset, two_headed, tmp_path):
    train(dataset, start_from(two_headed, "training.layers=head"), tmp_path / "run", progress=False)
    before, after = read_weights(two_headed), read_weights(tmp_path / "run")
    equal = [bool(np.array_equal(a, b)) for a, b in zip(before, after, strict=True)]
    assert equal == [True] * (len(equal) - 2) + [False] * 2


def test_the_last_epoch_is_kept_on_request(dataset, two_headed, tmp_path):
    phases = 'training.phases=[{"name": "main", "epochs": 3, "learning_rate": 0.5}]'
    config = start_from(two_headed, phases, "training.kept_epoch=last", "training.ema_momentum=0")
    result = train(dataset, config, tmp_path / "run", progress=False)
    assert result.best_epoch == 3
    assert result.validation_accuracy == result.history["validation_accuracy"].iloc[-1]


@pytest.mark.parametrize(
    "phase", [{"learning_rate": 1000.0}, {"learning_rate": 1000.0, "schedule": "constant"}], ids=["cosine", "constant"]
)
def test_a_training_that_diverges_ends_with_one_line_and_keeps_the_checkpoint_before(tmp_path, dataset, phase):
    phases = [{"name": "main", "epochs": 1, "learning_rate": 0.002}, {"name": "wild", "epochs": 2} | phase]
    config = make_config(phases=phases, gradient_clip=0.0, optimizer="sgd")
    with pytest.raises(SettingsError, match="must not diverge"):
        train(dataset, config, tmp_path / "run", progress=False, log=ignore)
    assert [path.name for path in (tmp_path / "run" / "state").iterdir()] == ["state-00001.npz"]


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, dataset):
    config = make_config()
    write_unfinished(tmp_path / "run", config, describe_provenance(dataset, config, None))
    with pytest.raises(ModelError, match="A checkpoint must have the settings of its run"):
        train(dataset, config, tmp_path / "run", resume=True, progress=False, log=ignore)

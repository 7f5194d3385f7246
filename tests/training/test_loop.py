import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from fer.config import load_config, parse_config
from fer.data import draw_sample, save_dataset
from fer.errors import DataError, ModelError, SettingsError
from fer.files import compute_digest
from fer.runs import Run
from fer.training.batches import TrainingBatches
from fer.training.loop import train
from fer.training.state import RunState, load_state, save_state

ROOT = Path(__file__).parents[2]
PHASES = [
    {"name": "main", "epochs": 3, "learning_rate": 0.002},
    {"name": "fine-tune", "epochs": 1, "learning_rate": 0.0002, "augmentation_strength": 0.5, "mixup": False},
]


def make_config(**training):
    settings = {"phases": PHASES, "batch_size": 16, "ema_momentum": 0.9} | training
    config = load_config("sample").model_dump()
    config["training"] |= settings
    config["model"] |= {"dropout": 0.3}
    config["augmentation"] |= {"mixup": 0.2, "erasing": 0.3}
    return parse_config(config)


@pytest.fixture(scope="module")
def dataset():
    return draw_sample(140, seed=1)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return train(dataset, make_config(), folder, progress=False)


def read_weights(folder):
    return keras.saving.load_model(folder / "model.keras", compile=False).get_weights()


def assert_bit_identical(first, second):
    for a, b in zip(read_weights(first), read_weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_leaves_network_settings_and_history(finished):
    history = pd.read_csv(finished.folder / "history.csv")
    assert list(history["epoch"]) == [1, 2, 3, 4]
    assert list(history["phase"]) == ["main"] * 3 + ["fine-tune"]
    assert (history["seconds"] > 0).all()
    assert finished.validation_accuracy == pytest.approx(history["validation_accuracy"].max(), abs=1e-5)
    calibration = Run(finished.folder).read_calibrations()["labels"]
    assert calibration.temperature != 1.0
    assert 0 < calibration.uncertain_below < 1
    digest = (finished.folder / "model.keras.sha256").read_text().split()[0]
    assert digest == compute_digest(finished.folder / "model.keras")
    assert not (finished.folder / "state").exists()


def test_the_saved_network_is_stock_keras_and_the_best_epochs(finished, dataset):
    model = keras.saving.load_model(finished.folder / "model.keras", compile=False)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    part = dataset.part("validation")
    probabilities = model.predict(part.faces.astype(np.float32)[..., None], verbose=0)
    accuracy = (probabilities.argmax(axis=1) == part.labels).mean()
    assert accuracy == pytest.approx(finished.validation_accuracy, abs=1e-6)


def test_the_same_seed_gives_the_same_weights_bit_for_bit(finished, dataset, tmp_path):
    again = train(dataset, make_config(), tmp_path / "again", progress=False)
    assert_bit_identical(finished.folder, again.folder)


def test_learning_reduces_the_loss(dataset, tmp_path):
    phases = [{"name": "main", "epochs": 12, "learning_rate": 0.005, "augmentation_strength": 0.0, "mixup": False}]
    config = make_config(phases=phases)
    history = train(dataset, config, tmp_path / "run", progress=False).history
    assert history["train_loss"].iloc[-1] < 0.85 * history["train_loss"].iloc[0]


def start_training(folder, data, *flags):
    script = (
        "import sys; from fer.training.loop import train; from fer.data import load_dataset;"
        "from fer.config import parse_config, read_json;"
        "train(load_dataset(sys.argv[1]), parse_config(read_json(sys.argv[2])), sys.argv[3],"
        " resume='resume' in sys.argv, progress=False)"
    )
    config = Path(data).with_name("config.json")
    command = [sys.executable, "-c", script, str(data), str(config), str(folder), *flags]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def wait_for(path_exists, process):
    deadline = time.monotonic() + 300
    while not path_exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return path_exists()


def test_a_run_killed_twice_ends_with_the_weights_of_one_that_was_not(finished, dataset, tmp_path):
    data = save_dataset(dataset, tmp_path)
    (tmp_path / "config.json").write_text(make_config().to_json())
    folder = tmp_path / "killed"
    for epoch, flags in ((1, ()), (2, ("resume",))):
        process = start_training(folder, data, *flags)
        state = folder / "state" / f"state-{epoch:05d}.npz"
        assert wait_for(state.exists, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (folder / "model.keras").exists()
    assert start_training(folder, data, "resume").wait() == 0
    assert_bit_identical(finished.folder, folder)
    history, whole = (pd.read_csv(run / "history.csv") for run in (folder, finished.folder))
    columns = ["epoch", "phase", "learning_rate", "train_loss", "validation_loss", "validation_accuracy"]
    pd.testing.assert_frame_equal(history[columns], whole[columns])


def test_resuming_needs_an_unfinished_run_and_training_an_empty_folder(finished, dataset, tmp_path):
    with pytest.raises(ModelError, match="holds a finished one"):
        train(dataset, make_config(), finished.folder, progress=False)
    with pytest.raises(ModelError, match="drop --resume"):
        train(dataset, make_config(), tmp_path / "none", resume=True, progress=False)


def test_a_run_goes_on_only_with_its_own_data(dataset, tmp_path):
    folder = tmp_path / "run"
    save_state(folder / "state", RunState(1, [], [], []))
    Run(folder).write_config(make_config())
    Run(folder).write_provenance({"data_sha256": "another", "teachers": {}})
    with pytest.raises(DataError, match="the data set it began with"):
        train(dataset, make_config(), folder, resume=True, progress=False)


def test_a_damaged_state_falls_back_to_the_one_before_and_says_so(tmp_path):
    states = [RunState(epoch, [np.full(3, epoch)], [np.ones(2)], [{"epoch": epoch}]) for epoch in (1, 2, 3)]
    paths = [save_state(tmp_path, state) for state in states]
    assert [path.exists() for path in paths] == [False, True, True]
    newest = paths[2].read_bytes()
    lines = []
    for damaged in (newest[: len(newest) // 2], b"", newest[:-200] + bytes(200)):
        paths[2].write_bytes(damaged)
        state = load_state(tmp_path, log=lines.append)
        assert state.epoch == 2
        np.testing.assert_array_equal(state.variables[0], np.full(3, 2))
    assert len(lines) == 3
    assert all("state-00003.npz is damaged" in line for line in lines)
    paths[1].write_bytes(b"")
    with pytest.raises(ModelError, match="whole checkpoint"):
        load_state(tmp_path, log=lines.append)


def test_batches_are_a_function_of_seed_and_epoch_alone(dataset):
    first, second = (TrainingBatches(dataset, make_config()) for _ in range(2))
    streamed = list(first.read(0, 3))
    assert len(streamed) == 3 * first.steps_per_epoch
    for expected, received in zip(streamed[2 * first.steps_per_epoch :], second.read(2, 3), strict=True):
        for a, b in zip(expected, received, strict=True):
            np.testing.assert_array_equal(a, b)
    other = next(TrainingBatches(dataset, make_config(seed=5)).read(2, 3))
    assert (other[0] != next(second.read(2, 3))[0]).any()


def test_every_row_appears_at_most_once_in_an_epoch(dataset):
    batches = TrainingBatches(dataset, make_config(phases=[PHASES[0] | {"augmentation_strength": 0.0, "mixup": False}]))
    batches.faces = np.broadcast_to(np.arange(len(batches.faces), dtype=np.uint8)[:, None, None], batches.faces.shape)
    seen = np.concatenate([faces[:, 0, 0, 0] for faces, _, _ in batches.read(0, 1)])
    assert len(seen) == len(set(seen)) == batches.steps_per_epoch * 16


def test_an_error_in_the_thread_reaches_the_consumer(dataset):
    batches = TrainingBatches(dataset, make_config())
    batches.targets = batches.targets[:1]
    with pytest.raises(IndexError):
        list(batches.read(0, 1))


def test_a_batch_larger_than_the_training_part_is_refused(dataset):
    with pytest.raises(SettingsError, match="batch_size"):
        TrainingBatches(dataset, make_config(batch_size=4096))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="keras.distribution needs JAX")
def test_two_devices_give_the_answers_of_one(finished, dataset, tmp_path):
    data = save_dataset(dataset, tmp_path)
    (tmp_path / "config.json").write_text(make_config().to_json())
    script = (
        "import sys, jax; assert len(jax.devices()) == 2; from fer.training.loop import train;"
        "from fer.data import load_dataset; from fer.config import parse_config, read_json;"
        "import json; from fer.errors import SettingsError; data = load_dataset(sys.argv[1]);"
        "config = parse_config(read_json(sys.argv[2]));"
        "odd = config.model_copy(update={'training': config.training.model_copy(update={'batch_size': 15})});\n"
        "try:\n    train(data, odd, sys.argv[3] + '-odd', progress=False)\n"
        "except SettingsError as error:\n    assert 'multiple of the number of devices (2)' in str(error)\n"
        "else:\n    raise AssertionError('an odd batch was accepted')\n"
        "train(data, config, sys.argv[3], progress=False)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", script, str(data), str(tmp_path / "config.json"), str(tmp_path / "two")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    one, two = (pd.read_csv(folder / "history.csv") for folder in (finished.folder, tmp_path / "two"))
    np.testing.assert_allclose(two["train_loss"], one["train_loss"], rtol=2e-2)
    assert Run(tmp_path / "two").read_calibrations()["labels"].temperature > 0

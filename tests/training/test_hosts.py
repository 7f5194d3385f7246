"""Training in two processes, which is what several hosts are to JAX."""

import os
import signal
import sys
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from host_faults import SMALL
from host_processes import run_alone, run_hosts
from training_runs import RUN_FILES, make_config

from fer.commands import pipeline
from fer.config import parse_config
from fer.data import draw_sample, save_dataset
from fer.data.ferplus import FERPLUS_COLUMN_OF_EXPRESSION
from fer.errors import SettingsError
from fer.model.saved import load_model
from fer.runs import Run
from fer.training import finetune
from fer.training.hosts import Hosts, read_hosts
from fer.training.lock import lock_run

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="several hosts need JAX"),
    pytest.mark.skipif(sys.platform == "win32", reason="JAX runs on several hosts with Linux and macOS"),
    pytest.mark.timeout(300),
]

TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
#: Three epochs of three steps.
PHASES = [
    {"name": "main", "epochs": 2, "learning_rate": 0.002},
    {"name": "fine-tune", "epochs": 1, "learning_rate": 0.0002, "augmentation_strength": 0.5, "mixup": False},
]
#: These columns of the history are times.
TIMES = ["seconds", "images_per_second", "data_share"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with a data set with votes, and settings of a very small network with two heads."""
    folder = tmp_path_factory.mktemp("hosts")
    dataset = draw_sample(140, name="mine", seed=1)
    votes = np.zeros((len(dataset), 10), np.uint8)
    votes[np.arange(len(dataset)), np.array(FERPLUS_COLUMN_OF_EXPRESSION)[dataset.labels]] = 10
    save_dataset(replace(dataset, votes=votes), folder / "data")
    save_dataset(draw_sample(140, name="mine", seed=2), folder / "other" / "data")
    settings = make_config(batch_size=32, phases=PHASES).model_dump()
    settings["model"] |= SMALL | {"heads": ["labels", "votes"]}
    (folder / "config.json").write_text(parse_config(settings).to_json())
    return folder


def list_words(name, *options):
    return ("--config", "config.json", "--data", "mine", "--run", f"./{name}", "--quiet", *options)


@pytest.fixture(scope="module")
def whole(folder):
    """A run of two processes that nothing disturbed."""
    with run_hosts(folder, *list_words("whole")) as hosts:
        assert [host.wait() for host in hosts] == [0, 0], [host.errors for host in hosts]
        assert [host.errors for host in hosts] == ["", ""]
        lines = [host.lines for host in hosts]
    return Run(folder / "whole"), lines


def read_weights(run):
    return load_model(run.model).get_weights()


def assert_bit_identical(first, second):
    for a, b in zip(read_weights(first), read_weights(second), strict=True):
        np.testing.assert_array_equal(a, b)


def assert_one_line(host, *words):
    assert host.errors.startswith("error: "), host.errors
    assert host.errors.count("\n") == 1, host.errors
    for word in words:
        assert word in host.errors


# Equality


def test_two_processes_train_like_one_with_two_devices(folder, whole):
    alone = run_alone(folder, *list_words("alone"), environment=TWO_DEVICES)
    assert alone.errors == ""
    one, two = Run(folder / "alone"), whole[0]
    for expected, value in zip(read_weights(one), read_weights(two), strict=True):
        np.testing.assert_allclose(value, expected, atol=1e-6, rtol=0)
    histories = [pd.read_csv(run.history).drop(columns=TIMES) for run in (one, two)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-5)
    assert "validation_accuracy_votes" in histories[0]
    for head, calibration in one.read_calibrations().items():
        assert two.read_calibrations()[head].temperature == pytest.approx(calibration.temperature, rel=1e-4)
    assert two.read_config() == one.read_config()


def test_process_0_alone_prints_and_writes(whole):
    run, lines = whole
    assert {path.name for path in run.folder.iterdir()} == RUN_FILES
    assert lines[0][0].startswith("Training 'sample' on 'mine'")
    assert lines[0][-1].startswith("Kept epoch")
    assert lines[1] == []


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_shares_of_a_batch_make_the_whole(count):
    rows = np.arange(16)[::-1]
    shares = [Hosts(count, index).take_share(rows) for index in range(count)]
    np.testing.assert_array_equal(np.concatenate(shares), rows)


def test_missing_teachers_are_trained_first_by_all_processes(folder):
    settings = [
        'distillation.teacher=["./teacher"]',
        "distillation.teacher_preset=sample",
        'training.phases=[{"name": "main", "epochs": 1, "learning_rate": 0.002}]',
        'model.heads=["labels"]',
    ]
    words = [word for setting in settings for word in ("--set", setting)]
    fault = ("train_short_teachers",)
    with run_hosts(folder, *list_words("student", *words), faults=(fault, fault)) as hosts:
        assert [host.wait() for host in hosts] == [0, 0], [host.errors for host in hosts]
        assert hosts[0].lines[0] == "The teacher ./teacher is missing: training it first."
    assert Run(folder / "teacher").is_finished
    assert Run(folder / "student").read_provenance()["teachers"].keys() == {"./teacher"}


# Lost processes


@pytest.mark.parametrize(("victim", "batch"), [(0, 8), (1, 9)])
def test_a_killed_process_ends_the_other_and_both_resume_exactly(folder, whole, victim, batch):
    name = f"killed{victim}"
    faults = [("shorten_limits", 5), ("shorten_limits", 5)]
    faults[victim] = ("send_signal_at_batch", signal.SIGKILL, batch)
    with run_hosts(folder, *list_words(name), faults=faults) as hosts:
        assert hosts[victim].wait() == -signal.SIGKILL
        assert hosts[1 - victim].wait(20) == 2
        assert_one_line(hosts[1 - victim], f"process {1 - victim} of 2 lost the connection", "--resume")
    run = Run(folder / name)
    assert run.is_begun
    assert not run.is_finished
    with lock_run(run):
        pass
    with run_hosts(folder, "--run", f"./{name}", "--data", "mine", "--quiet", "--resume") as hosts:
        assert [host.wait() for host in hosts] == [0, 0], [host.errors for host in hosts]
        assert any(line.startswith("Resuming after epoch") for line in hosts[0].lines)
    assert_bit_identical(run, whole[0])
    histories = [pd.read_csv(run.history).drop(columns=TIMES) for run in (run, whole[0])]
    pd.testing.assert_frame_equal(*histories)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_no_longer_answers_ends_the_other(folder, victim):
    faults = [("shorten_limits", 5), ("shorten_limits", 5)]
    faults[victim] = ("send_signal_at_batch", signal.SIGSTOP, 6)
    with run_hosts(folder, *list_words(f"stopped{victim}"), faults=faults) as hosts:
        assert hosts[1 - victim].wait(60) == 2
        assert_one_line(hosts[1 - victim], "lost the connection")
        os.kill(hosts[victim].process.pid, signal.SIGCONT)
        assert hosts[victim].wait(60) == 2


def test_sigterm_to_one_process_ends_both_with_one_line(folder):
    faults = (("shorten_limits", 5), ("send_signal_at_batch", signal.SIGTERM, 9))
    with run_hosts(folder, *list_words("terminated"), faults=faults) as hosts:
        assert hosts[1].wait(60) == 143
        assert hosts[0].wait(60) == 2
        assert_one_line(hosts[1], "Stopped")
        assert_one_line(hosts[0])


def test_a_full_disk_on_process_0_is_one_line_on_each(folder):
    with run_hosts(folder, *list_words("full"), faults=(("fill_disk_at_epoch", 2), None)) as hosts:
        assert [host.wait(60) for host in hosts] == [2, 2]
        assert_one_line(hosts[0], "No space left")
        assert_one_line(hosts[1], "On process 0 of 2", "No space left")
    assert Run(folder / "full").is_begun


# Checks before work is done


LIMITS = (("shorten_limits", 5), ("shorten_limits", 5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((["--set", "training.batch_size=15"],) * 2, ["multiple of the number of devices (2)", "batch_size=14"]),
        (([], ["--set", "training.seed=3"]), ["same training.seed", "0 on process 0, 3 on process 1"]),
        ((["--set", 'training.engine="device"'],) * 2, ["training.engine='device'", "several hosts"]),
        ((["--resume"], []), ["settings"]),
    ],
    ids=["batch", "settings", "engine", "resume"],
)
def test_wrong_settings_are_one_line_on_each_process(folder, options, words):
    with run_hosts(folder, *list_words("refused"), options=options, faults=LIMITS) as hosts:
        assert [host.wait(60) for host in hosts] == [2, 2]
        for host in hosts:
            assert_one_line(host, *words)
    assert not (folder / "refused").exists()


def test_another_data_set_on_one_host_is_one_line_on_each(folder):
    (folder / "other" / "config.json").write_bytes((folder / "config.json").read_bytes())
    with run_hosts(folder, *list_words("refused"), folders=(folder, folder / "other"), faults=LIMITS) as hosts:
        assert [host.wait(60) for host in hosts] == [2, 2]
        for host in hosts:
            assert_one_line(host, "same data set", "on process 1")
    assert not (folder / "refused").exists()


def test_a_missing_data_set_on_one_host_is_one_line_on_each(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with run_hosts(folder, *list_words("refused"), folders=(folder, tmp_path), faults=LIMITS) as hosts:
        assert [host.wait(60) for host in hosts] == [2, 2]
        assert_one_line(hosts[0], "On process 1 of 2", "mine.npz (missing)")
        assert_one_line(hosts[1], "mine.npz (missing)")


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_folder_that_is_not_shared_is_one_line_on_each(folder, tmp_path, whole, resume):
    for name in ("data", "config.json"):
        (tmp_path / name).symlink_to(folder / name)
    words = list_words("apart")
    if resume:
        for parent in (folder, tmp_path):
            state = parent / "begun" / "state"
            state.mkdir(parents=True, exist_ok=True)
            (state / "state-00001.npz").write_bytes(b"")
            (parent / "begun" / "config.json").write_bytes(whole[0].config.read_bytes())
        words = ("--run", "./begun", "--data", "mine", "--quiet", "--resume")
    with run_hosts(folder, *words, folders=(folder, tmp_path), faults=LIMITS) as hosts:
        assert [host.wait(60) for host in hosts] == [2, 2]
        assert_one_line(hosts[0], "On process 1 of 2", "must be shared by all hosts")
        assert_one_line(hosts[1], "must be shared by all hosts")
    assert not (folder / "apart").exists()
    assert not (tmp_path / "apart").exists()


def test_different_numbers_of_processes_are_one_line_on_each(folder):
    environments = ({}, {"KERAS_DISTRIBUTION_NUM_PROCESSES": "3"})
    with run_hosts(folder, *list_words("refused"), environments=environments, faults=LIMITS) as hosts:
        assert [host.wait(60) for host in hosts] == [2, 2]
        for host in hosts:
            assert_one_line(host, "the same KERAS_DISTRIBUTION_NUM_PROCESSES", "3 on process 1")


def test_an_address_that_cannot_be_reached_is_one_line_on_each(folder):
    environments = ({}, {"KERAS_DISTRIBUTION_JOB_ADDRESSES": "127.0.0.1:9"})
    with run_hosts(folder, *list_words("refused"), environments=environments, faults=LIMITS) as hosts:
        assert [host.wait(60) for host in hosts] == [2, 2]
        for host in hosts:
            assert_one_line(host, "must reach process 0 at 127.0.0.1:")


@pytest.fixture
def variables(monkeypatch):
    values = {"JOB_ADDRESSES": "10.0.0.1:4321,10.0.0.2:4321", "NUM_PROCESSES": "2", "PROCESS_ID": "1"}
    for name, value in values.items():
        monkeypatch.setenv(f"KERAS_DISTRIBUTION_{name}", value)


def test_without_variables_there_is_one_process():
    assert read_hosts().count == 1


@pytest.mark.usefixtures("variables")
def test_the_variables_describe_the_processes():
    hosts = read_hosts()
    assert (hosts.count, hosts.index, hosts.address, hosts.is_writer) == (2, 1, "10.0.0.1:4321", False)


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JOB_ADDRESSES", ""),
        ("JOB_ADDRESSES", "10.0.0.1"),
        ("JOB_ADDRESSES", "10.0.0.1:99999"),
        ("NUM_PROCESSES", "two"),
        ("NUM_PROCESSES", ""),
        ("PROCESS_ID", "2"),
        ("PROCESS_ID", "-1"),
    ],
)
def test_wrong_variables_are_refused(monkeypatch, name, value):
    monkeypatch.setenv(f"KERAS_DISTRIBUTION_{name}", value)
    with pytest.raises(SettingsError, match=r"from 0 to N-1\. Received: .*Remedy: set all three") as refused:
        read_hosts()
    assert len(str(refused.value)) < 300


@pytest.mark.usefixtures("variables")
def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(SettingsError, match=r"needs JAX\. Received: the backend 'torch'"):
        read_hosts()


@pytest.mark.usefixtures("variables")
def test_fine_tuning_and_the_pipeline_are_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"only `invoke train` works\. Received: fine-tuning"):
        finetune(draw_sample(140), Run(tmp_path / "none"), tmp_path / "run")
    with pytest.raises(SettingsError, match=r"only `invoke train` works\. Received: pipeline"):
        pipeline(quiet=True)

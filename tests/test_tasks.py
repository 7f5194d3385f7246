"""The tasks: their options are those of the commands, and a mistake ends with one line and exit code 2."""

import inspect
import json
import os
import socket
import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from typing import get_args

import pytest
from invoke.collection import Collection
from invoke.program import Program
from invoke.tasks import Task

import tasks
from fer import commands
from fer.errors import DataError

ROOT = Path(__file__).parents[1]
#: Tasks that run a command of the package, by name.
FER_TASKS = {name: task for name, task in vars(tasks).items() if isinstance(task, Task) and hasattr(commands, name)}
each_task = pytest.mark.parametrize("name", FER_TASKS)


def read_options(name):
    """Return the options of a task as it is declared, without the context."""
    options = dict(inspect.signature(inspect.unwrap(FER_TASKS[name].body)).parameters)
    del options["c"]
    return options


@cache
def read_help():
    """Return the help of each option by task, of a fresh process: invoke empties it once it parses a command line."""
    script = "import json, tasks; print(json.dumps({name: getattr(tasks, name).help for name in tasks.__all__}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def is_number(option):
    return int in (option.annotation, *get_args(option.annotation))


NUMBERS = [
    (name, option) for name in FER_TASKS for option, declared in read_options(name).items() if is_number(declared)
]
each_number = pytest.mark.parametrize(("name", "option"), NUMBERS)


@pytest.fixture
def received(monkeypatch):
    """The options that commands receive, instead of running."""
    calls = {}

    def record(task, /, **options):
        calls[task] = options

    for name in FER_TASKS:
        monkeypatch.setattr(commands, name, partial(record, name))
    return calls


def invoke(*arguments):
    """Run ``invoke`` in this process."""
    Program(namespace=Collection.from_module(tasks)).run(["invoke", *arguments], exit=False)


def build_arguments(name, option, value):
    """Return a command line with one option, and with each option that has no default."""
    needed = [key for key, declared in read_options(name).items() if declared.default is inspect.Parameter.empty]
    options = dict.fromkeys(needed, "file") | {option: value}
    return [name, *(f"--{key.replace('_', '-')}={text}" for key, text in options.items())]


# Options


@each_task
def test_a_task_has_the_options_and_defaults_of_its_command(name):
    expected = dict(inspect.signature(getattr(commands, name)).parameters)
    expected.pop("log", None)
    options = read_options(name)
    assert {key: declared.default for key, declared in options.items()} == {
        key: declared.default for key, declared in expected.items()
    }


@each_task
def test_every_option_has_a_help_text(name):
    texts = read_help()[name]
    assert {key.replace("-", "_") for key in texts} == set(read_options(name))
    assert all(texts.values())


@each_task
def test_every_task_is_described(name):
    assert FER_TASKS[name].__doc__


def test_numbers_are_among_the_options():
    assert set(NUMBERS) >= {("preprocess", "seed"), ("photos", "limit"), ("video", "every"), ("app", "port")}


@each_number
def test_a_number_is_converted(name, option, received):
    invoke(*build_arguments(name, option, "7"))
    assert received[name][option] == 7


@each_number
def test_a_mistyped_number_ends_with_one_line_and_code_2(name, option, received, capsys):
    with pytest.raises(SystemExit) as ended:
        Program(namespace=Collection.from_module(tasks)).run(["invoke", *build_arguments(name, option, "x")])
    assert ended.value.code == 2
    flag = option.replace("_", "-")
    assert capsys.readouterr().err == f"error: --{flag} takes a whole number. Received: 'x'.\n"
    assert received == {}


@pytest.mark.parametrize(
    ("name", "option"), [("predict", "input"), ("predict", "out"), ("batch", "out"), ("preprocess", "source")]
)
def test_an_empty_value_ends_with_one_line_and_code_2(name, option, received, capsys):
    with pytest.raises(SystemExit) as ended:
        Program(namespace=Collection.from_module(tasks)).run(["invoke", *build_arguments(name, option, "")])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: --{option} must not be empty. Received: ''.")
    assert received == {}


def test_a_number_that_is_not_given_has_its_default(received):
    invoke("video", "--input", "file")
    assert (received["video"]["every"], received["video"]["max_side"]) == (1, 640)


def test_a_repeated_option_is_a_list(received):
    invoke("train", "--set", "training.seed=1", "--set", "model.dropout=0.2")
    assert received["train"]["set"] == ["training.seed=1", "model.dropout=0.2"]


def test_a_switch_is_a_truth_value(received):
    invoke("preprocess", "--skip-bad")
    assert received["preprocess"]["skip_bad"] is True


def test_an_error_of_the_package_ends_with_one_line_and_code_2(monkeypatch, capsys):
    def fail(**options):
        raise DataError("A rule. Received: nothing. Remedy: give something.")

    monkeypatch.setattr(commands, "evaluate", fail)
    with pytest.raises(SystemExit) as ended:
        Program(namespace=Collection.from_module(tasks)).run(["invoke", "evaluate"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: A rule. Received: nothing. Remedy: give something.\n"


def test_an_error_of_the_code_is_not_hidden(monkeypatch):
    def fail(**options):
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "evaluate", fail)
    with pytest.raises(ZeroDivisionError):
        invoke("evaluate")


# The command line, in a process


def run_invoke(folder, *arguments):
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--preset", "huge"), "Unknown preset"),
        (("train", "--set", "training.epochs=3"), "training.epochs"),
        (("finetune", "--data", "my_set"), "invoke preprocess"),
        (("evaluate", "--run", "none"), "invoke train"),
        (("preprocess", "--source", "missing.csv"), "missing.csv"),
        (("space", "--dry-run"), "--push owner/name"),
        (("preprocess", "--seed", "x"), "--seed takes a whole number"),
        (("preprocess", "--seed", "-1"), "--seed must be at least 0"),
        (("photos", "--limit", "-1"), "--limit must be at least 1"),
        (("app", "--port", "80000"), "--port must be in 1..65535"),
        (("app", "--port", "-1"), "--port must be in 1..65535"),
        (("train", "--preset", "smal"), "Did you mean 'small'?"),
        (("train", "--set", "training.batchsize=3"), "Did you mean 'batch_size'?"),
        (("train", "--set", "batch_size=3"), "Did you mean 'training.batch_size'?"),
        (("train", "--set", 'training.phases=[{"name": "a", "epoch": 1, "learning_rate": 1}]'), "'epochs'?"),
        (("train", "--data", "mine"), "--name mine"),
        (("train", "--data", "sample"), "run `invoke preprocess`."),
        (("predict", "--input", "x" * 300), "at most 255 bytes"),
        (("train", "--run", "x" * 300), "at most 255 bytes"),
        (("predict", "--input", "missing.jpg"), "missing.jpg"),
    ],
)
def test_a_mistake_ends_with_one_line_and_code_2(tmp_path, arguments, message):
    result = run_invoke(tmp_path, *arguments)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert len(lines[0]) <= 300
    assert message in lines[0]


def test_these_are_the_tasks(tmp_path):
    listed = json.loads(run_invoke(tmp_path, "--list", "--list-format=json").stdout)
    assert {task["name"] for task in listed["tasks"]} == {
        "preprocess",
        "fuzz",
        "train",
        "average",
        "finetune",
        "relight",
        "evaluate",
        "pipeline",
        "photos",
        "robustness",
        "audit",
        "labels",
        "experiments",
        "export",
        "predict",
        "video",
        "batch",
        "app",
        "space",
        "bench",
        "test",
        "check",
        "lock",
    }
    assert listed["default"] == "pipeline"


@pytest.mark.parametrize("name", ["predict", "video"])
def test_an_input_needs_no_flag(name, received):
    invoke(name, "one.jpg", "--input", "two.jpg")
    assert received[name]["input"] == ["one.jpg", "two.jpg"]


@pytest.mark.parametrize("name", ["predict", "video"])
def test_a_missing_input_is_an_error(name, received, capsys):
    with pytest.raises(SystemExit):
        Program(namespace=Collection.from_module(tasks)).run(["invoke", name])
    assert "'input'" in capsys.readouterr().err
    assert received == {}


@pytest.mark.parametrize("name", ["predict", "video"])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_after_a_task_with_a_required_option_shows_its_options(tmp_path, name, flag):
    result = run_invoke(tmp_path, name, flag)
    assert result.returncode == 0, result.stderr
    assert "--input" in result.stdout
    assert "--every" in result.stdout or "--whole-image" in result.stdout


@pytest.mark.parametrize(
    ("backend", "message"), [("torch", "fer-dl[torch]"), ("mxnet", "jax, tensorflow, torch"), ("troch", "'torch'?")]
)
def test_a_backend_that_is_not_there_ends_with_one_line(monkeypatch, capsys, backend, message):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr("fer.backend.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        Program(namespace=Collection.from_module(tasks)).run(["invoke", "evaluate"])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_ctrl_c_ends_any_task_with_130(monkeypatch, capsys):
    def stop(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "evaluate", stop)
    with pytest.raises(SystemExit) as ended:
        Program(namespace=Collection.from_module(tasks)).run(["invoke", "evaluate"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_the_home_folder_is_found_in_every_option(received, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    invoke("predict", "--input=~/p/*.jpg", "--out=~/t.csv")
    assert (received["predict"]["input"], received["predict"]["out"]) == ([f"{tmp_path}/p/*.jpg"], f"{tmp_path}/t.csv")


def test_a_taken_port_ends_with_one_line_and_code_2(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = run_invoke(tmp_path, "app", "--port", str(taken.getsockname()[1]))
    assert result.returncode == 2
    assert len([line for line in result.stderr.splitlines() if line.strip()]) == 1, result.stderr

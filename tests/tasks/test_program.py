"""The console script ``fer-dl``, in this process; tests/test_wheel.py runs it from a wheel."""

from functools import partial

import pytest

import fer
from fer import commands, tasks
from fer.errors import DataError
from fer.tasks.program import NAME, build_program


@pytest.fixture
def received(monkeypatch):
    """The options that commands receive, instead of running."""
    calls = {}

    def record(task, /, **options):
        calls[task] = options

    for name in tasks.__all__:
        monkeypatch.setattr(commands, name, partial(record, name))
    return calls


def run(*arguments):
    """Run the program and return its exit code."""
    try:
        build_program().run([NAME, *arguments])
    except SystemExit as ended:
        return ended.code or 0
    return 0


@pytest.mark.parametrize(
    ("arguments", "option", "value"),
    [
        (("preprocess", "faces.csv", "--name", "mine"), "source", "faces.csv"),
        (("pipeline", "faces.csv"), "source", "faces.csv"),
        (("train", "--quiet", "mini"), "preset", "mini"),
        (("finetune", "mine", "--epochs", "3"), "data", "mine"),
        (("evaluate", "mini"), "run", "mini"),
        (("audit", "faces.csv", "-g", "age"), "data", "faces.csv"),
        (("labels", "--out=t.csv", "mine"), "data", "mine"),
        (("predict", "one.jpg"), "input", ["one.jpg"]),
        (("predict", "one.jpg", "--out", "t.csv", "two.jpg", "-i", "three.jpg"), "input", None),
        (("video", "0", "--every", "2"), "input", ["0"]),
    ],
)
def test_words_without_a_flag_are_values_of_the_option_that_a_person_would_give(received, arguments, option, value):
    assert run(*arguments) == 0
    if value is None:
        assert sorted(received[arguments[0]][option]) == ["one.jpg", "three.jpg", "two.jpg"]
    else:
        assert received[arguments[0]][option] == value


def test_a_file_that_has_the_name_of_a_task_is_an_input(received):
    run("predict", "one.jpg", "train")
    assert received["predict"]["input"] == ["one.jpg", "train"]
    assert "train" not in received


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "mini", "small"), "fer-dl train takes one word, its --preset. Received: mini small."),
        (("app", "now"), "fer-dl app takes no word without a flag. Received: now."),
    ],
)
def test_more_words_than_a_task_takes_are_an_error(received, capsys, arguments, message):
    assert run(*arguments) != 0
    assert message in capsys.readouterr().err
    assert received == {}


def test_version_is_that_of_the_package(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"FER-DL {fer.__version__}\n"


def test_without_a_task_nothing_runs_and_the_tasks_are_listed(received, capsys):
    assert run() == 0
    shown = capsys.readouterr().out
    assert all(f"  {name}" in shown for name in tasks.__all__)
    assert received == {}


@pytest.mark.parametrize("arguments", [("predict", "--help"), ("--help", "predict"), ("predict", "one.jpg", "-h")])
def test_help_of_a_task_shows_its_options_under_the_name_of_the_program(received, capsys, arguments):
    assert run(*arguments) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage: fer-dl ")
    assert "--annotate" in shown
    assert received == {}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_for_the_program(capsys, shell):
    assert run("--print-completion-script", shell) == 0
    assert "_complete_fer-dl" in capsys.readouterr().out


@pytest.mark.parametrize(("line", "candidate"), [("fer-dl ", "predict"), ("fer-dl predict --", "--annotate")])
def test_completion_lists_tasks_and_options(capsys, line, candidate):
    assert run("--complete", "--", *line.split()) == 0
    assert candidate in capsys.readouterr().out.splitlines()


def test_messages_name_commands_of_the_program(monkeypatch, capsys):
    def fail(*, log, **options):
        log("Next: invoke evaluate --run mini")
        raise DataError("A rule. Remedy: run `invoke preprocess`; invoke that.")

    monkeypatch.setattr(commands, "evaluate", fail)
    assert run("evaluate", "mini") == 2
    shown = capsys.readouterr()
    assert shown.out == "Next: fer-dl evaluate --run mini\n"
    assert shown.err == "error: A rule. Remedy: run `fer-dl preprocess`; invoke that.\n"


@pytest.mark.parametrize("path", ["d/" * 3000 + "out.csv", "x" * 256, "a\0b"], ids=["long path", "long name", "NUL"])
def test_a_path_that_no_system_takes_is_refused_in_one_line(received, capsys, path):
    assert run("predict", "one.jpg", f"--out={path}") == 2
    shown = capsys.readouterr().err
    assert "--out takes names of at most 255 bytes" in shown
    assert shown.count("\n") == 1
    assert received == {}


def test_a_long_word_that_a_task_does_not_take_is_shortened(received, capsys):
    assert run("app", "x" * 5000) != 0
    assert len(capsys.readouterr().err) < 300

"""The tasks of a checkout: those of the package and the checks of its code. ``invoke --list`` shows them."""

import os

from invoke.context import Context
from invoke.tasks import task

from fer.tasks import (
    app,
    audit,
    average,
    batch,
    bench,
    evaluate,
    experiments,
    export,
    finetune,
    labels,
    photos,
    pipeline,
    predict,
    preprocess,
    relight,
    robustness,
    space,
    train,
    video,
)

__all__ = [
    "app",
    "audit",
    "average",
    "batch",
    "bench",
    "check",
    "evaluate",
    "experiments",
    "export",
    "finetune",
    "fuzz",
    "labels",
    "lock",
    "photos",
    "pipeline",
    "predict",
    "preprocess",
    "relight",
    "robustness",
    "space",
    "test",
    "train",
    "video",
]

#: Options of pytest for the whole suite. The floor is some points below what is covered.
#: Two processes: the suite is not much faster with more, and each holds a network and a browser.
COVERAGE = "-n 2 --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=95"


@task(help={"args": "arguments for pytest"})
def test(c: Context, args: str = "") -> None:
    """Run the test suite with its coverage, or the part that the arguments select, without."""
    c.run(f"python -m pytest {args or COVERAGE}", pty=False)


@task
def check(c: Context) -> None:
    """Check format, lint, types and import layers."""
    for command in ("ruff format --check .", "ruff check .", "mypy", "lint-imports"):
        c.run(command)


@task
def lock(c: Context) -> None:
    """Check that requirements.lock satisfies pyproject.toml, and that its packages have no known vulnerabilities."""
    c.run("python .ci/check_lock.py")


@task(
    help={
        "minutes": "time for all kinds together",
        "kinds": "some kinds of input, separated by commas (default: all)",
        "inputs": "largest number of inputs of each kind",
        "args": "further arguments of tests/fuzz: --first, --out, --repeat",
    }
)
def fuzz(c: Context, minutes: float = 5.0, kinds: str = "", inputs: int | None = None, args: str = "") -> None:
    """Read hostile inputs of every kind, count refusals and faults, and keep the inputs at fault in build/fuzz."""
    some = f" --kinds {kinds}" if kinds else ""
    limit = "" if inputs is None else f" --inputs {inputs}"
    path = os.pathsep.join(["tests", ".", os.environ.get("PYTHONPATH", "")])
    c.run(f"python -m fuzz --minutes {minutes}{some}{limit} {args}", env={"PYTHONPATH": path})

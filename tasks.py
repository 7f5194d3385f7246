"""The tasks of a checkout: those of the package and the checks of its code. ``invoke --list`` shows them."""

from invoke.context import Context
from invoke.tasks import task

from fer.tasks import (
    app,
    audit,
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
    "bench",
    "check",
    "evaluate",
    "experiments",
    "export",
    "finetune",
    "labels",
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
COVERAGE = "--cov --cov-report=term:skip-covered --cov-fail-under=95"


@task(help={"args": "arguments for pytest"})
def test(c: Context, args: str = "") -> None:
    """Run the test suite with its coverage, or the part that the arguments select, without."""
    c.run(f"python -m pytest {args or COVERAGE}", pty=False)


@task
def check(c: Context) -> None:
    """Check format, lint, types and import layers."""
    for command in ("ruff format --check .", "ruff check .", "mypy", "lint-imports"):
        c.run(command)

"""The tasks of the project: names, options and their help. ``invoke --list`` shows them.

A task of the package calls the function of the same name in ``fer.commands`` with its options.
"""

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_args

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from fer.errors import FerError, SettingsError

#: Options of pytest for the whole suite. The floor is some points below what is covered.
COVERAGE = "--cov --cov-report=term:skip-covered --cov-fail-under=95"


def fer_task(**settings: Any) -> Callable[[Callable[..., None]], Any]:
    """Make a task that runs the command of its name; errors of the package end it with one line and exit code 2."""

    def decorate(declaration: Callable[..., None]) -> Any:
        declared = inspect.signature(declaration)

        @functools.wraps(declaration)
        def run(*arguments: Any, **keywords: Any) -> None:
            options = declared.bind(*arguments, **keywords).arguments
            options.pop("c")
            try:
                values = {name: _convert(name, value, declared) for name, value in options.items()}
                getattr(import_module("fer.commands"), declaration.__name__)(**values)
            except FerError as error:
                raise Exit(f"error: {error}", code=2) from None

        # Invoke converts numbers itself, and ends a mistyped one with a traceback: it gets them as text.
        texts = [
            option.replace(default=str(option.default)) if type(option.default) is int else option
            for option in declared.parameters.values()
        ]
        run.__signature__ = declared.replace(parameters=texts)  # type: ignore[attr-defined]
        return task(**settings)(run)

    return decorate


def _convert(name: str, value: Any, declared: inspect.Signature) -> Any:
    """Return an option's value as a number if it is declared as one."""
    kinds = declared.parameters[name].annotation
    if not isinstance(value, str) or int not in (kinds, *get_args(kinds)):
        return value
    try:
        return int(value)
    except ValueError:
        flag = name.replace("_", "-")
        raise SettingsError(f"--{flag} takes a whole number. Received: {value!r}.") from None


@fer_task(
    help={
        "source": "fer2013.csv, icml_face_data.csv (plain, .gz, .zip, .tar.gz), a folder tree, kaggle:<owner>/<name>;"
        " none: drawn faces",
        "name": "name of the prepared data set (default: fer2013, or sample)",
        "votes": "FER+ votes (default: fer2013new.csv beside the table)",
        "mapping": "JSON file from folder names to expressions",
        "skip-bad": "leave bad rows out and list them, instead of writing nothing",
        "allow-download": "allow downloads for a source on Kaggle",
        "seed": "seed of all random draws",
    }
)
def preprocess(
    c: Context,
    source: str | None = None,
    name: str | None = None,
    votes: str | None = None,
    mapping: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    seed: int = 0,
) -> None:
    """Read a data set, check every row, guard its splits and write data/<name>.npz."""


@fer_task(
    help={
        "preset": "settings to start from: mini, small (default), base, teacher, original, sample",
        "config": "JSON file of settings that override the preset's",
        "set": "one setting, section.key=value; may be repeated",
        "data": "name of the prepared data set (default: the settings')",
        "run": "name of the run under artifacts/, or a folder (default: the preset's name)",
        "resume": "continue the unfinished run",
        "overwrite": "replace the run in the folder",
        "quiet": "no progress bar",
    },
    iterable=["set"],
)
def train(
    c: Context,
    preset: str | None = None,
    config: str | None = None,
    set: list[str] | None = None,
    data: str | None = None,
    run: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Train a network in phases and write artifacts/<run>/."""


@fer_task(
    help={
        "run": "name of the run under artifacts/, or a folder",
        "data": "name of the prepared data set (default: the run's)",
        "document": "Markdown file whose marked sections of this run are replaced",
    }
)
def evaluate(c: Context, run: str = "xception", data: str | None = None, document: str | None = None) -> None:
    """Measure a run on validation and test and write its reports and model card."""


@fer_task(
    help={
        "run": "name of the run under artifacts/, or a folder",
        "data": "name of the prepared data set (default: the run's)",
        "limit": "use only this many faces (default: all)",
        "document": "Markdown file whose marked photo check of this run is replaced",
        "quiet": "no progress bar",
    },
)
def photos(
    c: Context,
    run: str = "xception",
    data: str | None = None,
    limit: int | None = None,
    document: str | None = None,
    quiet: bool = False,
) -> None:
    """Show the validation faces as photos and compare the accuracy with that on their own pixels."""


@fer_task(help={"document": "Markdown file whose marked tables are replaced"})
def experiments(c: Context, document: str = "docs/training.md") -> None:
    """Render the records in docs/experiments/records/ into a document."""


@fer_task(
    default=True,
    help={
        "source": "data to prepare (default: data/fer2013.npz if it exists, else drawn faces)",
        "preset": "settings of the run (default: small, or sample for drawn faces)",
        "run": "name of the run (default: the preset's name)",
        "set": "one setting, section.key=value; may be repeated",
        "quiet": "no progress bar",
    },
    iterable=["set"],
)
def pipeline(
    c: Context,
    source: str | None = None,
    preset: str | None = None,
    run: str | None = None,
    set: list[str] | None = None,
    quiet: bool = False,
) -> None:
    """Preprocess, train and evaluate in turn, with one set of settings."""


@fer_task(
    help={
        "input": "an image, a folder or a glob pattern",
        "out": "the table: .csv, .json or .parquet",
        "annotate": "folder for copies with the faces drawn in",
        "explain": "also draw the activation map of each face there",
        "whole-image": "every image is one face already",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    }
)
def predict(
    c: Context,
    input: str,
    out: str = "predictions.csv",
    annotate: str | None = None,
    explain: bool = False,
    whole_image: bool = False,
    run: str | None = None,
    quiet: bool = False,
) -> None:
    """Find the faces in images and write one table of their expressions."""


@fer_task(
    help={
        "input": "a video, a camera's number, a folder of videos or of images, a pattern, or an address;"
        " may be repeated",
        "csv": "table with one row per frame and face (default, if nothing else is asked for: beside the video)",
        "annotated": "copy with the faces drawn in, .mp4; a folder for many videos",
        "plot": "image of each person's expressions over time; a folder for many videos",
        "every": "analyze each frame whose index is a multiple of this",
        "max-side": "longer side in pixels of the copy that is searched for faces (default: 640)",
        "fps": "frames per second of a folder or pattern of images (default: 25)",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    },
    iterable=["input"],
)
def video(
    c: Context,
    input: list[str],
    csv: str | None = None,
    annotated: str | None = None,
    plot: str | None = None,
    every: int = 1,
    max_side: int = 640,
    fps: int | None = None,
    run: str | None = None,
    quiet: bool = False,
) -> None:
    """Follow each person's expression through a video or a camera stream."""


@fer_task(help={"host": "address to serve on (default: this machine alone)", "port": "port to serve on"})
def app(c: Context, host: str | None = None, port: int | None = None) -> None:
    """Serve the web app."""


@fer_task(
    help={
        "out": "folder to assemble, new, empty or an earlier Space (default: build/space)",
        "push": "owner/name: send the folder to this Space",
        "dry-run": "with --push: list what would be sent, and send nothing",
    }
)
def space(c: Context, out: str = "build/space", push: str | None = None, dry_run: bool = False) -> None:
    """Assemble a folder that runs as a Hugging Face Space, and send it on request."""


@fer_task(help={"app": "measure the web app instead: its start, the live tab in Chromium, eight viewers at once"})
def bench(c: Context, app: bool = False) -> None:
    """Measure speed: our layers against stock Keras, a peer's network, frames a second, cold start and memory."""


@task(help={"args": "arguments for pytest"})
def test(c: Context, args: str = "") -> None:
    """Run the test suite with its coverage, or the part that the arguments select, without."""
    c.run(f"python -m pytest {args or COVERAGE}", pty=False)


@task
def check(c: Context) -> None:
    """Check format, lint, types and import layers."""
    for command in ("ruff format --check .", "ruff check .", "mypy", "lint-imports"):
        c.run(command)

"""The tasks of the project: names, options and their help. ``invoke --list`` shows them.

A task of the package calls the function of the same name in ``fer.commands`` with its options.
"""

import copy
import functools
import inspect
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, get_args

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.program import Program
from invoke.tasks import task

from fer.backend import check_backend
from fer.errors import FerError, InterruptedWork, SettingsError
from fer.wording import shorten_message

#: Options of pytest for the whole suite. The floor is some points below what is covered.
COVERAGE = "--cov --cov-report=term:skip-covered --cov-fail-under=95"

#: Exit code of a command that was stopped by Ctrl-C, as of a shell's.
INTERRUPTED = 130
#: Bytes of the longest name of a file on common file systems.
LONGEST_NAME = 255


def fer_task(**settings: Any) -> Callable[[Callable[..., None]], Any]:
    """Make a task that runs the command of its name; errors of the package end it with one line and exit code 2."""

    def decorate(declaration: Callable[..., None]) -> Any:
        declared = inspect.signature(declaration)

        @functools.wraps(declaration)
        def run(*arguments: Any, **keywords: Any) -> None:
            options = declared.bind(*arguments, **keywords).arguments
            options.pop("c")
            # Invoke takes "--help" for the value of an option that is required.
            if {"--help", "-h"} & {value for value in options.values() if isinstance(value, str)}:
                fresh = Collection(task(**copy.deepcopy(settings))(run))
                Program(namespace=fresh).run(["invoke", "--help", run.__name__], exit=False)
                return
            try:
                values = {name: _convert(name, value, declared) for name, value in options.items()}
                check_backend()
                getattr(import_module("fer.commands"), declaration.__name__)(**values)
            except InterruptedWork as error:
                raise Exit(shorten_message(f"error: {error}"), code=INTERRUPTED) from None
            except FerError as error:
                raise Exit(shorten_message(f"error: {error}"), code=2) from None
            except KeyboardInterrupt:
                raise Exit("error: Stopped by Ctrl-C.", code=INTERRUPTED) from None

        # Invoke converts numbers itself, and ends a mistyped one with a traceback: it gets them as text.
        texts = [
            option.replace(default=str(option.default)) if type(option.default) is int else option
            for option in declared.parameters.values()
        ]
        run.__signature__ = declared.replace(parameters=texts)  # type: ignore[attr-defined]
        # Invoke empties the help texts when it parses a command line.
        return task(**copy.deepcopy(settings))(run)

    return decorate


def _convert(name: str, value: Any, declared: inspect.Signature) -> Any:
    """Return an option's value as a number if it is declared as one, and text with the home folder for ``~``."""
    kinds, flag = declared.parameters[name].annotation, name.replace("_", "-")
    if not isinstance(value, str):
        return value
    if int not in (kinds, *get_args(kinds)):
        _check_name(flag, value)
        return os.path.expanduser(value)
    try:
        return int(value)
    except ValueError:
        raise SettingsError(f"--{flag} takes a whole number. Received: {value!r}.") from None


def _check_name(flag: str, value: str) -> None:
    """Check that a text can be the name of a file; to the operating system it would be another kind of error."""
    if "\0" in value or any(len(os.fsencode(part)) > LONGEST_NAME for part in value.split("/")):
        raise SettingsError(
            f"--{flag} takes names of at most {LONGEST_NAME} bytes, without NUL. Received: {value[:40]!r}…."
        )


@fer_task(
    help={
        "source": "fer2013.csv, icml_face_data.csv (also packed), a folder or .zip of images, kaggle:<owner>/<name>;"
        " none: drawn faces",
        "name": "name of the prepared data set (default: the source's, or sample)",
        "votes": "FER+ votes (default: fer2013new.csv beside the table)",
        "mapping": "JSON file from folder names to expressions (null: leave out), or rafdb, affectnet, fer2013",
        "detect": "the images are whole photos: detect, align and crop every face",
        "group-by": "what stays together in drawn splits: folder (default, if persons have folders), name, none",
        "skip-bad": "leave bad rows out and list them, instead of writing nothing",
        "allow-download": "allow downloads for a source on Kaggle",
        "overwrite": "replace another data set of this name",
        "seed": "seed of all random draws",
    }
)
def preprocess(
    c: Context,
    source: str | None = None,
    name: str | None = None,
    votes: str | None = None,
    mapping: str | None = None,
    detect: bool = False,
    group_by: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    overwrite: bool = False,
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
        "data": "name of the prepared data set to train on",
        "run": "the run to start from (default: the shipped one)",
        "name": "name of the new run under artifacts/, or a folder (default: the data set's name)",
        "layers": "layers to train: all (default), or head, the last one alone",
        "epochs": "number of epochs",
        "set": "one setting, section.key=value; may be repeated",
        "resume": "continue the unfinished fine-tuning",
        "overwrite": "replace the new run in its folder",
        "document": "Markdown file whose marked comparison of the new run is replaced",
        "quiet": "no progress bar",
    },
    iterable=["set"],
)
def finetune(
    c: Context,
    data: str,
    run: str | None = None,
    name: str | None = None,
    layers: str = "all",
    epochs: int = 20,
    set: list[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    document: str | None = None,
    quiet: bool = False,
) -> None:
    """Train a run further on a small data set of your own and compare it with the run before."""


@fer_task(
    help={
        "out": "folder to write, new or empty (default: build/lit)",
        "data": "name of the prepared data set whose validation faces are shown",
        "train": "photos in train",
        "test": "photos in test",
        "seed": "seed of the choice, the light and the photos",
    }
)
def relight(
    c: Context, out: str = "build/lit", data: str = "fer2013", train: int = 100, test: int = 700, seed: int = 0
) -> None:
    """Write validation faces as photos under one hard light, a set to try finetune on."""


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


@fer_task(
    help={
        "run": "name of the run under artifacts/, or a folder",
        "data": "name of the prepared data set (default: the run's)",
        "limit": "use only this many faces (default: all)",
        "document": "Markdown file whose marked robustness report of this run is replaced",
        "quiet": "no progress bar",
    },
)
def robustness(
    c: Context,
    run: str = "xception",
    data: str | None = None,
    limit: int | None = None,
    document: str | None = None,
    quiet: bool = False,
) -> None:
    """Measure a run on validation faces under blur, noise, low light, occlusion and other corruptions."""


@fer_task(
    help={
        "data": "CSV table with the columns image or pixels, label, and groups",
        "group": "its column of groups",
        "out": "the figures: .csv; a report (.md) and a plot (.png) are written beside it",
        "whole-image": "every image is one face already",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    }
)
def audit(
    c: Context,
    data: str,
    group: str,
    out: str = "audit.csv",
    whole_image: bool = False,
    run: str | None = None,
    quiet: bool = False,
) -> None:
    """Measure whether a network serves each group of your labelled faces equally well."""


@fer_task(
    help={
        "data": "name of the prepared data set",
        "out": "the table of suspects, .csv; a sheet of faces (.png) is written beside it"
        " (default: data/<name>.labels.csv)",
        "run": "the run to use (default: the shipped one)",
    }
)
def labels(c: Context, data: str = "fer2013", out: str | None = None, run: str | None = None) -> None:
    """List the faces of a data set whose labels may be wrong."""


@fer_task(help={"document": "Markdown file whose marked tables are replaced"})
def experiments(c: Context, document: str = "docs/training.md") -> None:
    """Render the records in docs/experiments/records/ into a document."""


@fer_task(
    default=True,
    help={
        "source": "data to prepare (default: drawn faces; with --preset, data/fer2013.npz if it exists)",
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
        "out": "the table: .csv, .xlsx, .json or .parquet",
        "annotate": "folder for copies with the faces drawn in",
        "explain": "also draw the activation map of each face there",
        "whole-image": "every image is one face already",
        "resume": "continue an interrupted run",
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
    resume: bool = False,
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
        "baseline": "a range of time in which people rest, such as 0:00-0:05, or a photo of a neutral face:"
        " the table also gets answers without the resting face",
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
    baseline: str | None = None,
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

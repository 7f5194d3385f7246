"""The tasks of the project; each is a thin call into the package. `invoke --list` shows them."""

import functools
from collections.abc import Callable
from typing import Any

from invoke import Exit, task

from fer.errors import FerError


def fer_task(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """Make an invoke task whose expected errors end it with one line and exit code 2."""

    def decorate(body: Callable[..., None]) -> Any:
        @functools.wraps(body)
        def run(*arguments: Any, **keywords: Any) -> None:
            try:
                body(*arguments, **keywords)
            except FerError as error:
                raise Exit(f"error: {error}", code=2) from None

        return task(**options)(run)

    return decorate


@fer_task(
    help={
        "source": "fer2013.csv, icml_face_data.csv (plain, .gz, .zip, .tar.gz), a folder tree, kaggle:<owner>/<name>;"
        " none: the drawn sample",
        "name": "name of the prepared set (default: fer2013, or sample)",
        "votes": "FER+ votes (default: fer2013new.csv beside the table)",
        "mapping": "JSON file from folder names to expressions",
        "skip-bad": "leave bad rows out and list them, instead of writing nothing",
        "allow-download": "consent to reach the network for a source on Kaggle",
        "seed": "seed of what is drawn at random",
    }
)
def preprocess(c, source="", name="", votes="", mapping="", skip_bad=False, allow_download=False, seed=0):
    """Read a data set, check every row, guard its splits and write data/<name>.npz."""
    from fer import commands

    commands.preprocess(
        source or None,
        name or None,
        votes=votes or None,
        mapping=mapping or None,
        skip_bad=skip_bad,
        allow_download=allow_download,
        seed=seed,
    )


@fer_task(
    help={
        "preset": "settings to start from: mini, small (default), base, original, sample",
        "config": "JSON file of settings that override the preset's",
        "set": "one setting, section.key=value; may be given several times",
        "data": "name of the prepared set (default: the settings')",
        "run": "name of the run under artifacts/, or a folder (default: the preset's name)",
        "resume": "go on with the unfinished run",
        "overwrite": "remove a run that stands in the folder",
        "quiet": "no progress bar",
    },
    iterable=["set"],
)
def train(c, preset="", config="", set=None, data="", run="", resume=False, overwrite=False, quiet=False):  # noqa: A002
    """Train a network in phases and write artifacts/<run>/."""
    from fer import commands

    commands.train(
        preset or None,
        config=config or None,
        settings=set or (),
        data=data or None,
        run=run or None,
        resume=resume,
        overwrite=overwrite,
        quiet=quiet,
    )


@fer_task(
    help={
        "run": "name of the run under artifacts/, or a folder",
        "data": "name of the prepared set (default: the run's)",
    }
)
def evaluate(c, run="xception", data=""):
    """Measure a run on validation and test and write its reports and model card."""
    from fer import commands

    commands.evaluate(run, data=data or None)


@fer_task(
    default=True,
    help={
        "source": "data to prepare (default: data/fer2013.npz where it exists, else the drawn sample)",
        "preset": "settings of the run (default: small, or sample for the sample)",
        "run": "name of the run (default: the preset's name)",
        "set": "one setting, section.key=value; may be given several times",
        "quiet": "no progress bar",
    },
    iterable=["set"],
)
def pipeline(c, source="", preset="", run="", set=None, quiet=False):  # noqa: A002
    """Preprocess, train and evaluate in turn, with one set of settings."""
    from fer import commands

    commands.run_pipeline(source or None, preset or None, run=run or None, settings=set or (), quiet=quiet)


@task(help={"args": "arguments for pytest"})
def test(c, args=""):
    """Run the test suite."""
    c.run(f"python -m pytest {args}", pty=False)


@task
def check(c):
    """Check format, lint and types."""
    c.run("ruff format --check .")
    c.run("ruff check .")
    c.run("mypy")

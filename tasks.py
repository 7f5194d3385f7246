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
def train(c, preset="", config="", set=None, data="", run="", resume=False, overwrite=False, quiet=False):
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
    help={
        "run": "name of the run under artifacts/, or a folder",
        "data": "name of the prepared set (default: the run's)",
        "limit": "take only the first so many faces (default: all)",
        "document": "Markdown file whose marked figures are replaced by the new ones",
        "quiet": "no progress bar",
    }
)
def photos(c, run="xception", data="", limit=0, document="", quiet=False):
    """Show the validation faces as photos and compare the accuracy with that on their own pixels."""
    from fer import commands

    commands.check_photos(run, data=data or None, limit=limit or None, document=document or None, quiet=quiet)


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
def pipeline(c, source="", preset="", run="", set=None, quiet=False):
    """Preprocess, train and evaluate in turn, with one set of settings."""
    from fer import commands

    commands.run_pipeline(source or None, preset or None, run=run or None, settings=set or (), quiet=quiet)


@fer_task(
    help={
        "input": "a picture, a folder or a glob pattern",
        "out": "the table: .csv, .json or .parquet",
        "annotate": "folder for copies with the faces drawn in",
        "explain": "also draw each face's activation map there",
        "whole-image": "every picture already is one face",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    }
)
def predict(c, input, out="predictions.csv", annotate="", explain=False, whole_image=False, run="", quiet=False):
    """Find the faces in pictures and write one table of their expressions."""
    from fer import commands

    commands.predict(
        input,
        out,
        run=run or None,
        annotate=annotate or None,
        explain=explain,
        whole_image=whole_image,
        quiet=quiet,
    )


@fer_task(
    help={
        "input": "a video, or the number of a camera",
        "csv": "table with a row for every frame and face",
        "annotated": "copy with the faces drawn in, .mp4",
        "plot": "picture of each person's expressions over time",
        "every": "look at each frame whose index is a multiple of this",
        "max-side": "longer side in pixels of the copy that is searched for faces (default: 640)",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    }
)
def video(c, input, csv="", annotated="", plot="", every=1, max_side=0, run="", quiet=False):
    """Follow each person's expression through a video or before a camera."""
    from fer import commands

    commands.analyze_video(
        input,
        csv=csv or None,
        annotated=annotated or None,
        plot=plot or None,
        every=every,
        max_side=max_side or None,
        run=run or None,
        quiet=quiet,
    )


@fer_task(help={"host": "address to serve on (default: this machine alone)", "port": "port to serve on"})
def app(c, host="", port=0):
    """Serve the web app."""
    from gradio_app import run_app

    run_app(host=host or None, port=port or None)


@fer_task(
    help={
        "out": "folder to assemble, new, empty or an earlier Space (default: build/space)",
        "push": "owner/name: send the folder to this Space",
        "dry-run": "with --push: say what would be sent, and send nothing",
    }
)
def space(c, out="build/space", push="", dry_run=False):
    """Assemble a folder that runs as a Hugging Face Space, and send it where asked."""
    from fer import commands

    commands.build_space(out, push=push or None, dry_run=dry_run)


@fer_task(help={"app": "measure the web app instead: its start, the live tab in Chromium, eight viewers at once"})
def bench(c, app=False):
    """Measure speed: our layers against stock Keras, a peer's network, frames a second, cold start and memory."""
    from fer.bench import run_bench

    run_bench(app=app)


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

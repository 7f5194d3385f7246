"""Tasks of training."""

from invoke.context import Context

from fer.tasks.declaration import fer_task


@fer_task(
    word="preset",
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
    word="runs",
    help={
        "runs": "a finished run, by its name under artifacts/ or its folder; give two or more",
        "out": "name of the new run under artifacts/, or a folder",
        "data": "name of the prepared data set (default: that of the last run)",
        "overwrite": "replace the run in the folder",
    },
    iterable=["runs"],
)
def average(c: Context, runs: list[str], out: str, data: str | None = None, overwrite: bool = False) -> None:
    """Average the weights of runs that started from the same weights, and calibrate the mean."""


@fer_task(
    word="data",
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
    word="source",
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

"""Tasks of evaluation."""

from invoke.context import Context

from fer.tasks.declaration import fer_task


@fer_task(
    word="run",
    help={
        "run": "name of the run under artifacts/, or a folder",
        "data": "name of the prepared data set (default: the run's)",
        "document": "Markdown file whose marked sections of this run are replaced",
    },
)
def evaluate(c: Context, run: str = "xception", data: str | None = None, document: str | None = None) -> None:
    """Measure a run on validation and test and write its reports and model card."""


@fer_task(
    word="run",
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
    """Compare the accuracy on validation faces placed in photos with that on their original pixels."""


@fer_task(
    word="run",
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
    word="data",
    help={
        "data": "CSV table with the columns image or pixels, label, and groups",
        "group": "column of the table with the group of each face",
        "out": "table of the figures, .csv; a report (.md) and a plot (.png) are written beside it",
        "whole-image": "every image is one face already: no detection",
        "run": "the run to use (default: the shipped one)",
        "quiet": "no progress bar",
    },
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
    word="data",
    help={
        "data": "name of the prepared data set",
        "out": "table of these faces, .csv; a sheet that shows them (.png) is written beside it"
        " (default: data/<name>.labels.csv)",
        "run": "the run to use (default: the shipped one)",
    },
)
def labels(c: Context, data: str = "fer2013", out: str | None = None, run: str | None = None) -> None:
    """List the faces of a data set whose labels may be wrong."""


@fer_task(help={"document": "Markdown file whose marked tables are replaced"})
def experiments(c: Context, document: str = "docs/laboratory.md") -> None:
    """Render the records in docs/experiments/records/ into a document."""

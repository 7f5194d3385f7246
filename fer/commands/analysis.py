"""Commands that read images, videos and cameras: predict, video and batch."""

from collections.abc import Iterable
from typing import Any

import fer
from fer import reports
from fer.commands.options import Log, check_positive, load_classifier
from fer.errors import ImageError
from fer.runs import Run
from fer.wording import format_count


def predict(
    input: str | Iterable[str],
    out: str = "predictions.csv",
    *,
    annotate: str | None = None,
    explain: bool = False,
    whole_image: bool = False,
    resume: bool = False,
    run: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> None:
    """Write one table of the faces in images and, on request, annotated copies.

    Raises:
        ImageError: none of the images can be read; the table names the reason of each.
    """
    summary = reports.predict_files(
        input if isinstance(input, str) else list(input),
        out,
        analyzer=lambda: fer.Analyzer(load_classifier(run), whole_image=whole_image),
        annotate=annotate,
        explain=explain,
        resume=resume,
        settings={"run": run or "the shipped one", "whole_image": whole_image},
        progress=not quiet,
    )
    log(summary.describe())
    if summary.num_errors == summary.num_images:
        raise ImageError(
            f"At least one image must be readable. Received: {format_count(summary.num_images, 'image')}, none of which"
            f" is. Remedy: see the column 'error' of {out}."
        )


def video(
    input: str | Iterable[str],
    *,
    csv: str | None = None,
    annotated: str | None = None,
    plot: str | None = None,
    baseline: str | None = None,
    every: int = 1,
    max_side: int = 640,
    fps: int | None = None,
    run: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> None:
    """Write the table, annotated copies and plots of videos or of a camera, and print a summary."""
    from fer.vision.sources import find_sources, name_table

    check_positive("--max-side", max_side)
    check_positive("--every", every)
    check_positive("--fps", fps)
    sources = find_sources(input if isinstance(input, str) else list(input))
    if csv is None and (sources.is_batch or (annotated is None and plot is None)):
        csv = str(name_table(sources))
    options: dict[str, Any] = {
        "analyzer": lambda: fer.Analyzer(load_classifier(run), max_side=max_side),
        "csv": csv,
        "annotated": annotated,
        "plot": plot,
        "baseline": baseline,
        "every": every,
        "rate": fps,
        "allow_network": True,
        "on_message": log,
        "progress": not quiet,
    }
    if sources.is_batch:
        log(reports.process_videos(sources.videos, **options).describe())
    else:
        log(reports.process_video(sources.videos[0], **options).describe())
    if sources.left_aside:
        log(sources.describe_left_aside())


def batch(
    input: str | Iterable[str],
    out: str,
    *,
    workers: int | None = None,
    engine: str = "local",
    whole_image: bool = False,
    every: int = 1,
    max_side: int = 640,
    segment: int = 600,
    timeout: int = 1800,
    run: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> None:
    """Analyze many images and videos with several workers, into Parquet parts and a summary.

    Raises:
        ImageError: none of the images and videos can be read; the parts name the reason of each.
    """
    from fer.batch.driver import BatchOptions, run_batch

    check_positive("--workers", workers)
    check_positive("--every", every)
    check_positive("--max-side", max_side)
    network = None if run is None else Run.find_trained(run).folder
    summary = run_batch(
        input if isinstance(input, str) else list(input),
        out,
        workers=workers,
        engine=engine,
        options=BatchOptions(network, whole_image, every, max_side, segment),
        timeout=timeout,
        progress=not quiet,
    )
    log(summary.describe())
    if summary.num_errors == summary.num_units:
        raise ImageError(
            f"At least one image or video must be readable. Received: {summary.num_units}, none of which is."
            f" Remedy: see the column 'error' of the parts in {out}."
        )

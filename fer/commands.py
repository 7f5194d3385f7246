"""One function per task: build the settings, call the package, print the result.

Options are those of the task of the same name in ``tasks.py``, which describes them. ``log`` is called with each line
of output.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fer
from fer import bench as benchmarks
from fer import evaluation, reports, training
from fer.config import load_config, read_json
from fer.data import Dataset, format_preparation, load_dataset, prepare_dataset
from fer.errors import SettingsError
from fer.runs import Run

#: Name of the prepared set of drawn faces, and of the preset and run that belong to it.
SAMPLE = "sample"
Log = Callable[[str], None]


def preprocess(
    source: str | None = None,
    name: str | None = None,
    *,
    votes: str | None = None,
    mapping: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    seed: int = 0,
    log: Log = print,
) -> Path:
    """Prepare a data set, print what it holds, and return its file."""
    preparation = prepare_dataset(
        source,
        name or (SAMPLE if source is None else "fer2013"),
        votes=votes,
        mapping=read_json(mapping) if mapping else None,
        skip_bad=skip_bad,
        allow_download=allow_download,
        seed=seed,
    )
    log(format_preparation(preparation))
    return preparation.path


def train(
    preset: str | None = None,
    *,
    config: str | None = None,
    set: Iterable[str] | None = None,
    data: str | None = None,
    run: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    log: Log = print,
) -> Path:
    """Train a network and return its run folder.

    Raises:
        SettingsError: a setting is not valid, or is given together with ``resume``.
    """
    target = Run.find(run or preset or "small")
    overrides = tuple(set or ())
    if resume and (config or preset or overrides or overwrite):
        raise SettingsError(
            "A resumed run keeps its settings. Received: --resume together with options that change them."
            " Remedy: give only --run."
        )
    settings = target.read_config() if resume else load_config(preset or "small", config, overrides)
    dataset = load_dataset(data or settings.data.name)
    result = training.train(
        dataset, settings, target.folder, resume=resume, overwrite=overwrite, progress=not quiet, log=log
    )
    log(
        f"Kept epoch {result.best_epoch} of {len(result.history)}, validation accuracy"
        f" {result.validation_accuracy:.4f}, in {target.folder}. Next: invoke evaluate --run {target.argument}"
    )
    return target.folder


def evaluate(
    run: str = "xception", *, data: str | None = None, document: str | None = None, log: Log = print
) -> dict[str, Any]:
    """Measure a run on validation and test, write its reports, and return the content of ``metrics.json``."""
    from fer.evaluation.documents import check_document, update_document
    from fer.evaluation.model_card import SECTIONS, render_run_sections

    target = Run.find(run)
    if document is not None:
        check_document(document, [f"{kind}:{target.name}" for kind in SECTIONS])
    metrics = evaluation.evaluate_run(target.folder, _load_dataset_of(target, data))
    sections = render_run_sections(target)
    log(sections["figures"])
    if document is not None:
        update_document(document, {f"{kind}:{target.name}": text for kind, text in sections.items()})
    log(f"Reports are in {target.folder}.")
    return metrics


def photos(
    run: str = "xception",
    *,
    data: str | None = None,
    limit: int | None = None,
    document: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Compare a run's accuracy on faces shown as photos with that on their own pixels; return ``photo_check.json``."""
    from fer.evaluation.documents import check_document, update_document
    from fer.evaluation.photo_check import check_run, render_photo_check

    _check_positive("--limit", limit)
    target = Run.find(run)
    section = f"photos:{target.name}"
    if document is not None:
        check_document(document, [section])
    figures = check_run(target.folder, _load_dataset_of(target, data), limit=limit, progress=not quiet)
    log(render_photo_check(figures))
    if document is not None:
        update_document(document, {section: render_photo_check(figures)})
    log(f"Wrote {target.photo_check}.")
    return figures


def experiments(document: str = "docs/training.md", *, log: Log = print) -> None:
    """Replace the tables of past experiments in a document by their records."""
    from fer.evaluation.documents import update_document
    from fer.evaluation.experiments import render_records

    tables = render_records()
    update_document(document, tables)
    log(f"Wrote {', '.join(tables)} into {document}.")


def pipeline(
    source: str | None = None,
    preset: str | None = None,
    *,
    run: str | None = None,
    set: Iterable[str] | None = None,
    quiet: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Prepare, train and evaluate; without a source, on the prepared FER2013 if there is one, else on drawn faces.

    A run on the drawn sample replaces the previous one.
    """
    dataset = _prepare_for_pipeline(source, log)
    preset = preset or (SAMPLE if dataset.is_sample else "small")
    name = run or preset
    overwrite = dataset.is_sample and name == SAMPLE
    train(preset, set=set, data=dataset.name, run=name, overwrite=overwrite, quiet=quiet, log=log)
    return evaluate(name, log=log)


def predict(
    input: str,
    out: str = "predictions.csv",
    *,
    annotate: str | None = None,
    explain: bool = False,
    whole_image: bool = False,
    run: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> None:
    """Write one table of the faces in images and, on request, annotated copies."""
    analyzer = fer.Analyzer(_load_classifier(run), whole_image=whole_image)
    summary = reports.predict_files(
        input, out, analyzer=analyzer, annotate=annotate, explain=explain, progress=not quiet
    )
    log(summary.describe())


def video(
    input: str | Iterable[str],
    *,
    csv: str | None = None,
    annotated: str | None = None,
    plot: str | None = None,
    every: int = 1,
    max_side: int = 640,
    fps: int | None = None,
    run: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> None:
    """Write the table, annotated copies and plots of videos or of a camera, and print a summary."""
    from fer.vision.sources import find_sources, name_table

    _check_positive("--max-side", max_side)
    _check_positive("--every", every)
    _check_positive("--fps", fps)
    sources = find_sources(input if isinstance(input, str) else list(input))
    if csv is None and (sources.is_batch or (annotated is None and plot is None)):
        csv = str(name_table(sources))
    options: dict[str, Any] = {
        "analyzer": fer.Analyzer(_load_classifier(run), max_side=max_side),
        "csv": csv,
        "annotated": annotated,
        "plot": plot,
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


def app(*, host: str | None = None, port: int | None = None) -> None:
    """Serve the web app."""
    from gradio_app import run_app

    run_app(host=host, port=port)


def space(out: str = "build/space", *, push: str | None = None, dry_run: bool = False, log: Log = print) -> None:
    """Assemble the folder of a Hugging Face Space, and send it on request.

    Raises:
        SettingsError: ``dry_run`` is given without ``push``.
    """
    from fer.app.space import APP_FILE, build_space, push_space

    if dry_run and push is None:
        raise SettingsError("--dry-run needs --push owner/name. Received: --dry-run alone.")
    files = build_space(out)
    log(f"{len(files)} files are in {out}. Start it there: python {APP_FILE}")
    if push is not None:
        push_space(out, push, dry_run=dry_run, log=log)


def bench(*, app: bool = False) -> None:
    """Measure and print speed."""
    benchmarks.run_bench(app=app)


def _check_positive(flag: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise SettingsError(f"{flag} must be at least 1. Received: {value}.")


def _prepare_for_pipeline(source: str | None, log: Log) -> Dataset:
    prepared = Path("data") / "fer2013.npz"
    if source is None and prepared.is_file():
        log(f"Using {prepared}.")
        return load_dataset("fer2013")
    return load_dataset(preprocess(source, log=log))


def _load_dataset_of(run: Run, name: str | None) -> Dataset:
    """Load a prepared data set by its name, or the one that a run was trained on."""
    return load_dataset(name or run.read_config().data.name)


def _load_classifier(run: str | None) -> "fer.Classifier":
    return fer.Classifier.load(None if run is None else Run.find(run).folder)

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
from fer.evaluation.documents import check_document, update_document
from fer.runs import Run

#: Name of the prepared set of drawn faces, and of the preset and run that belong to it.
SAMPLE = "sample"
Log = Callable[[str], None]
Measure = Callable[[], dict[str, Any]]
Render = Callable[[dict[str, Any]], str]


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
    from fer.evaluation.photo_check import check_run, render_photo_check

    _check_positive("--limit", limit)
    target = Run.find(run)

    def measure() -> dict[str, Any]:
        return check_run(target.folder, _load_dataset_of(target, data), limit=limit, progress=not quiet)

    figures = _report(f"photos:{target.name}", document, measure, render_photo_check, log)
    log(f"Wrote {target.photo_check}.")
    return figures


def robustness(
    run: str = "xception",
    *,
    data: str | None = None,
    limit: int | None = None,
    document: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Measure a run on corrupted validation faces; return the content of ``robustness.json``."""
    from fer.evaluation.robustness import report_robustness
    from fer.evaluation.robustness_figures import render_robustness

    _check_positive("--limit", limit)
    target = Run.find(run)

    def measure() -> dict[str, Any]:
        return report_robustness(target.folder, _load_dataset_of(target, data), limit=limit, progress=not quiet)

    figures = _report(f"robustness:{target.name}", document, measure, render_robustness, log)
    log(f"Wrote {target.robustness} and {target.robustness_plot.name}.")
    return figures


def audit(
    data: str,
    group: str,
    out: str = "audit.csv",
    *,
    whole_image: bool = False,
    run: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> None:
    """Measure a network on each group of a labelled table; write the figures as CSV, Markdown and a plot."""
    from fer.evaluation.audit_report import report_audit

    classifier = _load_classifier(run)
    log(report_audit(data, group, out, classifier=classifier, whole_image=whole_image, progress=not quiet))
    log(f"Wrote {out}, with a report (.md) and a plot (.png) beside it.")


def labels(data: str = "fer2013", out: str | None = None, *, run: str | None = None, log: Log = print) -> None:
    """Write the faces of a data set whose labels may be wrong as a table and a sheet, and print their numbers."""
    from fer.evaluation.label_report import report_labels

    dataset = load_dataset(data)
    table = Path(out or f"data/{dataset.name}.labels.csv")
    log(report_labels(dataset, _load_classifier(run), table))
    log(f"Wrote {table} and {table.with_suffix('.png')}, which shows faces of the data set.")


def experiments(document: str = "docs/training.md", *, log: Log = print) -> None:
    """Replace the tables of past experiments in a document by their records."""
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
    input: str,
    *,
    csv: str | None = None,
    annotated: str | None = None,
    plot: str | None = None,
    every: int = 1,
    max_side: int = 640,
    run: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> None:
    """Write a video's or camera's table, annotated copy and plot, and print a summary."""
    _check_positive("--max-side", max_side)
    summary = reports.process_video(
        input,
        analyzer=fer.Analyzer(_load_classifier(run), max_side=max_side),
        csv=csv,
        annotated=annotated,
        plot=plot,
        every=every,
        progress=not quiet,
    )
    log(summary.describe())


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


def _report(section: str, document: str | None, measure: Measure, render: Render, log: Log) -> dict[str, Any]:
    """Measure, print the result, and put it into a section of a document, which is checked before any work."""
    if document is not None:
        check_document(document, [section])
    figures = measure()
    log(render(figures))
    if document is not None:
        update_document(document, {section: render(figures)})
    return figures


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

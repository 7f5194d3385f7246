"""One function per task: build the settings, call the package, print the result.

Options are those of the task of the same name in ``tasks.py``, which describes them. ``log`` is called with each line
of output.
"""

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast, get_args

import fer
from fer import bench as benchmarks
from fer import evaluation, reports, training
from fer.config import Layers, load_config
from fer.data import Dataset, choose_name, format_preparation, load_dataset, prepare_dataset
from fer.data.dataset import build_path
from fer.data.sources.names import read_mapping
from fer.errors import ImageError, InterruptedWork, SettingsError
from fer.evaluation.documents import check_document, update_document
from fer.files import check_writable
from fer.runs import Run
from fer.wording import format_count

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
    detect: bool = False,
    group_by: str | None = None,
    skip_bad: bool = False,
    allow_download: bool = False,
    overwrite: bool = False,
    seed: int = 0,
    log: Log = print,
) -> Path:
    """Prepare a data set, print what it holds, and return its file.

    Raises:
        DataError: the name holds another data set, and ``overwrite`` is not set.
    """
    if seed < 0:
        raise SettingsError(f"--seed must be at least 0. Received: {seed}.")
    preparation = prepare_dataset(
        source,
        name or choose_name(source),
        votes=votes,
        mapping=read_mapping(mapping) if mapping else None,
        detect=detect,
        group_by=group_by,
        skip_bad=skip_bad,
        allow_download=allow_download,
        overwrite=overwrite,
        progress=True,
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
    source = f" --data {shlex.quote(data)}" if data and Path(data).suffix == ".npz" else ""
    try:
        result = training.train(
            dataset, settings, target.folder, resume=resume, overwrite=overwrite, progress=not quiet, log=log
        )
    except KeyboardInterrupt:
        if not target.is_begun:
            raise
        raise InterruptedWork(
            f"Stopped. Continue after the last whole epoch with: invoke train --run {target.argument} --resume{source}"
        ) from None
    log(
        f"Kept epoch {result.best_epoch} of {len(result.history)}, validation accuracy"
        f" {result.validation_accuracy:.4f}, in {target.folder}. Next: invoke evaluate --run {target.argument}{source}"
    )
    return target.folder


def finetune(
    data: str,
    run: str | None = None,
    *,
    name: str | None = None,
    layers: str = "all",
    epochs: int = 20,
    set: Iterable[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    document: str | None = None,
    quiet: bool = False,
    log: Log = print,
) -> dict[str, Any]:
    """Train a run further on a small data set, compare both on held-out faces, return ``comparison.json``."""
    from fer.evaluation.comparison import render_comparison
    from fer.evaluation.documents import check_document, update_document

    _check_positive("--epochs", epochs)
    target = Run.find(name or data)
    section = f"finetune:{target.name}"
    if document is not None:
        check_document(document, [section])
    initial = _find_initial(run or (target.read_config().training.initial_run if resume else None))
    dataset = load_dataset(data)
    training.finetune(
        dataset,
        initial,
        target.folder,
        layers=_check_layers(layers),
        epochs=epochs,
        overrides=tuple(set or ()),
        resume=resume,
        overwrite=overwrite,
        progress=not quiet,
        log=log,
    )
    figures = evaluation.compare_runs(initial, target, dataset, _load_reference(dataset, log))
    log(render_comparison(figures))
    if document is not None:
        update_document(document, {section: render_comparison(figures)})
    log(f"Wrote {target.folder}. Next: invoke predict --input photo.jpg --run {target.argument}")
    return figures


def relight(
    out: str = "build/lit", *, data: str = "fer2013", train: int = 100, test: int = 700, seed: int = 0, log: Log = print
) -> None:
    """Write validation faces as photos under one hard light, in a folder tree to try fine-tuning on."""
    from fer.data.lit_photos import write_lit_photos

    _check_positive("--train", train)
    _check_positive("--test", test)
    write_lit_photos(load_dataset(data), out, num_train=train, num_test=test, seed=seed)
    log(f"Wrote {train + test} photos. Next: invoke preprocess --source {out} --name lit --detect --skip-bad")


def evaluate(
    run: str = "xception", *, data: str | None = None, document: str | None = None, log: Log = print
) -> dict[str, Any]:
    """Measure a run on validation and test, write its reports, and return the content of ``metrics.json``."""
    from fer.evaluation.model_card import SECTIONS, render_run_sections

    target = Run.find(run)
    if document is not None:
        check_document(document, [f"{kind}:{target.name}" for kind in SECTIONS])
    _check_reports(target, target.metrics, document)
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

    _check_reports(target, target.photo_check, document)
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
    """Prepare, train and evaluate.

    Without a source or preset, this takes minutes, on drawn faces, and replaces the previous run on them. With a preset
    and no source, it uses the prepared FER2013 if there is one.
    """
    dataset = _prepare_for_pipeline(source, preset, log)
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
        input,
        out,
        analyzer=lambda: fer.Analyzer(_load_classifier(run), whole_image=whole_image),
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

    _check_positive("--max-side", max_side)
    _check_positive("--every", every)
    _check_positive("--fps", fps)
    sources = find_sources(input if isinstance(input, str) else list(input))
    if csv is None and (sources.is_batch or (annotated is None and plot is None)):
        csv = str(name_table(sources))
    options: dict[str, Any] = {
        "analyzer": lambda: fer.Analyzer(_load_classifier(run), max_side=max_side),
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


def app(*, host: str | None = None, port: int | None = None) -> None:
    """Serve the web app.

    Raises:
        SettingsError: the port is no port, or is taken.
    """
    if port is not None and not 0 < port < 2**16:
        raise SettingsError(f"--port must be in 1..{2**16 - 1}. Received: {port}.")
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


def _check_reports(run: Run, report: Path, document: str | None) -> None:
    """Check that a run's report and the document can be written, before the work."""
    if run.folder.is_dir():
        check_writable(report)
    if document is not None:
        check_writable(document)


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


def _prepare_for_pipeline(source: str | None, preset: str | None, log: Log) -> Dataset:
    prepared = Path("data") / "fer2013.npz"
    if source is not None or not prepared.is_file():
        return load_dataset(preprocess(source, log=log))
    if preset is None:
        # Training on FER2013 takes hours, which nobody starts by a bare command.
        log(f"To train on {prepared}, name a preset: invoke pipeline --preset small.")
        return load_dataset(preprocess(None, log=log))
    log(f"Using {prepared}.")
    return load_dataset("fer2013")


def _check_layers(layers: str) -> Layers:
    if layers not in get_args(Layers):
        raise SettingsError(f"--layers is one of {', '.join(get_args(Layers))}. Received: {layers!r}.")
    return cast(Layers, layers)


def _find_initial(name: str | None) -> Run:
    """Return a run by its name; without one the shipped run, by its name too if it is found by that."""
    if name is not None:
        return Run.find(name)
    shipped = Run.find_shipped()
    named = Run.find(shipped.name)
    return named if named.folder.resolve() == shipped.folder.resolve() else shipped


def _load_reference(dataset: Dataset, log: Log) -> Dataset | None:
    """Load the prepared FER2013, on which a fine-tuned run shows what it forgot; None if there is none."""
    path = build_path("fer2013", "data")
    if not path.is_file():
        log(f"What the network forgot of FER2013 is not measured: {path} is missing. `invoke preprocess` writes it.")
        return None
    reference = load_dataset("fer2013")
    if reference.fingerprint == dataset.fingerprint:
        log("What the network forgot of FER2013 is not measured: it was trained further on FER2013 itself.")
        return None
    return reference


def _load_dataset_of(run: Run, name: str | None) -> Dataset:
    """Load a prepared data set by its name, or the one that a run was trained on."""
    return load_dataset(name or run.read_config().data.name)


def _load_classifier(run: str | None) -> "fer.Classifier":
    return fer.Classifier.load(None if run is None else Run.find(run).folder)

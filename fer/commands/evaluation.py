"""Commands that measure a run or the labels of a data set, and write reports and documents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer import evaluation
from fer.commands.options import Log, check_positive, load_classifier, load_dataset_of
from fer.data import load_dataset
from fer.evaluation.documents import check_document, update_document
from fer.files import check_writable
from fer.runs import Run

Measure = Callable[[], dict[str, Any]]
Render = Callable[[dict[str, Any]], str]


def evaluate(
    run: str = "xception", *, data: str | None = None, document: str | None = None, log: Log = print
) -> dict[str, Any]:
    """Measure a run on validation and test, write its reports, and return the content of ``metrics.json``."""
    from fer.evaluation.model_card import SECTIONS, render_run_sections

    target = Run.find(run)
    if document is not None:
        check_document(document, [f"{kind}:{target.name}" for kind in SECTIONS])
    _check_reports(target, target.metrics, document)
    metrics = evaluation.evaluate_run(target.folder, load_dataset_of(target, data))
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

    check_positive("--limit", limit)
    target = Run.find(run)

    def measure() -> dict[str, Any]:
        return check_run(target.folder, load_dataset_of(target, data), limit=limit, progress=not quiet)

    figures = _report("photos", target, target.photo_check, document, measure, render_photo_check, log)
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

    check_positive("--limit", limit)
    target = Run.find(run)

    def measure() -> dict[str, Any]:
        return report_robustness(target.folder, load_dataset_of(target, data), limit=limit, progress=not quiet)

    figures = _report("robustness", target, target.robustness, document, measure, render_robustness, log)
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

    classifier = load_classifier(run)
    log(report_audit(data, group, out, classifier=classifier, whole_image=whole_image, progress=not quiet))
    log(f"Wrote {out}, with a report (.md) and a plot (.png) beside it.")


def labels(data: str = "fer2013", out: str | None = None, *, run: str | None = None, log: Log = print) -> None:
    """Write the faces of a data set whose labels may be wrong as a table and a sheet, and print their numbers."""
    from fer.evaluation.label_report import report_labels

    dataset = load_dataset(data)
    table = Path(out or f"data/{dataset.name}.labels.csv")
    log(report_labels(dataset, load_classifier(run), table))
    log(f"Wrote {table} and {table.with_suffix('.png')}, which shows faces of the data set.")


def experiments(document: str = "docs/laboratory.md", *, log: Log = print) -> None:
    """Replace the tables of past experiments in a document by their records."""
    from fer.evaluation.experiments import render_records

    tables = render_records()
    update_document(document, tables)
    log(f"Wrote {', '.join(tables)} into {document}.")


def _check_reports(run: Run, report: Path, document: str | None) -> None:
    """Check that a run's report and the document can be written, before the work."""
    if run.folder.is_dir():
        check_writable(report)
    if document is not None:
        check_writable(document)


def _report(
    kind: str, run: Run, report: Path, document: str | None, measure: Measure, render: Render, log: Log
) -> dict[str, Any]:
    """Measure, print the result, and put it into a section of a document; all outputs are checked before the work."""
    section = f"{kind}:{run.name}"
    _check_reports(run, report, document)
    if document is not None:
        check_document(document, [section])
    figures = measure()
    log(render(figures))
    if document is not None:
        update_document(document, {section: render(figures)})
    return figures

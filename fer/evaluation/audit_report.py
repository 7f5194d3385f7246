"""The files of an audit: a CSV table with one row per figure, a Markdown report and a plot."""

from pathlib import Path

import pandas as pd

from fer.analysis import Analyzer
from fer.errors import SettingsError
from fer.evaluation.audit import ALL, FEW_FACES, Audit, GroupFigures, Share, audit_groups, compute_gap
from fer.evaluation.audit_plot import plot_audit
from fer.evaluation.labelled_table import read_labelled_table
from fer.files import check_apart, check_writable, show_path, write_atomically
from fer.inference import Classifier
from fer.progress import Progress

COLUMNS = ("group", "figure", "expression", "n", "value", "low", "high")


def report_audit(
    path: str | Path,
    group: str,
    out: str | Path,
    *,
    classifier: Classifier,
    whole_image: bool = False,
    progress: bool = False,
) -> str:
    """Audit the groups of a labelled table, and write the figures as CSV, Markdown and PNG.

    Args:
        path: the labelled table.
        group: its column of groups.
        out: the CSV file; the other two stand beside it.
        classifier: the network.
        whole_image: take every image as one face, without detection.
        progress: show a progress bar.

    Returns:
        The Markdown report.

    Raises:
        DataError: the table cannot be used.
        SettingsError: ``out`` is no CSV file, or ``group`` has one value or too many.
        OutputError: a file cannot be written; this is checked before the images are read.
    """
    out = Path(out)
    if out.suffix.lower() != ".csv":
        raise SettingsError(
            f"--out of an audit must end in .csv. Received: {show_path(out)}. Remedy: name a .csv file."
        )
    outputs = [out.with_suffix(suffix) for suffix in (".csv", ".md", ".png")]
    check_apart([path], outputs)
    for output in outputs:
        check_writable(output)
    table = read_labelled_table(path, group)
    if not table.is_faces:
        check_apart(table.sources, outputs)
    analyzer = Analyzer(classifier, whole_image=whole_image or table.is_faces)
    bar = Progress(table.sources, unit=" images", disable=not progress)
    audit = audit_groups(table, analyzer, bar)
    title = f"{show_path(table.path.name)} by {show_path(group)}"
    report = render_audit(audit, title=title)
    write_atomically(out, render_audit_table(audit))
    plot_audit(audit, out.with_suffix(".png"), title=title)
    write_atomically(out.with_suffix(".md"), report + "\n")
    return report


def render_audit(audit: Audit, *, title: str) -> str:
    """Return an audit as Markdown: the largest gap, then a table with a row per group."""
    rows = [_render_group(figures) for figures in (*audit.groups, audit.total)]
    return "\n".join(
        [
            f"# Audit of {title}",
            "",
            _render_gap(audit),
            "",
            "| group | faces | detected | accuracy (95 % interval) | mean recall (95 % interval) | lowest recall |",
            "| --- | ---: | --- | --- | --- | --- |",
            *rows,
            "",
            _render_legend(audit),
        ]
    )


def render_audit_table(audit: Audit) -> str:
    """Return an audit as CSV with the columns :data:`COLUMNS`, one row per group and figure."""
    rows = []
    for figures in (*audit.groups, audit.total):
        shares = [("accuracy", "", figures.accuracy), ("mean_recall", "", figures.mean_recall)]
        shares += [("recall", expression, share) for expression, share in figures.recalls.items()]
        shares += [("detected", "", figures.detected)] if figures.detected else []
        rows += [
            (figures.name, name, expression, share.n, *(round(end, 6) for end in (share.value, share.low, share.high)))
            for name, expression, share in shares
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(index=False, lineterminator="\n")


def _render_gap(audit: Audit) -> str:
    if len(audit.groups) < 2:
        return "Only one group has images that can be read."
    worst, best = audit.worst_and_best
    gap = compute_gap(audit)
    verdict = (
        "larger than chance explains" if gap.low > 0 else "within what chance explains: more faces are needed to tell"
    )
    return (
        f"Largest gap in accuracy: {100 * gap.value:.1f} points ({100 * gap.low:+.1f} to {100 * gap.high:+.1f}),"
        f" between **{best.name}** ({best.accuracy.value:.3f}) and **{worst.name}** ({worst.accuracy.value:.3f}),"
        f" {verdict}."
        f"{' With several groups, some gap is expected by chance alone.' if len(audit.groups) > 2 else ''}"
    )


def _render_group(figures: GroupFigures) -> str:
    expression, recall = min(figures.recalls.items(), key=lambda item: item[1].value)
    cells = [
        "all" if figures.name == ALL else figures.name.replace("|", "\\|"),
        f"{figures.n:,}",
        "-" if figures.detected is None else f"{100 * figures.detected.value:.1f} %",
        _render_share(figures.accuracy),
        f"{_render_share(figures.mean_recall)}, {len(figures.recalls)} expressions",
        f"{expression} {recall.value:.3f} (n = {recall.n:,})",
    ]
    return f"| {' | '.join(cells)} |"


def _render_share(share: Share) -> str:
    return f"{share.value:.3f} ({share.low:.3f}-{share.high:.3f})"


def _render_legend(audit: Audit) -> str:
    sentences = [
        "Accuracy, recalls and detection have Wilson's interval. The mean recall (of the expressions that a group has)"
        " and the gap have the interval that follows from these."
    ]
    if audit.total.detected is not None:
        sentences.append("A face that is not detected counts as a wrong prediction.")
    few = [figures.name for figures in audit.groups if figures.n < FEW_FACES]
    if few:
        sentences.append(f"Fewer than {FEW_FACES} faces: {', '.join(few)}; the gap is that of larger groups, if any.")
    return " ".join([*sentences, *audit.notes])

"""The model tab: figures, confusion matrix, plots and model card of the shipped run.

Every figure comes from the run folder; a notice replaces what is missing there.
"""

import csv
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from fer.app.data_urls import encode_data_url
from fer.app.pages.cards import render_notice
from fer.errors import ModelError
from fer.evaluation.metrics_file import read_metrics
from fer.evaluation.model_card import HEADINGS, render_run_sections
from fer.labels import COLORS, EXPRESSIONS
from fer.runs import Run

#: Sections of the model card above and below the confusion matrix and the plots.
_FIGURE_SECTIONS = ("figures", "classes", "calibration")
_CARD_SECTIONS = ("protocol", "data", "training", "limits", "origin")


class ModelPage(NamedTuple):
    """Contents of the tab.

    Args:
        headline: HTML, the main figures.
        figures: Markdown, tables of figures.
        confusion: HTML, the confusion matrix.
        plots: HTML, the plots.
        card: Markdown, sections of the model card.
    """

    headline: str
    figures: str = ""
    confusion: str = ""
    plots: str = ""
    card: str = ""


def build_model_page(run: Run | None = None) -> ModelPage:
    """Return the contents of the tab for a run.

    Args:
        run: a run folder; None for the shipped run.
    """
    try:
        run = Run.find_shipped() if run is None else run
    except ModelError as error:
        return ModelPage(render_notice(str(error), kind="error"))
    if not run.folder.is_dir():
        return _build_empty("The network is a single file, without a run folder.")
    try:
        metrics, sections = read_metrics(run.folder), render_run_sections(run)
    except ModelError:
        return _build_empty("The network has not been evaluated yet, or its run folder is incomplete.")
    suffix = _name_head(metrics, "labels")
    return ModelPage(
        headline=_render_headline(metrics),
        figures=_join_sections(sections, HEADINGS | {"classes": HEADINGS["classes"] + suffix}, _FIGURE_SECTIONS),
        confusion=_render_confusion(run.confusion_matrix, suffix),
        plots=_render_plots(run, suffix),
        card=_join_sections(sections, HEADINGS, _CARD_SECTIONS),
    )


def _build_empty(reason: str) -> ModelPage:
    return ModelPage(render_notice(f"{reason} Remedy: run `invoke evaluate`."))


def _name_head(metrics: dict[str, Any], head: str) -> str:
    """Return the end of a caption that names the head; empty for a network with one head."""
    return f", head {head}" if len(metrics["heads"]) > 1 else ""


def _render_headline(metrics: dict[str, Any]) -> str:
    parts = [_render_tiles(_list_tiles(metrics))]
    if metrics["is_sample"]:
        parts.insert(
            0,
            render_notice(
                "This network was trained on drawings made by the package: it shows that the app works and cannot"
                " read real faces."
            ),
        )
    if _name_head(metrics, "votes"):
        parts.append(
            "<p>The network has two heads on the same features: <b>labels</b> was trained on FER2013's labels,"
            " <b>votes</b> on the votes of FER+'s ten annotators. The app answers with the head votes.</p>"
        )
    return "".join(parts)


def _list_tiles(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    test, head = metrics["test"], _name_head(metrics, "labels")
    under = " under FER2013's labels" if head else ""
    accuracy = f"accuracy on {test['n']:,} test faces{under}, {_render_interval(test)}{head}"
    return [
        (_render_percentage(test["accuracy"]), accuracy),
        (_render_percentage(test["flip"]["accuracy"]), f"averaged over each face and its mirror image{head}"),
        *_list_votes_tiles(metrics),
        (f"{test['macro_f1']:.3f}", f"macro F1: every expression counts equally{head}"),
        (f"{test['ece']:.3f}", f"expected calibration error{head}"),
        (f"{metrics['params']:,}", "parameters"),
    ]


def _list_votes_tiles(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the accuracy of the head votes, if the network has this head and it was measured."""
    figures, head = metrics["ferplus_test"], _name_head(metrics, "votes")
    if not head or figures is None:
        return []
    text = f"accuracy on {figures['n']:,} test faces under the FER+ majority, {_render_interval(figures)}{head}"
    return [(_render_percentage(figures["accuracy"]), text)]


def _render_tiles(tiles: list[tuple[str, str]]) -> str:
    items = "".join(f"<div><b>{figure}</b><span>{escape(text)}</span></div>" for figure, text in tiles)
    return f'<div class="fer-tiles">{items}</div>'


def _render_percentage(share: float) -> str:
    return f"{share * 100:.1f} %"


def _render_interval(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_ci95"]
    return f"95 % interval {low:.3f}-{high:.3f}"


def _render_confusion(path: Path, suffix: str) -> str:
    if not path.is_file():
        return render_notice("The confusion matrix is missing. Remedy: run `invoke evaluate`.")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = "".join(f"<th scope=col>{_render_label(name)}</th>" for name in EXPRESSIONS)
    return (
        '<div class="fer-scroll"><table class="fer-confusion"><caption><span>'
        f"Confusion matrix, test split{suffix}: one row per true expression, one column per predicted one; each cell"
        " shows the share of its row and the number of faces</span></caption>"
        f"<thead><tr><td></td>{columns}</tr></thead><tbody>{''.join(map(_render_row, rows))}</tbody></table></div>"
    )


def _render_row(row: dict[str, str]) -> str:
    cells = "".join(_render_cell(row, name) for name in EXPRESSIONS)
    return f"<tr><th scope=row>{_render_label(row['true'])}</th>{cells}</tr>"


def _render_cell(row: dict[str, str], name: str) -> str:
    rate = float(row[f"{name}_rate"])
    right = " class=fer-right" if row["true"] == name else ""
    return f'<td{right} style="--fer-rate:{rate:.3f}"><b>{rate * 100:.0f} %</b><small>{int(row[name])}</small></td>'


def _render_label(name: str) -> str:
    return f'<i style="background:{COLORS[name]}"></i>{escape(name)}'


def _list_plots(run: Run, suffix: str) -> dict[Path, str]:
    """Return the captions of the run's plots, by path."""
    return {
        run.reliability: f"Reliability: accuracy at each confidence, before and after calibration{suffix}",
        run.precision_recall: f"Precision and recall of each expression{suffix}",
        run.roc: f"True and false positive rates of each expression{suffix}",
        # Training covers all heads.
        run.curves: "Training curves",
    }


def _render_plots(run: Run, suffix: str) -> str:
    figures = [_render_plot(path, text) for path, text in _list_plots(run, suffix).items() if path.is_file()]
    if not figures:
        return render_notice("The plots are missing. Remedy: run `invoke evaluate`.")
    return f'<div class="fer-figures">{"".join(figures)}</div>'


def _render_plot(path: Path, text: str) -> str:
    # Inside the page: the address of a served file would show its path on the server.
    source = encode_data_url(path.read_bytes(), "image/png")
    return f'<figure><img src="{source}" alt="{text}" loading="lazy"><figcaption>{text}</figcaption></figure>'


def _join_sections(sections: dict[str, str], headings: dict[str, str], names: tuple[str, ...]) -> str:
    return "\n\n".join(f"### {headings[name]}\n\n{sections[name]}" for name in names)

"""The model tab: what the shipped run can, where it fails, how it was measured; then all figures, folded.

Every figure comes from the run folder; a notice replaces what is missing there.
"""

from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from fer.app.pages import model_plots
from fer.app.pages.cards import render_notice
from fer.errors import ModelError, SettingsError
from fer.evaluation.metrics_file import read_metrics
from fer.evaluation.model_card import HEADINGS, render_run_sections
from fer.evaluation.plot_points import read_plot_points
from fer.evaluation.robustness_figures import read_robustness
from fer.labels import COLORS, EXPRESSIONS
from fer.runs import Run

#: Sections of the model card above and below the confusion matrix and the plots; the limits are not folded.
_FIGURE_SECTIONS = ("figures", "classes", "robustness", "calibration")
_CARD_SECTIONS = ("protocol", "data", "training", "origin")
#: Captions and axes of the curves of each expression, by their block of ``plots.json``.
_CURVES = {
    "precision_recall": {
        "caption": "Precision and recall of each expression",
        "quantity": "average precision",
        "x_label": "recall",
        "y_label": "precision",
    },
    "roc": {
        "caption": "True and false positive rates of each expression",
        "quantity": "area under the curve",
        "x_label": "false positive rate",
        "y_label": "true positive rate",
    },
}
#: Mistakes that are named.
_MOST_MISTAKES = 3


class ModelPage(NamedTuple):
    """Contents of the tab.

    Args:
        headline: HTML, the main figures of the default answer, and what it mistakes.
        limits: Markdown, the section of the limits.
        measured: HTML, how the figures were measured.
        confusion: HTML, the confusion matrix.
        plots: HTML, the plots.
        figures: Markdown, tables of figures.
        card: Markdown, sections of the model card.
    """

    headline: str
    limits: str = ""
    measured: str = ""
    confusion: str = ""
    plots: str = ""
    figures: str = ""
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
        return _build_evaluated(run)
    except (ModelError, SettingsError) as error:
        if run.metrics.is_file() and run.config.is_file():
            return ModelPage(render_notice(str(error), kind="error"))
        return _build_empty("The network has not been evaluated yet, or its run folder is incomplete.")


def _build_evaluated(run: Run) -> ModelPage:
    metrics, sections = read_metrics(run.folder), render_run_sections(run)
    return ModelPage(
        headline=_render_headline(metrics) + _render_failures(metrics, run.confusion_matrix),
        limits=_join_sections(sections, ("limits",)),
        measured=_render_measured(metrics),
        confusion=_render_confusion(run.confusion_matrix),
        plots=_render_plots(run, metrics["model_sha256"]),
        figures=_join_sections(sections, _FIGURE_SECTIONS),
        card=_join_sections(sections, _CARD_SECTIONS),
    )


def _build_empty(reason: str) -> ModelPage:
    return ModelPage(render_notice(f"{reason} Remedy: run `invoke evaluate`."))


def _render_headline(metrics: dict[str, Any]) -> str:
    parts = ["<h2>What it can</h2>", _render_tiles(_list_tiles(metrics))]
    if metrics["is_sample"]:
        parts.insert(
            0,
            render_notice(
                "This network was trained on drawings made by the package: it shows that the app works and cannot"
                " read real faces."
            ),
        )
    return "".join(parts)


def _render_failures(metrics: dict[str, Any], confusion: Path) -> str:
    recalls = {name: row["recall"] for name, row in metrics["default"]["test"]["per_class"].items()}
    known = {name: recall for name, recall in recalls.items() if recall is not None}
    rows = "".join(_render_recall(name, known[name]) for name in sorted(known, key=lambda name: -known[name]))
    mistakes = "".join(f"<li>{text}</li>" for text in _list_mistakes(confusion))
    return (
        "<h2>Where it fails</h2><p>Share of each expression's test faces that is recognised:</p>"
        f'<table class="fer-bars fer-recalls">{rows}</table>'
        + (f'<p>The most frequent mistakes:</p><ul class="fer-summary">{mistakes}</ul>' if mistakes else "")
    )


def _render_recall(name: str, recall: float) -> str:
    bar = f'<i style="width:{recall * 100:.1f}%;background:{COLORS[name]}"></i>'
    return f"<tr><th scope=row>{name}</th><td>{bar}</td><td>{recall * 100:.0f} %</td></tr>"


def _list_mistakes(path: Path) -> list[str]:
    """Return the mistakes that take the largest shares of an expression's faces, each in a phrase."""
    if not path.is_file():
        return []
    rates = {
        (row["true"], name): float(row[f"{name}_rate"])
        for row in model_plots.read_confusion(path)
        for name in EXPRESSIONS
        if name != row["true"]
    }
    worst = sorted(rates, key=lambda pair: -rates[pair])[:_MOST_MISTAKES]
    return [
        f"{rates[pair] * 100:.0f} % of the <b>{pair[0]}</b> faces are called <b>{pair[1]}</b>"
        for pair in worst
        if rates[pair] > 0
    ]


def _render_measured(metrics: dict[str, Any]) -> str:
    test = metrics["default"]["test"]
    parts = [
        f"<h2>How it was measured</h2><p>On {test['n']:,} test faces that were used neither for training nor to"
        " choose settings, with the predictions that this app shows. A confidence is off by"
        f" {test['ece_balanced'] * 100:.1f} percentage points on average, with expressions of equal weight. The network"
        f" has {metrics['params']:,} parameters.</p>"
    ]
    if len(metrics["heads"]) > 1:
        is_joint = metrics["default"]["prior"] is not None
        answer = (
            "Their predictions are combined, and every expression is assumed to be equally likely."
            if is_joint
            else (f"The predictions are those of the head <b>{metrics['heads'][-1]}</b>.")
        )
        parts.append(
            "<p>The network has two heads on the same features: <b>labels</b> was trained on FER2013's labels,"
            f" <b>votes</b> on the votes of FER+'s ten annotators. {answer}</p>"
        )
    return "".join(parts)


def _list_tiles(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    test, votes = metrics["default"]["test"], metrics["default"]["ferplus_test"]
    tiles = [
        (
            _render_percentage(test["mean_recall"]),
            f"of each expression is recognised, on average over the seven ({test['n']:,} test faces)",
        ),
        (_render_percentage(test["accuracy"]), f"of all test faces are recognised, {_render_interval(test)}"),
    ]
    if votes is not None:
        text = f"of {votes['n']:,} test faces are recognised as most annotators see them, {_render_interval(votes)}"
        tiles.append((_render_percentage(votes["accuracy"]), text))
    if test["accuracy_certain"] is not None:
        text = f"right among the {_render_percentage(test['certain'])} of certain answers"
        tiles.append((_render_percentage(test["accuracy_certain"]), text))
    return tiles


def _render_tiles(tiles: list[tuple[str, str]]) -> str:
    items = "".join(f"<div><b>{figure}</b><span>{escape(text)}</span></div>" for figure, text in tiles)
    return f'<div class="fer-tiles">{items}</div>'


def _render_percentage(share: float) -> str:
    return f"{share * 100:.1f} %"


def _render_interval(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_ci95"]
    return f"95 % interval {low:.3f}-{high:.3f}"


def _render_confusion(path: Path) -> str:
    if not path.is_file():
        return render_notice("The confusion matrix is missing. Remedy: run `invoke evaluate`.")
    return model_plots.render_confusion(model_plots.read_confusion(path))


def _render_plots(run: Run, model_sha256: str) -> str:
    figures = []
    robustness, points = read_robustness(run, model_sha256), read_plot_points(run, model_sha256)
    if robustness is not None:
        figures.append(model_plots.render_robustness(robustness))
    if points is not None:
        figures.append(model_plots.render_reliability(points["reliability"]))
        figures += [model_plots.render_class_curves(points[name], **words) for name, words in _CURVES.items()]
    if run.history.is_file():
        figures.append(model_plots.render_history(run.history))
    plots = f'<div class="fer-figures">{"".join(figures)}</div>' if figures else ""
    notice = "" if points else render_notice("The plots of the test split are missing. Remedy: run `invoke evaluate`.")
    return plots + notice


def _join_sections(sections: dict[str, str], names: tuple[str, ...]) -> str:
    return "\n\n".join(f"### {HEADINGS[name]}\n\n{sections[name]}" for name in names)

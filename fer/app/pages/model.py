"""The page about the shipped network: its measured figures, matrix, diagrams and limits, out of its run folder.

Nothing is typed by hand: every figure comes from ``metrics.json``, and what is missing is said.
"""

import base64
import csv
import os
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from fer.app.pages.cards import render_notice
from fer.errors import ModelError
from fer.evaluation.metrics_file import read_metrics
from fer.evaluation.model_card import render_calibration, render_class_table, render_figures_table
from fer.labels import COLORS, EXPRESSIONS
from fer.runs import SHIPPED_RUNS

#: What stands in a run folder beside the card, and what it shows.
DIAGRAMS: dict[str, str] = {
    "reliability.png": "Reliability: how often an answer of a given confidence is right, before and after calibration",
    "precision_recall.png": "Precision and recall of each expression",
    "roc.png": "True against false alarms of each expression",
    "curves.png": "The course of the training",
}


@dataclass(frozen=True)
class ModelPage:
    """The page in pieces.

    Args:
        headline: HTML, the figures in large.
        figures: Markdown, the tables of figures.
        confusion: HTML, the confusion matrix.
        diagrams: HTML, the diagrams.
        card: Markdown, protocol, data, training, limits and origin.
    """

    headline: str
    figures: str
    confusion: str
    diagrams: str
    card: str


def find_run_folder() -> Path | None:
    """Return the run folder of the shipped network, or None where it is a single file or there is none."""
    chosen = os.environ.get("FER_MODEL")
    candidates = [Path(chosen)] if chosen else list(SHIPPED_RUNS)
    return next((path for path in candidates if path.is_dir()), None)


def build_model_page(run_folder: str | Path | None) -> ModelPage:
    """Return the page of a run; where reports are missing it says so in their place.

    Args:
        run_folder: as :func:`find_run_folder` returns it.
    """
    if run_folder is None:
        return _build_empty("The network is a single file, without the reports of its run.")
    folder = Path(run_folder)
    try:
        metrics = read_metrics(folder)
    except ModelError:
        return _build_empty("This network has not been measured yet: its run folder holds no metrics.json.")
    return ModelPage(
        _render_headline(metrics),
        _render_figures(metrics),
        _render_confusion(folder / "confusion_matrix.csv", _name_head(metrics, "labels")),
        _render_diagrams(folder, _name_head(metrics, "labels")),
        _read_card(folder / "model_card.md"),
    )


def _build_empty(reason: str) -> ModelPage:
    notice = render_notice(f"{reason} Remedy: run `invoke evaluate`.")
    return ModelPage(notice, "", "", "", "")


def _name_head(metrics: dict[str, Any], head: str) -> str:
    """Return words that name a head, to stand at the end of a caption; nothing where the network has only one."""
    return f", head {head}" if len(metrics.get("heads", ())) > 1 else ""


def _render_headline(metrics: dict[str, Any]) -> str:
    test, head = metrics["test"], _name_head(metrics, "labels")
    under = " under FER2013's labels" if head else ""
    tiles = [
        (
            _render_share(test["accuracy"]),
            f"accuracy on {test['n']:,} test faces{under}, {_render_interval(test)}{head}",
        ),
        (_render_share(test["flip"]["accuracy"]), f"averaged over each face and its mirror image{head}"),
        *_list_votes_tiles(metrics),
        (f"{test['macro_f1']:.3f}", f"macro F1: every expression counts alike{head}"),
        (f"{test['ece']:.3f}", f"expected calibration error{head}"),
        (f"{metrics['params']:,}", "parameters"),
    ]
    answering = (
        "<p>The network has two heads on the same features: labels was taught FER2013's labels, votes what the ten"
        " annotators of FER+ saw. The app's answers are those of the head votes.</p>"
    )
    drawn = render_notice(
        "This network learned the package's own drawings: it shows that the app works, and knows nothing of real faces."
    )
    items = "".join(f"<div><b>{figure}</b><span>{escape(text)}</span></div>" for figure, text in tiles)
    return f'{drawn if metrics["is_sample"] else ""}<div class="fer-tiles">{items}</div>{answering if head else ""}'


def _list_votes_tiles(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the tile of the head that answers in the app, where there is one beside the other."""
    figures, head = metrics["ferplus_test"], _name_head(metrics, "votes")
    if not head or figures is None:
        return []
    words = f"accuracy on {figures['n']:,} test faces under the FER+ majority, {_render_interval(figures)}{head}"
    return [(_render_share(figures["accuracy"]), words)]


def _render_share(share: float) -> str:
    return f"{share * 100:.1f} %"


def _render_interval(figures: dict[str, Any]) -> str:
    low, high = figures["accuracy_ci95"]
    return f"95 % interval {low:.3f}-{high:.3f}"


def _render_figures(metrics: dict[str, Any]) -> str:
    part = f"test part{_name_head(metrics, 'labels')}"
    return (
        f"### Accuracy\n\n{render_figures_table(metrics)}\n\n### Each expression, {part}\n\n"
        f"{render_class_table(metrics)}\n\n### Calibration\n\n{render_calibration(metrics)}"
    )


def _render_confusion(path: Path, head: str) -> str:
    if not path.is_file():
        return render_notice("The confusion matrix is missing. Remedy: run `invoke evaluate`.")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = "".join(f"<th scope=col>{_mark(name)}</th>" for name in EXPRESSIONS)
    body = "".join(
        f"<tr><th scope=row>{_mark(row['true'])}</th>{''.join(_render_cell(row, name) for name in EXPRESSIONS)}</tr>"
        for row in rows
    )
    return (
        '<div class="fer-scroll"><table class="fer-confusion"><caption><span>'
        f"Confusion matrix, test part{head}: rows are the true expressions, columns the answers, cells the share of the"
        " row and the number of faces</span></caption>"
        f"<thead><tr><td></td>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _render_cell(row: dict[str, str], name: str) -> str:
    rate = float(row[f"{name}_rate"])
    right = " class=fer-right" if row["true"] == name else ""
    return f'<td{right} style="--fer-rate:{rate:.3f}"><b>{rate * 100:.0f} %</b><small>{int(row[name])}</small></td>'


def _mark(name: str) -> str:
    return f'<i style="background:{COLORS[name]}"></i>{escape(name)}'


def _render_diagrams(folder: Path, head: str) -> str:
    figures = []
    for name, words in DIAGRAMS.items():
        # The training is of both heads.
        text = words if name == "curves.png" else f"{words}{head}"
        if (folder / name).is_file():
            # In the page itself: a served file would tell the visitor where it lies on the server.
            picture = base64.b64encode((folder / name).read_bytes()).decode("ascii")
            figures.append(
                f'<figure><img src="data:image/png;base64,{picture}" alt="{text}" loading="lazy">'
                f"<figcaption>{text}</figcaption></figure>"
            )
    if not figures:
        return render_notice("The diagrams are missing. Remedy: run `invoke evaluate`.")
    return f'<div class="fer-figures">{"".join(figures)}</div>'


def _read_card(path: Path) -> str:
    """Return the sections of a model card that hold no figures, in Markdown."""
    if not path.is_file():
        return "The model card is missing. Remedy: run `invoke evaluate`."
    text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    sections = re.split(r"(?m)^(?=## )", text)
    kept = [section for section in sections[1:] if not section.startswith(("## Figures", "## Calibration"))]
    return "".join(section.replace("## ", "### ", 1) for section in kept)

"""The plots of the model tab: confusion matrix, robustness, reliability, curves of each expression, and training."""

import csv
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from fer.app.data_urls import encode_image_url
from fer.app.pages import charts
from fer.evaluation.robustness_figures import draw_severities
from fer.labels import COLORS, EXPRESSIONS
from fer.wording import format_count

#: Dashes of the expressions' curves, which can so be distinguished without colour.
_DASHES = ("", "7 4", "9 3 2 3", "2 3", "14 3", "9 3 2 3 2 3", "3 2")
_SHARES = {0.0: "0", 0.25: "", 0.5: "0.5", 0.75: "", 1.0: "1"}
_PERCENTAGES = {0.0: "0", 0.25: "25 %", 0.5: "50 %", 0.75: "75 %", 1.0: "100 %"}
#: Bins with fewer faces give a poor estimate of accuracy and are drawn pale.
_FEW_FACES = 10
#: The top of the axis of accuracy under corruptions.
_TOP = 0.8
#: The line of a legend's key.
_KEY = ([0.0, 1.0], [0.5, 0.5])


def read_confusion(path: Path) -> list[dict[str, str]]:
    """Return the rows of a ``confusion_matrix.csv``."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def render_confusion(rows: Sequence[dict[str, str]]) -> str:
    """Return a confusion matrix as a table whose cells are shaded by their share of the row.

    Args:
        rows: from :func:`read_confusion`.
    """
    columns = "".join(f"<th scope=col><span>{_render_label(name)}</span></th>" for name in EXPRESSIONS)
    body = "".join(
        f"<tr><th scope=row>{_render_label(row['true'])}</th>"
        f"{''.join(_render_cell(row, name) for name in EXPRESSIONS)}</tr>"
        for row in rows
    )
    return (
        '<table class="fer-confusion"><caption>Confusion matrix, test split: one row per true expression, one column'
        " per predicted one; each cell shows the share of its row in percent, and the number of faces</caption>"
        f"<thead><tr><td></td>{columns}</tr></thead><tbody>{body}</tbody></table>"
    )


def render_robustness(figures: dict[str, Any]) -> str:
    """Return a small chart for each corruption: drawn faces of rising severity above the accuracy on such faces.

    Args:
        figures: the content of a ``robustness.json``.
    """
    clean, mean = figures["clean"]["default"]["accuracy"], figures["mean"]["default"]["accuracy"]
    blocks = figures["corruptions"]
    best = max(clean, *(max(block["default"]["accuracy"]) for block in blocks.values()))
    top = _TOP if best <= _TOP else 1.0
    panels = "".join(_render_panel(name, block, clean, top) for name, block in blocks.items())
    caption = (
        f"Accuracy under {len(figures['corruptions'])} corruptions of increasing severity: {_percent(mean)} on average,"
        f" {_percent(clean)} on faces as they are (dashed); guessing gives {_percent(1 / len(EXPRESSIONS))} (dotted)"
    )
    return f'<figure class="fer-wide"><figcaption>{caption}</figcaption><div class="fer-panels">{panels}</div></figure>'


def render_reliability(reliability: dict[str, Any]) -> str:
    """Return accuracy against confidence before and after calibration.

    Args:
        reliability: that block of a ``plots.json``.
    """
    blocks = {"Before": reliability["before"], "After": reliability["after"]}
    parts = "".join(
        f"<div><p class=fer-part>{name} calibration: {100 * block['ece']:.1f} points off on average</p>"
        f"{_chart_reliability(block)}</div>"
        for name, block in blocks.items()
    )
    caption = (
        "Reliability: how often the answers of each confidence are right. On the dashed line, confidence is accuracy;"
        f" pale bars have fewer than {_FEW_FACES} faces"
    )
    return f'<figure class="fer-wide"><figcaption>{caption}</figcaption><div class="fer-pair">{parts}</div></figure>'


def render_class_curves(curves: dict[str, Any], caption: str, quantity: str, x_label: str, y_label: str) -> str:
    """Return a curve of each expression against the rest, with a legend that names the area under each.

    Args:
        curves: a block of a ``plots.json``, by expression.
        caption: what the figure shows.
        quantity: what the area under a curve is called.
        x_label: name of the axis.
        y_label: name of the axis.
    """
    lines = "".join(_draw_expression(curve["x"], curve["y"], name) for name, curve in curves.items())
    areas = {name: f"{curve['area']:.2f}" for name, curve in curves.items()}
    chart = charts.render_chart(
        lines,
        title=caption,
        description=f"{quantity}: {', '.join(f'{name} {area}' for name, area in areas.items())}.",
        x_ticks=_SHARES,
        y_ticks=_SHARES,
        x_label=x_label,
        y_label=y_label,
    )
    keys = {name: _render_key(_draw_expression(*_KEY, name)) for name in curves}
    items = "".join(f"<li>{keys[name]}{name} {area}</li>" for name, area in areas.items())
    legend = f'<ul class="fer-legend" aria-label="{escape(quantity)} of each expression">{items}</ul>'
    return f"<figure><figcaption>{caption}; {quantity} in the legend</figcaption>{chart}{legend}</figure>"


def render_history(path: Path) -> str:
    """Return accuracy and loss over the epochs of a training.

    Args:
        path: a ``history.csv``.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    parts = "".join(_chart_history(rows, quantity) for quantity in ("accuracy", "loss"))
    names = _name_lines(rows, "accuracy")
    keys = [_render_key(_draw_run(*_KEY, index)) for index in range(len(names))]
    items = "".join(f"<li>{key}{escape(name)}</li>" for key, name in zip(keys, names.values(), strict=True))
    legend = f'<ul class="fer-legend" aria-label="Lines of the training">{items}</ul>'
    phases = ", then ".join(dict.fromkeys(row["phase"] for row in rows))
    caption = f"Training: {format_count(len(rows), 'epoch')}, {escape(phases)}"
    return (
        f'<figure class="fer-wide"><figcaption>{caption}</figcaption><div class="fer-pair">{parts}</div>'
        f"{legend}</figure>"
    )


def _render_cell(row: dict[str, str], name: str) -> str:
    rate = float(row[f"{name}_rate"])
    right = " class=fer-right" if row["true"] == name else ""
    return f'<td{right} style="--fer-rate:{rate:.3f}"><b>{rate * 100:.0f}</b><small>{int(row[name])}</small></td>'


def _render_label(name: str) -> str:
    return f'<i style="background:{COLORS[name]}"></i>{escape(name)}'


def _render_panel(name: str, block: dict[str, Any], clean: float, top: float) -> str:
    accuracies = [clean, *block["default"]["accuracy"]]
    # Each point is below its drawn face.
    x = [(index + 0.5) / len(accuracies) for index in range(len(accuracies))]
    y = [accuracy / top for accuracy in accuracies]
    lines = (
        charts.draw_line([0, 1], [clean / top] * 2, "fer-line-grey", dashes="5 4")
        + charts.draw_line([0, 1], [1 / len(EXPRESSIONS) / top] * 2, "fer-line-grey", dashes="1 3")
        + charts.draw_line(x, y)
        + charts.draw_dots(x, y)
    )
    values = [f"{value:g}" for value in block["values"]]
    chart = charts.render_chart(
        lines,
        title=f"{block['title']}: accuracy by severity",
        description=f"{block['unit']}: as they are {_percent(clean)}, "
        + ", ".join(f"{value} {_percent(accuracy)}" for value, accuracy in zip(values, accuracies[1:], strict=True)),
        x_ticks={},
        y_ticks={share / top: f"{100 * share:.0f}" for share in (0.0, top / 2, top)},
    )
    strip = encode_image_url(np.hstack([*draw_severities(name)]), quality=80)
    return (
        f'<div class="fer-panel"><p><b>{escape(block["title"])}</b> {_percent(clean)} → {_percent(accuracies[-1])}</p>'
        f'<img src="{strip}" alt="A drawn face, as it is and in five severities">{chart}'
        f"<small>{escape(block['unit'])}: {values[0]} to {values[-1]}</small></div>"
    )


def _chart_reliability(block: dict[str, Any]) -> str:
    edges = np.linspace(0.0, 1.0, len(block["counts"]) + 1).tolist()
    rows = list(zip(block["counts"], block["confidence"], block["accuracy"], strict=True))
    sure = [accuracy if count >= _FEW_FACES else 0.0 for count, _, accuracy in rows]
    few = [accuracy if 0 < count < _FEW_FACES else 0.0 for count, _, accuracy in rows]
    filled = [(confidence, accuracy) for count, confidence, accuracy in rows if count]
    x, y = [confidence for confidence, _ in filled], [accuracy for _, accuracy in filled]
    shapes = (
        charts.draw_bars(edges, sure)
        + charts.draw_bars(edges, few, "fer-pale")
        + charts.draw_line([0, 1], [0, 1], "fer-line-1", dashes="6 4")
        + charts.draw_dots(x, y, "fer-dots-text")
    )
    listed = ", ".join(f"{_percent(accuracy)} right at {_percent(confidence)}" for confidence, accuracy in filled)
    return charts.render_chart(
        shapes,
        title="Accuracy against confidence",
        description=f"{listed}.",
        x_ticks=_PERCENTAGES,
        y_ticks=_PERCENTAGES,
        x_label="confidence",
        y_label="accuracy",
    )


def _chart_history(rows: Sequence[dict[str, str]], quantity: str) -> str:
    values = {name: [float(row[column]) for row in rows] for column, name in _name_lines(rows, quantity).items()}
    top = 1.0 if quantity == "accuracy" else max(max(line) for line in values.values()) * 1.05
    x = np.linspace(0.0, 1.0, len(rows)).tolist()
    lines = "".join(_draw_run(x, [value / top for value in line], index) for index, line in enumerate(values.values()))
    last = ", ".join(f"{name} {line[-1]:.3f}" for name, line in values.items())
    ticks = np.linspace(0.0, 1.0, 5) if quantity == "accuracy" else np.arange(0.0, top, 0.5) / top
    return (
        "<div>"
        + charts.render_chart(
            lines,
            title=f"{quantity.capitalize()} over the epochs of the training",
            description=f"In the last epoch: {last}.",
            x_ticks=_list_epochs(len(rows)),
            y_ticks={float(tick): f"{tick * top:g}" for tick in ticks},
            x_label="epoch",
            y_label=quantity,
        )
        + "</div>"
    )


def _draw_expression(x: Sequence[float], y: Sequence[float], name: str) -> str:
    return charts.draw_line(x, y, color=COLORS[name], dashes=_DASHES[EXPRESSIONS.index(name)])


def _draw_run(x: Sequence[float], y: Sequence[float], index: int) -> str:
    return charts.draw_line(x, y, f"fer-line-{index}", dashes=_DASHES[index])


def _name_lines(rows: Sequence[dict[str, str]], quantity: str) -> dict[str, str]:
    """Return the names of the lines by the columns of the table; only accuracy has a column for each further head."""
    prefix = f"validation_{quantity}"
    heads = {
        name: f"validation, {name.removeprefix(prefix + '_')}" for name in rows[0] if name.startswith(f"{prefix}_")
    }
    return {f"train_{quantity}": "training", prefix: "validation"} | heads


def _list_epochs(count: int) -> dict[float, str]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, count) if count / step <= 8)
    return {
        (epoch - 1) / max(count - 1, 1): str(epoch) for epoch in [1, *range(step, count + 1, step)] if epoch <= count
    }


def _render_key(line: str) -> str:
    """Return a short piece of a line, for a legend."""
    return f'<svg class="fer-key" viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">{line}</svg>'


def _percent(share: float) -> str:
    # The space does not break.
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"

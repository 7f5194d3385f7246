"""The plot of a robustness report: one small panel per corruption, under drawn faces that show its severities."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from fer.evaluation.robustness_figures import draw_severities
from fer.labels import EXPRESSIONS
from fer.plotting import BLUE, GREY, VERMILION, make_figure, save_figure
from fer.vision.corruptions import NUM_SEVERITIES

_COLUMNS = 5
_SEVERITIES = np.arange(NUM_SEVERITIES + 1)


def plot_robustness(figures: dict[str, Any], path: str | Path) -> None:
    """Draw the accuracy of the default answer against the severity of each corruption.

    Args:
        figures: the content of a ``robustness.json``.
        path: the PNG file to write.
    """
    clean, mean = figures["clean"]["default"]["accuracy"], figures["mean"]["default"]["accuracy"]
    blocks = figures["corruptions"]
    rows = -(-(len(blocks) + 1) // _COLUMNS)
    figure = make_figure(3.1 * _COLUMNS, 3.15 * rows + 0.9)
    grid = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False)
    for axes, (name, block) in zip(grid.flat, blocks.items(), strict=False):
        accuracies = block["default"]["accuracy"]
        _draw_panel(axes, [clean, *accuracies], clean)
        _label_panel(axes, block["title"], float(np.mean(accuracies)), block["unit"])
        axes.set_xticks(_SEVERITIES, ["clean", *(f"{value:g}" for value in block["values"])])
        _draw_faces(axes, name)
    summary, *empty = grid.flat[len(blocks) :]
    _draw_summary(summary, figures, clean, mean)
    for axes in empty:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("accuracy", fontsize=10)
    figure.suptitle(
        f"{figures['model']} under {len(blocks)} corruptions: accuracy {mean:.3f} on average, {clean:.3f} on faces as"
        f" they are\n{figures['n']:,} {figures['part']} faces of {figures['data']}, default answer",
        fontsize=14,
    )
    save_figure(figure, path)


def _draw_panel(axes: Axes, accuracies: list[float], clean: float) -> None:
    axes.axhline(clean, color=GREY, linestyle="--", linewidth=1)
    axes.axhline(1 / len(EXPRESSIONS), color=GREY, linestyle=":", linewidth=1)
    axes.fill_between(_SEVERITIES, accuracies, clean, color=VERMILION, alpha=0.16, linewidth=0)
    axes.plot(_SEVERITIES, accuracies, "o-", color=BLUE, linewidth=2.2, markersize=4.5, clip_on=False)
    axes.annotate(
        f"{accuracies[-1]:.2f}",
        (_SEVERITIES[-1], accuracies[-1]),
        xytext=(0, -13),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=BLUE,
    )
    axes.set(xlim=(-0.5, NUM_SEVERITIES + 0.5), ylim=(0.0, max(0.8, clean + 0.05)))
    axes.tick_params(labelsize=9, length=0)
    axes.grid(True, axis="y", color="#E3E3E3", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _label_panel(axes: Axes, title: str, mean: float, unit: str) -> None:
    axes.set_xlabel(unit, fontsize=9, color=GREY)
    axes.text(0.01, 1.235, title, transform=axes.transAxes, fontsize=12, fontweight="bold", va="bottom")
    axes.text(
        0.99, 1.235, f"mean {mean:.2f}", transform=axes.transAxes, fontsize=10, color=BLUE, va="bottom", ha="right"
    )


def _draw_faces(axes: Axes, name: str) -> None:
    """Show a drawn face, as it is and in each severity, above its point of the curve."""
    strip = axes.inset_axes((0.0, 1.02, 1.0, 0.2))
    strip.set_axis_off()
    for severity, shown in zip(_SEVERITIES, draw_severities(name), strict=True):
        strip.imshow(shown, cmap="gray", vmin=0, vmax=255, extent=(severity - 0.46, severity + 0.46, 0.0, 0.92))
    strip.set(xlim=(-0.5, NUM_SEVERITIES + 0.5), ylim=(0.0, 0.92), aspect="auto")


def _draw_summary(axes: Axes, figures: dict[str, Any], clean: float, mean: float) -> None:
    """Draw the mean of all corruptions at each severity, with the key to all panels."""
    accuracies = np.mean([block["default"]["accuracy"] for block in figures["corruptions"].values()], axis=0)
    axes.set_facecolor("#F3F8FC")
    _draw_panel(axes, [clean, *accuracies.tolist()], clean)
    _label_panel(axes, "All corruptions", mean, "severity")
    axes.set_xticks(_SEVERITIES, ["clean", *map(str, _SEVERITIES[1:])])
    axes.text(5.45, clean + 0.01, f"clean {clean:.2f}", fontsize=9, color=GREY, ha="right", va="bottom")
    axes.text(-0.4, 1 / len(EXPRESSIONS) + 0.01, "chance", fontsize=9, color=GREY, va="bottom")

"""The plot of an audit: accuracy and mean recall of each group with their intervals, against those of all rows."""

from pathlib import Path

from matplotlib.axes import Axes

from fer.errors import shorten
from fer.evaluation.audit import FEW_FACES, Audit, Share
from fer.plotting import BLUE, GREY, LIGHT_BLUE, label_axes, make_figure, save_figure

#: More characters of a group's name would leave no room for the figures.
_LONGEST_NAME = 40


def plot_audit(audit: Audit, path: str | Path, *, title: str = "") -> None:
    """Draw a row per group, sorted by accuracy; groups of few faces are pale.

    Args:
        audit: the figures.
        path: the PNG file to write.
        title: title of the plot.
    """
    groups = sorted(audit.groups, key=lambda figures: figures.accuracy.value)
    figure = make_figure(11, 2.3 + 0.42 * len(groups))
    left, right = figure.subplots(1, 2, sharey=True)
    for row, figures in enumerate(groups):
        color = BLUE if figures.n >= FEW_FACES else LIGHT_BLUE
        _draw_share(left, figures.accuracy, row, color)
        _draw_share(right, figures.mean_recall, row, color)
    for axes, share, name in (
        (left, audit.total.accuracy, "accuracy"),
        (right, audit.total.mean_recall, "mean recall"),
    ):
        axes.axvline(share.value, color=GREY, linestyle="--", linewidth=1)
        label_axes(axes, f"{name}: {share.value:.3f} on all {audit.total.n:,} faces (dashed)", name, "")
        axes.set(xlim=(0.0, 1.0), ylim=(-0.6, len(groups) - 0.4))
        axes.grid(False, axis="y")
        axes.spines[["top", "right"]].set_visible(False)
    left.set_yticks(
        range(len(groups)), [f"{shorten(figures.name, _LONGEST_NAME)}  (n = {figures.n:,})" for figures in groups]
    )
    few = f"; pale: fewer than {FEW_FACES} faces" if any(figures.n < FEW_FACES for figures in groups) else ""
    figure.supxlabel(f"lines: 95 % intervals{few}", fontsize=10, color=GREY)
    figure.suptitle(title, fontsize=13)
    save_figure(figure, path)


def _draw_share(axes: Axes, share: Share, row: int, color: str) -> None:
    axes.plot([share.low, share.high], [row, row], color=color, linewidth=2.5, solid_capstyle="round")
    axes.plot(share.value, row, "o", color=color, markersize=7)
    axes.annotate(
        f"{share.value:.2f}",
        (share.value, row),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=color,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )

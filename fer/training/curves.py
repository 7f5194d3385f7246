"""Curves of a training run: accuracy, loss and learning rate over the epochs."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter, MaxNLocator

from fer.plotting import BLUE, GREY, VERMILION, label_axes, make_figure, save_figure

#: Ratio of the largest learning rate to the smallest one that is shown.
_RATE_RANGE = 1e3
#: Epochs up to which each is marked by a dot; the dots of more would hide the lines.
_MOST_DOTS = 60


def plot_history(history: pd.DataFrame, path: str | Path) -> None:
    """Draw training against validation and the learning rate over the epochs, with the phases marked.

    Args:
        history: the table of ``history.csv``: columns ``epoch`` (from 1), ``phase``, ``learning_rate``, ``train_loss``,
            ``train_accuracy``, ``validation_loss``, ``validation_accuracy`` and ``validation_score``, one row per
            epoch; each further head has a column ``validation_accuracy_<head>``.
        path: the PNG file to write.
    """
    figure = make_figure(10, 7)
    grid = figure.add_gridspec(2, 2, height_ratios=[3, 1])
    accuracy, loss = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    rate = figure.add_subplot(grid[1, :])
    _draw_curves(accuracy, history, "accuracy")
    _mark_best(accuracy, history)
    _draw_curves(loss, history, "loss")
    _draw_rate(rate, history)
    for axes in (accuracy, loss, rate):
        _shade_phases(axes, history)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _name_phases(rate, history)
    save_figure(figure, path)


def _draw_curves(axes: Axes, history: pd.DataFrame, quantity: str) -> None:
    epochs, train, validation = (history[name] for name in ("epoch", f"train_{quantity}", f"validation_{quantity}"))
    marker = _choose_marker(history)
    axes.plot(epochs, train, color=BLUE, marker=marker, label="training")
    axes.plot(epochs, validation, "--", color=VERMILION, marker=marker, label="validation")
    # Training accuracy is that of all heads together; the columns without a head's name are those of the first head.
    for name in history.columns[history.columns.str.startswith(f"validation_{quantity}_")]:
        head = name.removeprefix(f"validation_{quantity}_")
        axes.plot(epochs, history[name], ":", color=GREY, marker=marker, label=f"validation, {head}")
    label_axes(axes, quantity.capitalize(), "epoch", quantity)
    axes.legend(fontsize=10)


def _choose_marker(history: pd.DataFrame) -> str:
    return "." if len(history) <= _MOST_DOTS else ""


def _mark_best(axes: Axes, history: pd.DataFrame) -> None:
    best = history.iloc[int(history["validation_score"].argmax())]
    axes.plot(best["epoch"], best["validation_accuracy"], "o", markersize=9, fillstyle="none", color="black")
    note = f"{best['validation_accuracy']:.3f} in epoch {best['epoch']:.0f}"
    axes.set_title(f"Accuracy: best on validation {note}", fontsize=12)


def _draw_rate(axes: Axes, history: pd.DataFrame) -> None:
    axes.semilogy(history["epoch"], history["learning_rate"], color=GREY, marker=_choose_marker(history))
    # The default labels are formulas, which save_figure would show as they are written.
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter())
    label_axes(axes, "Learning rate", "epoch", "learning rate")
    peak, lowest = history["learning_rate"].max(), history["learning_rate"].min()
    # A cosine ends near 0: its last rates are cut off, or they would flatten all others.
    bottom = max(lowest, peak / _RATE_RANGE)
    # Leave space above the curve for the names of the phases.
    axes.set_ylim(bottom / 2, peak * max(6.0, (peak / bottom) ** 0.4))


def _find_phases(history: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Return name, start and end of each phase, half an epoch to either side."""
    numbers = (history["phase"] != history["phase"].shift()).cumsum()
    phases = [rows for _, rows in history.groupby(numbers)]
    return [(rows["phase"].iloc[0], rows["epoch"].iloc[0] - 0.5, rows["epoch"].iloc[-1] + 0.5) for rows in phases]


def _shade_phases(axes: Axes, history: pd.DataFrame) -> None:
    phases = _find_phases(history)
    for _, start, end in phases[1::2]:
        axes.axvspan(start, end, color="#F2EAD3", zorder=0)
    axes.set_xlim(phases[0][1], phases[-1][2])


def _name_phases(axes: Axes, history: pd.DataFrame) -> None:
    for name, start, _ in _find_phases(history):
        axes.annotate(
            name,
            xy=(start, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4, -4),
            textcoords="offset points",
            va="top",
            color=GREY,
            fontsize=10,
        )

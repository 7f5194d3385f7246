"""Plots of an evaluation: confusion matrix, ROC, precision and recall, reliability and mistakes.

Probabilities are float (N, 7) arrays whose rows sum to 1 and ``y_true`` is an int (N,) array of class indices 0..6.
Faces are uint8 (N, 48, 48). Each expression has its colour of :data:`fer.labels.COLORS` and a line style, so that
curves can be distinguished without colour.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer.evaluation.metrics import Reliability, compute_confusion, compute_reliability, normalize_confusion
from fer.evaluation.plot_points import ClassCurve, compute_precision_recall, compute_roc
from fer.labels import COLORS, EXPRESSIONS
from fer.plotting import BLUE, GREY, LIGHT_BLUE, VERMILION, label_axes, make_figure, save_figure

_LINE_STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))
#: Bins with fewer faces give a poor estimate of accuracy and are drawn pale.
_FEW_FACES = 10
_Curve = Callable[[np.ndarray, np.ndarray, int], ClassCurve | None]


def plot_confusion_matrix(probabilities: np.ndarray, y_true: np.ndarray, path: str | Path, *, title: str = "") -> None:
    """Draw the confusion matrix, with the share of the true class and the number of faces in each cell.

    Args:
        probabilities: float (N, 7).
        y_true: int (N,).
        path: the PNG file to write.
        title: added to the title of the plot.
    """
    counts = compute_confusion(probabilities, y_true)
    shares = normalize_confusion(counts)
    figure = make_figure(8.2, 7.2)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=axes, shrink=0.82, label="share of the true class")
    for row, column in np.ndindex(shares.shape):
        color = "white" if shares[row, column] > 0.55 else "black"
        text = f"{shares[row, column]:.2f}\n{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=10)
    axes.set_xticks(range(len(EXPRESSIONS)), EXPRESSIONS, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(EXPRESSIONS)), EXPRESSIONS)
    label_axes(axes, f"Confusion matrix{_after(title)}", "predicted expression", "true expression")
    axes.grid(False)
    save_figure(figure, path)


def plot_roc(probabilities: np.ndarray, y_true: np.ndarray, path: str | Path, *, title: str = "") -> None:
    """Draw the receiver operating characteristic (ROC) of each expression against the rest.

    Args:
        probabilities: float (N, 7).
        y_true: int (N,).
        path: the PNG file to write.
        title: added to the title of the plot.
    """
    figure = _draw_class_curves(probabilities, y_true, compute_roc, "area")
    axes = figure.axes[0]
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    label_axes(
        axes, f"ROC, each expression against the rest{_after(title)}", "false positive rate", "true positive rate"
    )
    save_figure(figure, path)


def plot_precision_recall(probabilities: np.ndarray, y_true: np.ndarray, path: str | Path, *, title: str = "") -> None:
    """Draw precision against recall for each expression against the rest.

    Args:
        probabilities: float (N, 7).
        y_true: int (N,).
        path: the PNG file to write.
        title: added to the title of the plot.
    """
    figure = _draw_class_curves(probabilities, y_true, compute_precision_recall, "average precision")
    label_axes(figure.axes[0], f"Each expression against the rest{_after(title)}", "recall", "precision")
    save_figure(figure, path)


def plot_reliability(
    before: np.ndarray, after: np.ndarray, y_true: np.ndarray, path: str | Path, *, title: str = ""
) -> None:
    """Draw accuracy against confidence before and after calibration, with the histogram of confidence below.

    Args:
        before: float (N, 7), the answer before its temperature.
        after: float (N, 7), the calibrated answer.
        y_true: int (N,).
        path: the PNG file to write.
        title: added to the title of the plot.
    """
    figure = make_figure(10, 7)
    grid = figure.add_gridspec(2, 2, height_ratios=[3, 1])
    for column, (name, rows) in enumerate((("Before", before), ("After", after))):
        reliability = compute_reliability(rows, y_true)
        upper = figure.add_subplot(grid[0, column])
        _draw_reliability(upper, reliability)
        label_axes(upper, f"{name} calibration: ECE {reliability.ece:.3f}", "", "accuracy")
        lower = figure.add_subplot(grid[1, column], sharex=upper)
        _draw_bars(lower, reliability, reliability.counts / max(reliability.counts.sum(), 1))
        label_axes(lower, "", "confidence", "share of faces")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=10)
    figure.suptitle(f"Reliability{_after(title)}", fontsize=13)
    save_figure(figure, path)


def plot_mistakes(
    faces: np.ndarray,
    probabilities: np.ndarray,
    y_true: np.ndarray,
    path: str | Path,
    *,
    rows: int = 5,
    columns: int = 8,
) -> None:
    """Draw the wrongly classified faces of highest confidence, the most confident first.

    The plot shows faces of the data set, so it may be published only if the data set may.

    Args:
        faces: uint8 (N, 48, 48).
        probabilities: float (N, 7).
        y_true: int (N,).
        path: the PNG file to write.
        rows: largest number of rows.
        columns: number of faces per row.
    """
    y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][: rows * columns]
    rows = max(1, -(-len(worst) // columns))
    figure = make_figure(1.45 * columns, 1.85 * rows + 0.6)
    for axes, index in zip(figure.subplots(rows, columns, squeeze=False).flat, worst, strict=False):
        axes.imshow(faces[index], cmap="gray", vmin=0, vmax=255)
        prediction = f"{EXPRESSIONS[y_pred[index]]} {confidence[index]:.2f}"
        axes.set_title(f"{prediction}\nlabel: {EXPRESSIONS[y_true[index]]}", fontsize=9)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.suptitle(f"The {len(worst)} most confident of {len(wrong)} mistakes: prediction above label", fontsize=12)
    save_figure(figure, path)


def _after(title: str) -> str:
    return f": {title}" if title else ""


def _draw_class_curves(probabilities: np.ndarray, y_true: np.ndarray, compute: _Curve, quantity: str) -> Figure:
    figure = make_figure(9.6, 6.6)
    axes = figure.add_subplot()
    for index, name in enumerate(EXPRESSIONS):
        curve = compute(probabilities, y_true, index)
        # A curve needs faces with and without the expression.
        label = f"{name}: not defined ({(y_true == index).sum()} of {len(y_true)} faces)"
        x, y = np.empty(0), np.empty(0)
        if curve is not None:
            x, y, label = curve.x, curve.y, f"{name}: {quantity} {curve.area:.3f}"
        axes.plot(x, y, color=COLORS[name], linestyle=_LINE_STYLES[index], linewidth=2, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    figure.legend(loc="outside right center", fontsize=10, handlelength=3.5)
    return figure


def _draw_reliability(axes: Axes, reliability: Reliability) -> None:
    filled = reliability.counts > 0
    points = reliability.confidence[filled], reliability.accuracy[filled]
    _draw_bars(axes, reliability, reliability.accuracy)
    axes.plot(*points, "o", color="black", clip_on=False, label="accuracy at the mean confidence of a bin")
    axes.plot([0, 1], [0, 1], "--", color=VERMILION, label="perfectly calibrated")
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _draw_bars(axes: Axes, reliability: Reliability, heights: np.ndarray) -> None:
    colors = [LIGHT_BLUE if count >= _FEW_FACES else "#DCEFFA" for count in reliability.counts]
    bars = axes.bar(
        reliability.edges[:-1], heights, np.diff(reliability.edges), align="edge", color=colors, edgecolor=BLUE
    )
    bars.set_label(f"bin (pale: fewer than {_FEW_FACES} faces)")

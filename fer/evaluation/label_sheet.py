"""The sheet of suspects: for each expression, the faces whose label is doubted most."""

from pathlib import Path

import numpy as np
import pandas as pd

from fer.labels import COLORS, EXPRESSIONS
from fer.plotting import make_figure, save_figure

_COLUMNS = 10


def plot_label_sheet(faces: np.ndarray, suspects: pd.DataFrame, path: str | Path, *, title: str) -> None:
    """Draw a row of suspects per expression, the most doubtful first, each under the expression that is suggested.

    The plot shows faces of the data set, so it may be published only if the data set may.

    Args:
        faces: uint8 (N, 48, 48), the faces of the data set.
        suspects: as in :class:`fer.evaluation.label_check.LabelCheck`.
        path: the PNG file to write.
        title: name of the data set.
    """
    figure = make_figure(1.25 * _COLUMNS + 1.0, 1.62 * len(EXPRESSIONS) + 0.9)
    grid = figure.subplots(len(EXPRESSIONS), _COLUMNS)
    for name, axes_of_row in zip(EXPRESSIONS, grid, strict=True):
        of_label = suspects[suspects["label"] == name]
        for axes in axes_of_row:
            axes.set_axis_off()
        axes_of_row[0].text(
            -0.12,
            0.5,
            f"label\n{name}\n{len(of_label):,} suspects",
            transform=axes_of_row[0].transAxes,
            ha="right",
            va="center",
            fontsize=11,
            color=COLORS[name],
        )
        for axes, (_, suspect) in zip(axes_of_row, of_label.head(_COLUMNS).iterrows(), strict=False):
            axes.imshow(faces[suspect["row"]], cmap="gray", vmin=0, vmax=255)
            is_face = "not a face" not in suspect["reasons"]
            axes.set_title(f"{suspect['suggested'] if is_face else 'no face'}\n{suspect['row']}", fontsize=9)
    figure.suptitle(f"{title}: labels in doubt, with the suggested expression and the row", fontsize=13)
    save_figure(figure, path)

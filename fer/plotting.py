"""The look that all plots of the package share, and the one way a figure reaches a file.

Figures are drawn through matplotlib's object API on the Agg canvas: no pyplot, no window, no global state.
"""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fer.files import write_atomically

#: Colours of what is no expression, out of the palette of Okabe and Ito (2008).
BLUE = "#0072B2"
LIGHT_BLUE = "#56B4E9"
VERMILION = "#D55E00"
GREY = "#595959"
_DPI = 130


def make_figure(width: float, height: float) -> Figure:
    """Return an empty white figure of the given size in inches, whose parts make room for each other."""
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Write title and axis names in the sizes of the package and lay a faint grid behind the data."""
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(x, fontsize=11)
    axes.set_ylabel(y, fontsize=11)
    axes.tick_params(labelsize=10)
    axes.set_axisbelow(True)
    axes.grid(True, color="#E3E3E3", linewidth=0.7)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure to a PNG file, whole or not at all; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    # matplotlib would put its version into the file.
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomically(path, buffer.getvalue())

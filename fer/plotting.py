"""The style of all plots of the package, and writing a figure to a file.

Figures use matplotlib's object API on the Agg canvas: no pyplot, no window, no global state.
"""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from fer.files import write_atomically

#: Colours for everything but expressions, from the palette of Okabe and Ito (2008).
BLUE = "#0072B2"
LIGHT_BLUE = "#56B4E9"
VERMILION = "#D55E00"
GREY = "#595959"
_DPI = 130


def make_figure(width: float, height: float) -> Figure:
    """Return an empty white figure with constrained layout.

    Args:
        width: in inches.
        height: in inches.
    """
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def label_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Set the title and the axis labels, and draw a faint grid behind the data."""
    axes.set_title(title, fontsize=12)
    axes.set_xlabel(x, fontsize=11)
    axes.set_ylabel(y, fontsize=11)
    axes.tick_params(labelsize=10)
    axes.set_axisbelow(True)
    axes.grid(True, color="#E3E3E3", linewidth=0.7)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file atomically; the same figure gives the same PNG bytes, and no text is a formula.

    Args:
        figure: from :func:`make_figure`.
        path: the file; its suffix is the format, PNG if there is none.
    """
    kind = Path(path).suffix.lstrip(".").lower() or "png"
    # By default matplotlib writes its version into a PNG file.
    metadata = {"Software": None} if kind == "png" else None
    # A name with two dollar signs would be read as TeX.
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=metadata)
    write_atomically(path, buffer.getvalue())

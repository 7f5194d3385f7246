"""Charts as HTML and SVG in the page's own look.

The SVG holds shapes alone and is stretched to the width of the page. Labels are text of the page around it, so that
they keep their size on a phone. Colours without a meaning of their own are those of the page, light or dark.

Positions are 0 to 1, from the left and from the bottom.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from fer.labels import COLORS, EXPRESSIONS
from fer.reports.timeline import Stretch

#: Width and height of a drawing in its own units.
_SIDE = 1000


def render_chart(
    shapes: str,
    *,
    title: str,
    description: str,
    x_ticks: Mapping[float, str],
    y_ticks: Mapping[float, str],
    x_label: str = "",
    y_label: str = "",
) -> str:
    """Return a chart with axes and a grid.

    Args:
        shapes: SVG from the functions of this module.
        title: its name for screen readers.
        description: what it shows, for screen readers.
        x_ticks: labels by position; an empty one is a line of the grid without a label.
        y_ticks: labels by position.
        x_label: name of the axis.
        y_label: name of the axis.
    """
    grid = "".join(f"M0,{_flip(y)}H{_SIDE}" for y in y_ticks) + "".join(f"M{_scale(x)},0V{_SIDE}" for x in x_ticks)
    labels = [f'<span class="fer-x" style="left:{x:.1%}">{escape(text)}</span>' for x, text in x_ticks.items()]
    labels += [f'<span class="fer-y" style="bottom:{y:.1%}">{escape(text)}</span>' for y, text in y_ticks.items()]
    above = f'<p class="fer-y-name">{escape(y_label)}</p>' if y_label else ""
    below = f'<p class="fer-x-name">{escape(x_label)}</p>' if x_label else ""
    svg = render_svg(shapes, title, description, grid)
    return f'<div class="fer-chart">{above}<div class="fer-plot">{svg}{"".join(labels)}</div>{below}</div>'


def render_svg(shapes: str, title: str, description: str, grid: str = "") -> str:
    """Return an SVG with a name and a description for screen readers, stretched to the size of its place."""
    lines = f'<path class="fer-grid" d="{grid}"/>' if grid else ""
    return (
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" preserveAspectRatio="none" role="img"><title>{escape(title)}</title>'
        f"<desc>{escape(description)}</desc>{lines}{shapes}</svg>"
    )


def draw_line(x: Sequence[float], y: Sequence[float], kind: str = "", *, color: str = "", dashes: str = "") -> str:
    """Return a line through points.

    Args:
        x: positions.
        y: positions.
        kind: class of the style sheet, such as "fer-line-2"; it sets the colour if there is none.
        color: colour of the line.
        dashes: lengths of its dashes and gaps in pixels of the screen.
    """
    style = ";".join([f"stroke:{color}"] * bool(color) + [f"stroke-dasharray:{dashes}"] * bool(dashes))
    return f'<path class="fer-line {kind}"{_style(style)} d="M{_join(x, y)}"/>'


def draw_dots(x: Iterable[float], y: Iterable[float], kind: str = "") -> str:
    """Return round dots at points: lines without length, whose caps the stretching leaves round."""
    points = "".join(f"M{_scale(a)},{_flip(b)}h0" for a, b in zip(x, y, strict=True))
    return f'<path class="fer-dots {kind}" d="{points}"/>'


def draw_bars(edges: Sequence[float], heights: Sequence[float], kind: str = "") -> str:
    """Return bars between neighbouring edges; a bar without height is left out."""
    bars = "".join(
        f"M{_scale(left)},{_SIDE}V{_flip(height)}H{_scale(right)}V{_SIDE}Z"
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True)
        if height > 0
    )
    return f'<path class="fer-bar {kind}" d="{bars}"/>'


def draw_stretches(stretches: Sequence[Stretch], start: float, end: float, bin_seconds: float) -> str:
    """Return a person's stretches of time, with the probabilities stacked in the expressions' colours.

    Args:
        stretches: times of the bins in seconds, and their mean probabilities.
        start: time at the left edge.
        end: time at the right edge.
        bin_seconds: width of a bin.
    """
    return "".join(_draw_stretch(times, means, start, end, bin_seconds) for times, means in stretches)


def render_rows(rows: Mapping[int, str]) -> str:
    """Return the SVG of each person beside the person's number."""
    return "".join(f'<div class="fer-row"><span>#{person}</span>{svg}</div>' for person, svg in rows.items())


def render_legend() -> str:
    """Return the legend: the seven expressions with their colours."""
    items = "".join(f'<li><i style="background:{COLORS[name]}"></i>{name}</li>' for name in EXPRESSIONS)
    return f'<ul class="fer-legend" aria-label="Colours of the expressions">{items}</ul>'


def _draw_stretch(times: np.ndarray, means: np.ndarray, start: float, end: float, bin_seconds: float) -> str:
    if len(times) == 1:
        # A single bin has no width; widen it to be visible.
        times, means = np.array([times[0] - bin_seconds, times[0]]), np.repeat(means, 2, axis=0)
    x = np.clip((times - start) / max(end - start, 1e-9), 0.0, 1.0)
    tops = np.cumsum(means, axis=1)
    left, right = _scale(x[0]), _scale(x[-1])
    # Each area starts at the bottom, and the next lower one covers it: half the text of areas between two curves.
    return "".join(
        f'<path fill="{COLORS[name]}" d="M{left},{_SIDE}L{_join(x, tops[:, index])}L{right},{_SIDE}Z"/>'
        for index, name in reversed(list(enumerate(EXPRESSIONS)))
    )


def _style(text: str) -> str:
    return f' style="{text}"' if text else ""


def _join(x: Iterable[float], y: Iterable[float]) -> str:
    return " ".join(f"{_scale(a)},{_flip(b)}" for a, b in zip(x, y, strict=True))


def _scale(position: float) -> int:
    return round(float(position) * _SIDE)


def _flip(position: float) -> int:
    """Return the distance from the top."""
    return _SIDE - _scale(position)

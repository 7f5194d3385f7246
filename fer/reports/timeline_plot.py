"""The plot of a video: each person's expressions over time."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fer.files import write_atomically
from fer.labels import COLORS, EXPRESSIONS
from fer.reports.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: People drawn, those on screen longest first; further ones are counted in the title.
MOST_PEOPLE = 8


def plot_timeline(timeline: Timeline, path: str | Path, *, title: str = "") -> None:
    """Draw each person's probabilities, stacked, over the seconds of a video.

    Args:
        timeline: what was seen.
        path: the picture to write; its ending decides the format.
        title: the video's name.
    """
    # Here and not above, with no backend set for the process: matplotlib takes most of a second to import.
    from matplotlib.figure import Figure

    people = sorted(timeline.people, key=lambda number: -timeline.people[number].seconds)
    shown = sorted(people[:MOST_PEOPLE])
    figure = Figure(figsize=(11, 1.2 + 1.7 * max(1, len(shown))), layout="constrained")
    axes = figure.subplots(max(1, len(shown)), 1, sharex=True, squeeze=False)[:, 0]
    for axis, number in zip(axes, shown, strict=False):
        _draw_person(axis, timeline, number)
    if not shown:
        axes[0].text(0.5, 0.5, "no face", ha="center", va="center", transform=axes[0].transAxes)
    axes[-1].set_xlabel("time [s]")
    axes[-1].set_xlim(0, max(timeline.end, 1e-3))
    more = f" (and {len(people) - len(shown)} more people)" if len(people) > len(shown) else ""
    figure.suptitle(f"{title}{more}")
    if shown:
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(EXPRESSIONS), frameon=False)
    kind = Path(path).suffix.lstrip(".").lower() or "png"
    write_atomically(path, lambda stream: figure.savefig(stream, format=kind, dpi=120))


def _draw_person(axis: "Axes", timeline: Timeline, number: int) -> None:
    times, rows = timeline.read_person(number)
    half = timeline.bin_seconds / 2
    if len(times) == 1:
        # One bin is a point: widened to its two edges, so that it can be seen.
        times, rows = np.array([times[0] - half, times[0] + half]), np.repeat(rows, 2, axis=0)
    colors = [COLORS[name] for name in EXPRESSIONS]
    edges = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)
    for index, name in enumerate(EXPRESSIONS):
        axis.fill_between(times, edges[:, index], edges[:, index + 1], color=colors[index], label=name, linewidth=0)
    person = timeline.people[number]
    axis.set_ylim(0, 1)
    axis.set_yticks([0, 0.5, 1])
    axis.set_ylabel("probability")
    axis.set_title(f"person {number}: {person.seconds:.1f} s on screen", loc="left", fontsize="medium")

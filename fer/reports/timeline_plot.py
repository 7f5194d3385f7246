"""Plot of each person's expressions over the time of a video."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from fer.labels import COLORS, EXPRESSIONS
from fer.plotting import make_figure, save_figure
from fer.reports.timeline import Stretch, Timeline

#: Largest number of people drawn: those with the longest time on screen. The title counts the others.
MOST_PEOPLE = 8


def plot_timeline(timeline: Timeline, path: str | Path, *, title: str = "") -> None:
    """Plot each person's stacked probabilities over time.

    Args:
        timeline: the people of a video.
        path: the PNG file to write.
        title: name of the video.

    Raises:
        OutputError: the file cannot be written.
    """
    people = sorted(timeline.people, key=lambda track_id: -timeline.people[track_id].seconds)
    drawn = sorted(people[:MOST_PEOPLE])
    figure = make_figure(11, 1.2 + 1.7 * max(1, len(drawn)))
    rows = figure.subplots(max(1, len(drawn)), 1, sharex=True, squeeze=False)[:, 0]
    for axes, track_id in zip(rows, drawn, strict=False):
        _draw_person(axes, timeline, track_id)
    if not drawn:
        rows[0].text(0.5, 0.5, "no face", ha="center", va="center", transform=rows[0].transAxes)
    rows[-1].set_xlabel("time [s]")
    rows[-1].set_xlim(0, max(timeline.end, 1e-3))
    more = f" (and {len(people) - len(drawn)} more people)" if len(people) > len(drawn) else ""
    figure.suptitle(f"{title}{more}")
    if drawn:
        patches = [Patch(color=COLORS[name], label=name) for name in EXPRESSIONS]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(EXPRESSIONS), frameon=False)
    save_figure(figure, path)


def _draw_person(axes: Axes, timeline: Timeline, track_id: int) -> None:
    for stretch in timeline.read_stretches(track_id):
        _draw_stretch(axes, stretch, timeline.bin_seconds)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("probability")
    seconds = timeline.people[track_id].seconds
    axes.set_title(f"person {track_id}: {seconds:.1f} s on screen", loc="left", fontsize="medium")


def _draw_stretch(axes: Axes, stretch: Stretch, bin_seconds: float) -> None:
    times, means = stretch
    if len(times) == 1:
        # A single bin would be invisible: draw it from edge to edge.
        times, means = times[0] + np.array([-0.5, 0.5]) * bin_seconds, np.repeat(means, 2, axis=0)
    edges = np.concatenate([np.zeros((len(means), 1)), np.cumsum(means, axis=1)], axis=1)
    for index, name in enumerate(EXPRESSIONS):
        axes.fill_between(times, edges[:, index], edges[:, index + 1], color=COLORS[name], linewidth=0)

"""The video tab as HTML: progress and results."""

from html import escape

import numpy as np

from fer.app.pages import charts
from fer.app.video_jobs import Progress
from fer.labels import COLORS, EXPRESSIONS
from fer.reports.timeline import PersonTime, Stretch, Timeline
from fer.reports.video_summaries import VideoSummary

#: People whose expressions are drawn: those with the longest time on screen. The page counts the rest.
MOST_PEOPLE = 8
#: Steps, in seconds, between the labels of the time, and the largest number of labels.
_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60)
_MOST_TICKS = 7
#: Changes of the most probable expression that the description of a curve names.
_MOST_CHANGES = 12


def render_progress(progress: Progress) -> str:
    """Return a progress bar with a line of text.

    Args:
        progress: the progress of a job.
    """
    finishing = 0 < progress.total <= progress.done
    total = f" of {progress.total}" if progress.total else ""
    bar = f' max="{progress.total}" value="{min(progress.done, progress.total)}"' if progress.total else ""
    text = "finishing the files" if finishing else f"frame {progress.done}{total} · {progress.rate:.0f} frames/s"
    return (
        f'<div class="fer-progress"><progress aria-label="Progress"{bar}></progress>'
        f"<p>{text}{_render_time_left(progress)}</p></div>"
    )


def render_summary(summary: VideoSummary) -> str:
    """Return the numbers of frames, the people with their expressions, and remarks.

    Args:
        summary: what :func:`fer.reports.videos.process_video` returned.
    """
    rows = "".join(_render_person(track_id, person) for track_id, person in sorted(summary.timeline.people.items()))
    table = f'<table class="fer-people">{rows}</table>' if rows else ""
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in summary.remarks)
    return f"<p><b>{escape(summary.headline)}</b></p>{table}<ul class=fer-summary>{remarks}</ul>"


def render_timeline(timeline: Timeline) -> str:
    """Return each person's expressions over the time of a video; empty without people.

    Args:
        timeline: the people of the video.
    """
    longest = sorted(timeline.people, key=lambda track_id: -timeline.people[track_id].seconds)
    if not longest:
        return ""
    rows = {person: _render_curve(timeline, person) for person in sorted(longest[:MOST_PEOPLE])}
    more = len(longest) - MOST_PEOPLE
    note = f'<p class="fer-more">and {more} more in the table</p>' if more > 0 else ""
    ticks = "".join(f'<span style="left:{left:.2%}">{text}</span>' for left, text in list_ticks(timeline.end).items())
    return (
        f'<div class="fer-timeline">{charts.render_rows(rows)}<p class="fer-ticks">{ticks}</p>'
        f"{note}{charts.render_legend()}</div>"
    )


def list_ticks(end: float) -> dict[float, str]:
    """Return the labels of the time from 0 to ``end`` seconds, by position from 0 to 1."""
    step = next((step for step in _STEPS if end / step < _MOST_TICKS), _STEPS[-1])
    times = np.arange(0.0, end, step)
    return {float(seconds / end): f"{seconds:g} s" if seconds else "0" for seconds in times}


def describe_changes(stretches: list[Stretch]) -> str:
    """Return when which expression is the most probable, such as "sad from 0.1 s, happy from 3.2 s"."""
    changes: list[tuple[float, str]] = []
    for times, means in stretches:
        names = [EXPRESSIONS[index] for index in means.argmax(axis=1)]
        pairs = zip(times, names, [None, *names[:-1]], strict=True)
        changes += [(seconds, name) for seconds, name, before in pairs if name != before]
    listed = ", ".join(f"{name} from {seconds:.1f} s" for seconds, name in changes[:_MOST_CHANGES])
    more = len(changes) - _MOST_CHANGES
    return f"{listed} and {more} more changes" if more > 0 else listed


def _render_curve(timeline: Timeline, person: int) -> str:
    stretches = timeline.read_stretches(person)
    shapes = charts.draw_stretches(stretches, 0.0, timeline.end, timeline.bin_seconds)
    return charts.render_svg(shapes, f"Person {person}, expressions over time", f"{describe_changes(stretches)}.")


def _render_person(track_id: int, person: PersonTime) -> str:
    shares = person.shares
    strip = "".join(
        f'<i style="width:{shares[name] * 100:.2f}%;background:{COLORS[name]}" title="{name}"></i>'
        for name in EXPRESSIONS
        if shares[name] > 0
    )
    return (
        f"<tr><th scope=row>Person {track_id}<small>{person.seconds:.1f} s</small></th>"
        f'<td><div class="fer-strip">{strip}</div><span>{person.describe_shares()}</span></td></tr>'
    )


def _render_time_left(progress: Progress) -> str:
    seconds = progress.seconds_left
    if seconds is None:
        return ""
    return f" · about {seconds:.0f} s left" if seconds < 90 else f" · about {seconds / 60:.0f} min left"

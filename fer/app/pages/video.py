"""The video tab as HTML: progress and results."""

from html import escape

from fer.app.video_jobs import Progress
from fer.labels import COLORS, EXPRESSIONS
from fer.reports.timeline import PersonTime
from fer.reports.video_summaries import VideoSummary


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

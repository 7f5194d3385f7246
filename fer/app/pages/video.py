"""The video tab in HTML: how far a video has come, and what it showed."""

from html import escape

from fer.app.video_jobs import Progress
from fer.labels import COLORS, EXPRESSIONS
from fer.reports.videos import VideoSummary


def render_progress(progress: Progress) -> str:
    """Return a bar with words; once the last frame is done, that the files are being finished.

    Args:
        progress: how far the job has come.
    """
    finishing = 0 < progress.total <= progress.done
    total = f" of {progress.total}" if progress.total else ""
    bar = f' max="{progress.total}" value="{min(progress.done, progress.total)}"' if progress.total else ""
    words = "finishing the files" if finishing else f"frame {progress.done}{total} · {progress.rate:.0f} frames/s"
    return (
        f'<div class="fer-progress"><progress aria-label="Progress"{bar}></progress>'
        f"<p>{words}{_render_rest(progress)}</p></div>"
    )


def render_summary(summary: VideoSummary) -> str:
    """Return what a video showed: each person's time and shares, and what went wrong.

    Args:
        summary: from :func:`fer.reports.videos.process_video`.
    """
    first, *others = summary.describe().split("\n")
    facts = [line for line in others if not line.startswith("person ")]
    people = summary.timeline.people
    rows = "".join(_render_person(number, people[number].seconds, people[number].shares) for number in sorted(people))
    table = f'<table class="fer-people">{rows}</table>' if rows else ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in facts)
    return f"<p><b>{escape(first)}</b></p>{table}<ul class=fer-summary>{lines}</ul>"


def _render_person(number: int, seconds: float, shares: dict[str, float]) -> str:
    strip = "".join(
        f'<i style="width:{shares[name] * 100:.2f}%;background:{COLORS[name]}" title="{name}"></i>'
        for name in EXPRESSIONS
        if shares[name] > 0
    )
    shown = sorted((name for name in EXPRESSIONS if shares[name] >= 0.005), key=lambda name: -shares[name])
    words = ", ".join(f"{name} {shares[name] * 100:.0f} %" for name in shown)
    return (
        f"<tr><th scope=row>Person {number}<small>{seconds:.1f} s</small></th>"
        f'<td><div class="fer-strip">{strip}</div><span>{words}</span></td></tr>'
    )


def _render_rest(progress: Progress) -> str:
    if not progress.total or not progress.done or progress.done >= progress.total:
        return ""
    seconds = (progress.total - progress.done) / progress.rate
    return f" · about {seconds:.0f} s left" if seconds < 90 else f" · about {seconds / 60:.0f} min left"

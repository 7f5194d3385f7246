"""Faces as HTML and SVG: cards with bars, the rolling timeline, notices.

Text from outside is escaped; images are data URLs.
"""

from collections.abc import Sequence
from html import escape

import numpy as np

from fer.app.data_urls import encode_image_url
from fer.app.live import BIN_SECONDS, WINDOW_SECONDS, LiveFrame, RollingTimeline
from fer.app.pages import charts
from fer.labels import COLORS, EXPRESSIONS
from fer.vision.annotation import draw_activation
from fer.vision.faces import Face
from fer.vision.quality import UNCERTAIN_WARNINGS
from fer.wording import format_probability

#: The words that the page shows for each entry of ``Face.warnings``.
WARNING_TEXTS: dict[str, str] = {
    "small": "small face",
    "blurred": "blurred",
    "profile": "turned away",
    "edge": "cut by the edge",
    "dark": "nearly black",
}
#: What the page says if the browser gives it no camera.
CAMERA_FAULTS: dict[str, str] = {
    "denied": "The browser does not allow this page to use the camera. Allow it beside the page's address, and reload.",
    "absent": "No camera was found. Connect one, and reload the page.",
    "busy": "The camera cannot be opened. Close other programs that use it, and try again.",
    "insecure": "Browsers offer the camera only to https pages and to pages of this machine.",
}
#: People whose timeline is drawn; the page counts the rest.
MOST_PEOPLE = 4
_MAP_SIDE = 144


def render_notice(text: str, *, kind: str = "info") -> str:
    """Return a notice: a sentence in a box.

    Args:
        text: the sentence; it is escaped.
        kind: "info", "empty" or "error"; screen readers announce an error.
    """
    role = ' role="alert"' if kind == "error" else ""
    return f'<p class="fer-notice fer-{kind}"{role}>{escape(text)}</p>'


def render_camera_notices() -> str:
    """Return a notice for each fault of the camera; ``head.html`` marks the one that the page shows."""
    items = "".join(
        f'<p class="fer-notice fer-error" role="alert" data-fault="{fault}" hidden>{escape(text)}</p>'
        for fault, text in CAMERA_FAULTS.items()
    )
    return f'<div class="fer-faults">{items}</div>'


def render_bars(probabilities: np.ndarray) -> str:
    """Return a bar for each expression; the most probable one is marked.

    Args:
        probabilities: float (7,), 0 to 1, in the order of ``fer.EXPRESSIONS``.
    """
    top = EXPRESSIONS[int(np.argmax(probabilities))]
    rows = [
        _render_bar(name, float(probability), is_top=name == top)
        for name, probability in zip(EXPRESSIONS, probabilities, strict=True)
    ]
    return f'<table class="fer-bars">{"".join(rows)}</table>'


def render_card(face: Face, number: int, activation: np.ndarray | None = None) -> str:
    """Return a face's card: the answer, the runner-up, why it is uncertain, warnings, the crop and bars.

    Args:
        face: the face.
        number: its number in the image, from 1; used if it has no track number.
        activation: its activation map, float (48, 48), 0 to 1, or None.
    """
    title = f"Person {face.track_id}" if face.track_id is not None else f"Face {number}"
    chips = [f'<b class="fer-chip">{escape(WARNING_TEXTS.get(warning, warning))}</b>' for warning in face.warnings]
    label = f"{face.label}{'?' if face.uncertain else ''}"
    doubt = f'<p class="fer-unsure">{describe_doubt(face)}</p>' if face.uncertain else ""
    runner_up, probability = rank_expressions(face.probabilities)[1]
    return (
        f'<article class="fer-card" style="--fer-color:{COLORS[face.label]}" aria-label="{title}: {label}">'
        f'<div class="fer-images">{_render_crop(face, activation)}</div>'
        f'<header><span class="fer-person">{title}</span>'
        f"<h2>{label} <small>{escape(format_probability(face.confidence))}</small></h2>"
        f'<p class="fer-next">then {runner_up}, {escape(format_probability(probability))}</p></header>'
        f'<div class="fer-doubts">{doubt}{"".join(chips)}</div>'
        f"{render_bars(face.probabilities)}{_render_baseline(face)}</article>"
    )


def rank_expressions(probabilities: np.ndarray) -> list[tuple[str, float]]:
    """Return the expressions with their probabilities, the most probable one first."""
    pairs = zip(EXPRESSIONS, map(float, probabilities), strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])


def describe_doubt(face: Face) -> str:
    """Return why the answer for a face is uncertain, in a sentence."""
    for warning in face.warnings:
        if warning in UNCERTAIN_WARNINGS:
            return f"Unsure: the face is {WARNING_TEXTS[warning]}."
    (_, first), (name, second), *_ = rank_expressions(face.probabilities)
    if second > first / 2:
        return f"Unsure: {name} is nearly as likely."
    return "Unsure: several expressions share the rest."


def render_cards(faces: Sequence[Face], activations: Sequence[np.ndarray] = ()) -> str:
    """Return the cards of an image's faces, or a notice if it has none.

    Args:
        faces: the faces.
        activations: for each face its activation map, float (48, 48), 0 to 1; empty for none.
    """
    if not faces:
        return render_notice("No face was found. Try a larger, brighter or more frontal face.", kind="empty")
    no_maps: list[np.ndarray | None] = [None] * len(faces)
    rows = zip(faces, activations or no_maps, strict=True)
    cards = [render_card(face, number, activation) for number, (face, activation) in enumerate(rows, start=1)]
    return f'<div class="fer-cards">{"".join(cards)}</div>'


def render_status(frame: LiveFrame, milliseconds: float) -> str:
    """Return the line below the live image: frame rate, latency and number of faces.

    Its data attributes carry the same figures for :mod:`fer.bench`.

    Args:
        frame: the analyzed frame.
        milliseconds: the server's time for it.
    """
    people = f"{len(frame.faces)} face{'s' if len(frame.faces) != 1 else ''}" if frame.faces else "no face"
    return (
        f'<p class="fer-status" data-frame="{frame.number}" data-milliseconds="{milliseconds:.1f}"'
        f' data-faces="{len(frame.faces)}"><span><b>{frame.rate:.1f}</b> frames/s</span>'
        f"<span><b>{milliseconds:.0f}</b> ms on the server</span><span><b>{people}</b></span></p>"
    )


def render_live(frame: LiveFrame) -> str:
    """Return the cards of the people in view, or a notice if there is nobody, below that about the neutral face."""
    notice = render_notice(frame.notice) if frame.notice else ""
    if not frame.faces:
        return notice + render_notice("No face in view. Look towards the camera, in good light.", kind="empty")
    return notice + render_cards(frame.faces, frame.activations)


def render_timeline(timeline: RollingTimeline) -> str:
    """Return each person's last 30 seconds as an SVG: probabilities stacked in the expressions' colours."""
    people = timeline.read_people()
    if not people:
        return render_notice(f"Each person's last {WINDOW_SECONDS:.0f} seconds are drawn here.", kind="empty")
    # People who were in view longest have the most informative curves.
    longest = sorted(people, key=lambda person: -sum(len(times) for times, _ in people[person]))
    shown = f"over the last {WINDOW_SECONDS:.0f} seconds"
    rows = {
        person: charts.render_svg(
            charts.draw_stretches(people[person], -WINDOW_SECONDS, 0.0, BIN_SECONDS),
            f"Person {person}, expressions {shown}",
            f"The probabilities of the seven expressions, stacked, {shown}.",
        )
        for person in sorted(longest[:MOST_PEOPLE])
    }
    more = len(people) - MOST_PEOPLE
    note = f'<p class="fer-more">and {more} more</p>' if more > 0 else ""
    axis = f"<p class=fer-axis><span>{WINDOW_SECONDS:.0f} s ago</span><span>now</span></p>"
    return f'<div class="fer-timeline">{charts.render_rows(rows)}{axis}{note}{charts.render_legend()}</div>'


def _render_baseline(face: Face) -> str:
    """Return the answer without the person's resting face, if there is one."""
    if face.baseline_probabilities is None:
        return ""
    confidence = escape(format_probability(float(face.baseline_probabilities.max())))
    return (
        f'<div class="fer-baseline"><p>relative to the neutral face: <b>{face.baseline_label}</b> {confidence}</p>'
        f"{render_bars(face.baseline_probabilities)}</div>"
    )


def _render_bar(name: str, probability: float, *, is_top: bool) -> str:
    mark = ' class="fer-top"' if is_top else ""
    bar = f'<i style="width:{probability * 100:.1f}%;background:{COLORS[name]}"></i>'
    share = escape(format_probability(probability))
    return f"<tr{mark}><th scope=row>{name}</th><td>{bar}</td><td>{share}</td></tr>"


def _render_crop(face: Face, activation: np.ndarray | None) -> str:
    source = encode_image_url(face.crop, kind="PNG")
    crop = f'<img src="{source}" alt="the face as the network saw it" width=48 height=48>'
    if activation is None:
        return crop
    overlay = draw_activation(face.crop, activation, side=_MAP_SIDE)[:, _MAP_SIDE:]
    alt = f"where the evidence for {face.label} lies"
    return f'{crop}<img src="{encode_image_url(overlay)}" alt="{alt}" width={_MAP_SIDE} height={_MAP_SIDE}>'

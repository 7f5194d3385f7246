"""Faces as pieces of a web page: cards with bars, the rolling timeline, notices. Plain HTML and SVG, nothing on disk.

Every text that came from outside is escaped; pictures are uint8 (H, W) or (H, W, 3) and go in as data addresses.
"""

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from fer.analysis import Face
from fer.app.live import WINDOW_SECONDS, LiveFrame, RollingTimeline
from fer.errors import ImageError
from fer.labels import COLORS, EXPRESSIONS
from fer.vision.annotation import draw_activation

#: What each warning of a face means, in words for the page.
WARNING_TEXTS: dict[str, str] = {
    "small": "small face",
    "blurred": "blurred",
    "profile": "turned away",
    "edge": "cut by the edge",
}
#: People whose timeline is drawn; the rest are counted.
MOST_PEOPLE = 4
_MAP_SIDE = 144
_WIDTH, _HEIGHT = 600, 64


def encode_data_url(image: np.ndarray, *, kind: str = "JPEG", quality: int = 85) -> str:
    """Return a picture as a data address that an ``<img>`` takes.

    Args:
        image: uint8 (H, W) or (H, W, 3), RGB.
        kind: "JPEG" or "PNG".
        quality: of a JPEG, 1..95.
    """
    stream = io.BytesIO()
    options = {"quality": quality} if kind == "JPEG" else {}
    Image.fromarray(image).save(stream, format=kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def read_data_url(url: str) -> bytes:
    """Return the bytes of a picture that a browser sent as a data address.

    Raises:
        ImageError: it is another kind of address, or damaged.
    """
    head, _, content = url.partition(",")
    try:
        if head.startswith("data:image/") and head.endswith(";base64"):
            return base64.b64decode(content, validate=True)
    except ValueError:
        pass
    raise ImageError(
        "A camera's frame must be a data address of a picture. Received: another one, or a damaged one. Remedy: reload"
        " the page, or send data:image/jpeg;base64 and the picture's bytes."
    )


def render_notice(text: str, *, kind: str = "info") -> str:
    """Return a sentence in a box.

    Args:
        text: the sentence; it is escaped.
        kind: "info", "empty" or "error"; an error is read aloud by screen readers.
    """
    role = ' role="alert"' if kind == "error" else ""
    return f'<p class="fer-notice fer-{kind}"{role}>{escape(text)}</p>'


def render_legend() -> str:
    """Return the seven expressions with their colours."""
    items = "".join(f'<li><i style="background:{COLORS[name]}"></i>{name}</li>' for name in EXPRESSIONS)
    return f'<ul class="fer-legend" aria-label="Colours of the expressions">{items}</ul>'


def render_bars(probabilities: np.ndarray) -> str:
    """Return seven bars.

    Args:
        probabilities: float (7,), 0..1, in the order of ``fer.EXPRESSIONS``.
    """
    winner = int(np.argmax(probabilities))
    rows = []
    for index, (name, value) in enumerate(zip(EXPRESSIONS, probabilities, strict=True)):
        strong = ' class="fer-top"' if index == winner else ""
        bar = f'<i style="width:{float(value) * 100:.1f}%;background:{COLORS[name]}"></i>'
        rows.append(f"<tr{strong}><th scope=row>{name}</th><td>{bar}</td><td>{round(float(value) * 100)} %</td></tr>")
    return f'<table class="fer-bars">{"".join(rows)}</table>'


def render_card(face: Face, number: int, activation: np.ndarray | None = None) -> str:
    """Return a face's card: the crop that the network saw, its label, its bars and what speaks against the answer.

    Args:
        face: the face.
        number: its number in the picture, from 1, where it has no track number.
        activation: float (48, 48), 0..1, its activation map, or None.
    """
    title = f"Person {face.track_id}" if face.track_id is not None else f"Face {number}"
    chips = ['<b class="fer-chip fer-unsure">uncertain</b>'] if face.uncertain else []
    chips += [f'<b class="fer-chip">{escape(WARNING_TEXTS.get(each, each))}</b>' for each in face.warnings]
    label = f"{face.label}{'?' if face.uncertain else ''}"
    return (
        f'<article class="fer-card" style="--fer-color:{COLORS[face.label]}" aria-label="{title}: {label}">'
        f'<div class="fer-pictures">{_render_crop(face, activation)}</div>'
        f'<header><span class="fer-person">{title}</span>'
        f"<h3>{label} <small>{round(face.confidence * 100)} %</small></h3>{''.join(chips)}</header>"
        f"{render_bars(face.probabilities)}</article>"
    )


def render_cards(faces: Sequence[Face], activations: Sequence[np.ndarray] = ()) -> str:
    """Return the cards of a picture's faces, or a sentence where it has none.

    Args:
        faces: the faces.
        activations: an activation map for each, or none at all.
    """
    if not faces:
        return render_notice("No face was found. Try a larger, brighter or more frontal face.", kind="empty")
    none: list[np.ndarray | None] = [None] * len(faces)
    maps: Sequence[np.ndarray | None] = activations or none
    cards = [render_card(face, number, each) for number, (face, each) in enumerate(zip(faces, maps, strict=True), 1)]
    return f'<div class="fer-cards">{"".join(cards)}</div>'


def render_status(frame: LiveFrame, milliseconds: float) -> str:
    """Return the line under the live picture: frame rate, latency, people. Its data attributes serve measurements.

    Args:
        frame: the frame shown.
        milliseconds: time that the server spent on it.
    """
    people = f"{len(frame.faces)} face{'s' if len(frame.faces) != 1 else ''}" if frame.faces else "no face"
    return (
        f'<p class="fer-status" data-frame="{frame.number}" data-milliseconds="{milliseconds:.1f}"'
        f' data-faces="{len(frame.faces)}"><span><b>{frame.rate:.1f}</b> frames/s</span>'
        f"<span><b>{milliseconds:.0f}</b> ms on the server</span><span><b>{people}</b></span></p>"
    )


def render_live(frame: LiveFrame) -> str:
    """Return the cards of the people in view, or a sentence where nobody is."""
    if not frame.faces:
        return render_notice("No face in view. Look towards the camera, in good light.", kind="empty")
    return render_cards(frame.faces, frame.activations)


def render_timeline(timeline: RollingTimeline) -> str:
    """Return the last half minute of each person as an SVG, the probabilities stacked in the expressions' colours."""
    people = timeline.read_people()
    if not people:
        return render_notice(f"Each person's last {WINDOW_SECONDS:.0f} seconds are drawn here.", kind="empty")
    # Those who were in view longest: their curve says most.
    longest = sorted(people, key=lambda person: -sum(len(times) for times, _ in people[person]))
    rows = [_render_person(person, people[person]) for person in sorted(longest[:MOST_PEOPLE])]
    more = len(people) - MOST_PEOPLE
    note = f'<p class="fer-more">and {more} more</p>' if more > 0 else ""
    axis = f"<p class=fer-axis><span>{WINDOW_SECONDS:.0f} s ago</span><span>now</span></p>"
    return f'<div class="fer-timeline">{"".join(rows)}{axis}{note}{render_legend()}</div>'


def _render_person(person: int, stretches: list[tuple[np.ndarray, np.ndarray]]) -> str:
    paths = "".join(_render_stretch(times, rows) for times, rows in stretches)
    return (
        f'<div class="fer-row"><span>#{person}</span><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none"'
        f' role="img" aria-label="Person {person}, expressions over the last {WINDOW_SECONDS:.0f} seconds">{paths}</svg>'
        "</div>"
    )


def _render_stretch(times: np.ndarray, rows: np.ndarray) -> str:
    if len(times) == 1:
        # One bin is a point: widened, so that it can be seen.
        times, rows = np.array([times[0] - 0.25, times[0]]), np.repeat(rows, 2, axis=0)
    x = np.clip((times / WINDOW_SECONDS + 1.0) * _WIDTH, 0, _WIDTH)
    edges = (1.0 - np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)) * _HEIGHT
    return "".join(
        f'<path fill="{COLORS[name]}" d="M{_join(x, edges[:, i])}L{_join(x[::-1], edges[::-1, i + 1])}Z"/>'
        for i, name in enumerate(EXPRESSIONS)
    )


def _join(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _render_crop(face: Face, activation: np.ndarray | None) -> str:
    crop = (
        f'<img src="{encode_data_url(face.crop, kind="PNG")}" alt="the face as the network saw it" width=48 height=48>'
    )
    if activation is None:
        return crop
    overlay = draw_activation(face.crop, activation, side=_MAP_SIDE)[:, _MAP_SIDE:]
    alt = f"where the evidence for {face.label} lies"
    return f'{crop}<img src="{encode_data_url(overlay)}" alt="{alt}" width={_MAP_SIDE} height={_MAP_SIDE}>'

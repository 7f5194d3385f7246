"""The photo tab: the photo with numbered boxes, cards and downloads; nothing is written to disk."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer.app.data_urls import encode_data_url, encode_image_url
from fer.app.pages.cards import render_cards
from fer.labels import COLORS
from fer.reports import faces_to_table
from fer.vision.annotation import draw_faces
from fer.vision.boxes import scale_box
from fer.vision.faces import Face
from fer.vision.images import shrink_to
from fer.wording import format_probability

#: Longer side, in pixels, of the shown image: sharp on any screen, and quick to send.
SHOWN_SIDE = 1600
#: Share of the photo's width from which a box has room for its label beside its number.
_WIDE_BOX = 0.13
#: Faces that get a card; more are only in the table.
MOST_CARDS = 60


class PhotoUpdate(NamedTuple):
    """Contents of the photo tab as HTML."""

    image: str
    cards: str
    downloads: str = ""


def render_photo(image: np.ndarray, faces: list[Face], activations: Sequence[np.ndarray], name: str) -> PhotoUpdate:
    """Return the contents of the tab for an analyzed photo.

    Args:
        image: uint8 (H, W, 3), RGB.
        faces: its faces.
        activations: for each of the first :data:`MOST_CARDS` faces float32 (48, 48), 0 to 1; empty for none.
        name: the photo's file name.
    """
    annotated = draw_photo(image, faces)
    html = render_cards(faces[:MOST_CARDS], activations)
    if len(faces) > MOST_CARDS:
        html += f'<p class="fer-more">and {len(faces) - MOST_CARDS} more in the table</p>'
    return PhotoUpdate(render_image(image, faces), html, render_downloads(annotated, faces, name))


def render_image(image: np.ndarray, faces: list[Face]) -> str:
    """Return the photo with a box, a number and a label for each face.

    The boxes are elements over the photo, so that their text has the page's size on every screen.

    Args:
        image: uint8 (H, W, 3), RGB.
        faces: its faces, with boxes in the pixels of ``image``.
    """
    small, _ = shrink_to(image, SHOWN_SIDE)
    boxes = "".join(_render_box(face, number, image.shape) for number, face in enumerate(faces, start=1))
    height, width = small.shape[:2]
    source = encode_image_url(small)
    return (
        f'<figure class="fer-figure" style="--fer-ratio:{width / height:.4f}">'
        f'<img src="{source}" width={width} height={height} alt="The photo with its faces">{boxes}</figure>'
    )


def sort_faces(faces: list[Face]) -> list[Face]:
    """Return the faces in the order of their numbers: those with a card from left to right, then the rest."""
    return sorted(faces[:MOST_CARDS], key=lambda face: face.box[0]) + faces[MOST_CARDS:]


def draw_photo(image: np.ndarray, faces: list[Face]) -> np.ndarray:
    """Return the photo with boxes and labels, its longer side at most :data:`SHOWN_SIDE` pixels.

    Args:
        image: uint8 (H, W, 3), RGB.
        faces: its faces, with boxes in the pixels of ``image``.
    """
    small, scale = shrink_to(image, SHOWN_SIDE)
    numbers = range(1, len(faces) + 1)
    scaled = [
        replace(face, box=scale_box(face.box, scale), track_id=number)
        for face, number in zip(faces, numbers, strict=True)
    ]
    return draw_faces(small, scaled, bars=False)


def render_downloads(annotated: np.ndarray, faces: list[Face], name: str) -> str:
    """Return links that save the table and the annotated image; both are data URLs.

    Args:
        annotated: uint8 (H, W, 3), RGB.
        faces: the rows of the table.
        name: the photo's file name, from which the names of the saved files are made.
    """
    stem = escape(Path(name).stem or "photo", quote=True)
    table = encode_data_url(faces_to_table(faces).to_csv(index=False).encode("utf-8"), "text/csv")
    return (
        f'<div class="fer-downloads"><a download="{stem} expressions.csv" href="{table}">Save table (CSV)</a>'
        f'<a download="{stem} annotated.jpg" href="{encode_image_url(annotated, quality=92)}">Save annotated image</a>'
        "</div>"
    )


def _render_box(face: Face, number: int, shape: tuple[int, ...]) -> str:
    left, top, right, bottom = (100 * side / shape[1 - index % 2] for index, side in enumerate(face.box))
    classes = ["fer-box"] + ["fer-doubtful"] * face.uncertain + ["fer-inside"] * (top < 8) + ["fer-end"] * (left > 60)
    label, confidence = f"{face.label}{'?' if face.uncertain else ''}", escape(format_probability(face.confidence))
    text = f" {label}<small> {confidence}</small>" if right - left >= 100 * _WIDE_BOX else ""
    return (
        f'<div class="{" ".join(classes)}" title="{label} {confidence}" style="left:{left:.2f}%;top:{top:.2f}%;'
        f'width:{right - left:.2f}%;height:{bottom - top:.2f}%;--fer-color:{COLORS[face.label]}">'
        f"<span><b>{number}</b>{text}</span></div>"
    )

"""The photo tab: annotated image, cards and downloads, all inside the page; nothing is written to disk."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer.app.data_urls import encode_data_url, encode_image_url
from fer.app.pages.cards import render_cards
from fer.reports import faces_to_table
from fer.vision.annotation import draw_faces
from fer.vision.boxes import scale_box
from fer.vision.faces import Face
from fer.vision.images import shrink_to

#: Longer side, in pixels, of the annotated image: sharp on any screen, and quick to send.
SHOWN_SIDE = 1600
#: Faces that get a card; more are only in the table.
MOST_CARDS = 60


class PhotoUpdate(NamedTuple):
    """Contents of the photo tab: the annotated image as a data URL, or None, and HTML."""

    image: str | None
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
    return PhotoUpdate(encode_image_url(annotated), html, render_downloads(annotated, faces, name))


def draw_photo(image: np.ndarray, faces: list[Face]) -> np.ndarray:
    """Return the photo with boxes and labels, its longer side at most :data:`SHOWN_SIDE` pixels.

    Args:
        image: uint8 (H, W, 3), RGB.
        faces: its faces, with boxes in the pixels of ``image``.
    """
    small, scale = shrink_to(image, SHOWN_SIDE)
    scaled = [replace(face, box=scale_box(face.box, scale)) for face in faces]
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

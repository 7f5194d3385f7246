"""The photo tab: a picture's faces as an annotated picture, cards and downloads, all held in memory."""

import base64
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import numpy as np

from fer.analysis import Analyzer, Face
from fer.app.pages.cards import encode_data_url, render_cards
from fer.errors import FerError
from fer.reports import faces_to_table
from fer.vision.annotation import draw_faces
from fer.vision.boxes import scale_box
from fer.vision.images import decode_image, shrink_to

#: Longer side, in pixels, of the annotated picture: enough for any screen, and small enough to be sent at once.
SHOWN_SIDE = 1600
#: Faces that get a card; a crowd's others stand in the table.
MOST_CARDS = 60


@dataclass(frozen=True, eq=False)
class PhotoView:
    """What the tab shows of a picture.

    Args:
        image: uint8 (H, W, 3), the decoded picture.
        faces: its faces.
        annotated: uint8 (h, w, 3), the picture with the faces drawn in.
        cards: HTML.
        downloads: HTML, links to the table and the annotated picture.
    """

    image: np.ndarray
    faces: list[Face]
    annotated: np.ndarray
    cards: str
    downloads: str


def view_photo(path: Path, name: str, analyzer: Analyzer, *, explain: bool = False) -> PhotoView:
    """Analyze a picture and prepare what the tab shows of it.

    Args:
        path: the file.
        name: its name as its owner knows it.
        analyzer: what reads it.
        explain: also show each face's activation map.

    Raises:
        ImageError: the picture cannot be used.
    """
    image = decode_image(path)
    faces = analyzer.analyze(image)
    annotated = draw_shown(image, faces)
    activations = [analyzer.explain(face) for face in faces[:MOST_CARDS]] if explain else []
    cards = render_cards(faces[:MOST_CARDS], activations)
    if len(faces) > MOST_CARDS:
        cards += f'<p class="fer-more">and {len(faces) - MOST_CARDS} more in the table</p>'
    return PhotoView(image, faces, annotated, cards, render_downloads(annotated, faces, name))


def draw_shown(image: np.ndarray, faces: list[Face]) -> np.ndarray:
    """Return the picture with its faces drawn in, at most :data:`SHOWN_SIDE` pixels long.

    Args:
        image: uint8 (H, W, 3).
        faces: its faces, in its pixels.
    """
    small, scale = shrink_to(image, SHOWN_SIDE)
    scaled = [replace(face, box=scale_box(face.box, scale)) for face in faces]
    return draw_faces(small, scaled, bars=False)


def render_downloads(annotated: np.ndarray, faces: list[Face], name: str) -> str:
    """Return links that save the table and the annotated picture; both lie in the page, nothing on the server.

    Args:
        annotated: uint8 (H, W, 3).
        faces: the rows of the table.
        name: the picture's name, for the names of what is saved.
    """
    stem = escape(Path(name).stem or "photo", quote=True)
    table = base64.b64encode(faces_to_table(faces).to_csv(index=False).encode("utf-8")).decode("ascii")
    return (
        '<div class="fer-downloads">'
        f'<a download="{stem} expressions.csv" href="data:text/csv;base64,{table}">Save table (CSV)</a>'
        f'<a download="{stem} annotated.jpg" href="{encode_data_url(annotated, quality=92)}">Save annotated picture</a>'
        "</div>"
    )


def hide_path(error: FerError, path: Path, name: str) -> str:
    """Return an error's sentence with the server's path replaced by the name that the file's owner knows."""
    return str(error).replace(str(path), name)

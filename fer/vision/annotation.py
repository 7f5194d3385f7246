"""Drawn pictures: boxes with labels, bars of probabilities, activation maps. Nothing given is changed.

Pictures are uint8 (H, W, 3), RGB. Colours are those of ``labels.COLORS`` everywhere.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from fer.labels import COLORS, EXPRESSIONS
from fer.vision.detection import Box

Color = tuple[int, int, int]
_Rectangle = tuple[int, int, int, int]

_SMALLEST_TEXT, _LARGEST_TEXT = 11, 44
#: Faces smaller than this, in pixels, get no bars: their text could not be read.
_SMALLEST_WITH_BARS = 72
_PANEL: Color = (24, 24, 24)
_TEXT: Color = (245, 245, 245)
_TRACK: Color = (70, 70, 70)


class DrawnFace(Protocol):
    """What drawing reads of a face; :class:`fer.Face` is one."""

    @property
    def box(self) -> Box:
        """(x_min, y_min, x_max, y_max) in pixels."""

    @property
    def label(self) -> str:
        """One of ``fer.EXPRESSIONS``."""

    @property
    def confidence(self) -> float:
        """Probability of the label, 0..1."""

    @property
    def uncertain(self) -> bool:
        """Whether the label gets a question mark."""

    @property
    def track_id(self) -> int | None:
        """Number of the person in a stream."""

    @property
    def probabilities(self) -> np.ndarray:
        """float (7,), 0..1."""


def draw_faces(image: np.ndarray, faces: Sequence[DrawnFace], *, bars: bool = True) -> np.ndarray:
    """Return a copy of a picture with every face's box, label and, where there is room, its seven probabilities.

    Args:
        image: uint8 (H, W, 3) RGB.
        faces: the faces, in the picture's pixels.
        bars: draw the probabilities beside faces that are large enough, where no other face is covered.
    """
    drawn = image.copy()
    rectangles = [_round_box(face.box, image.shape) for face in faces]
    thickness = _choose_thickness(image.shape)
    for face, rectangle in zip(faces, rectangles, strict=True):
        cv2.rectangle(drawn, rectangle[:2], rectangle[2:], _read_color(face.label), thickness)
    labels: list[_Rectangle] = []
    for face, rectangle in zip(faces, rectangles, strict=True):
        labels.append(_draw_label(drawn, face, rectangle, labels + _leave_out(rectangles, rectangle)))
    for face, rectangle in zip(faces, rectangles, strict=True) if bars else ():
        panel = _draw_bars(drawn, face.probabilities, rectangle, labels + _leave_out(rectangles, rectangle))
        labels += panel
    return drawn


def draw_activation(crop: np.ndarray, activation: np.ndarray, *, side: int = 240) -> np.ndarray:
    """Return a crop beside the same crop with its activation map laid over it.

    Args:
        crop: uint8 (48, 48), grey.
        activation: float (48, 48), 0..1.
        side: side, in pixels, of either half.

    Returns:
        uint8 (side, 2 * side, 3), RGB.
    """
    face = cv2.cvtColor(cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB)
    strength = np.clip(cv2.resize(activation.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR), 0, 1)
    heat = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    # Where nothing is active the face stays as it is, so the eye goes to what counted.
    weight = (0.65 * strength)[..., None]
    overlay = face * (1 - weight) + heat * weight
    return np.hstack([face, overlay.round().astype(np.uint8)])


def describe_face(face: DrawnFace) -> str:
    """Return a face's caption: "#2 happy 93 %", with a question mark where the answer is uncertain."""
    person = f"#{face.track_id} " if face.track_id is not None else ""
    return f"{person}{face.label}{'?' if face.uncertain else ''} {face.confidence:.0%}".replace("%", " %")


def _draw_label(image: np.ndarray, face: DrawnFace, rectangle: _Rectangle, taken: list[_Rectangle]) -> _Rectangle:
    size = _choose_text_size(rectangle[2] - rectangle[0], image.shape)
    patch = _render_label(describe_face(face), size, _read_color(face.label))[: image.shape[0], : image.shape[1]]
    # Of equal places the first wins: min is stable.
    place = min(_list_places(rectangle, patch.shape, image.shape), key=lambda place: _measure_overlap(place, taken))
    image[place[1] : place[3], place[0] : place[2]] = patch
    return place


def _list_places(face: _Rectangle, patch: tuple[int, ...], image: tuple[int, ...]) -> list[_Rectangle]:
    """List where a label may stand: above the head, under the chin, or inside the box where it fills the picture."""
    left, top, right, bottom = face
    edge = _choose_thickness(image) // 2
    columns = [left - edge, right + edge + 1 - patch[1], (left + right - patch[1]) // 2]
    columns = [int(np.clip(x, 0, image[1] - patch[1])) for x in columns]
    outside = [y for y in (top - patch[0], bottom) if y >= 0 and y + patch[0] <= image[0]]
    rows = outside or [int(np.clip(top, 0, image[0] - patch[0]))]
    return [(x, y, x + patch[1], y + patch[0]) for y in rows for x in columns]


def _draw_bars(
    image: np.ndarray, probabilities: np.ndarray, face: _Rectangle, taken: list[_Rectangle]
) -> list[_Rectangle]:
    """Draw a panel beside a face and return its place, or none where there is no room."""
    if face[3] - face[1] < _SMALLEST_WITH_BARS:
        return []
    size = int(np.clip((face[3] - face[1]) / 9, _SMALLEST_TEXT, _LARGEST_TEXT * 0.6))
    panel = _render_bars(tuple(np.round(probabilities.astype(float), 2)), size)
    height, width = panel.shape[:2]
    gap = max(4, size // 3)
    y = int(np.clip(face[1], 0, max(0, image.shape[0] - height)))
    for x in (face[2] + gap, face[0] - gap - width):
        place = (x, y, x + width, y + height)
        within = x >= 0 and place[2] <= image.shape[1] and place[3] <= image.shape[0]
        if within and not _measure_overlap(place, taken):
            part = image[y : y + height, x : x + width]
            part[:] = cv2.addWeighted(part, 0.2, panel, 0.8, 0)
            return [place]
    return []


@lru_cache(maxsize=512)
def _render_label(text: str, size: int, color: Color) -> np.ndarray:
    font = ImageFont.load_default(size)
    pad = max(2, size // 4)
    patch = Image.new("RGB", (round(font.getlength(text)) + 2 * pad, size + 2 * pad), color)
    ImageDraw.Draw(patch).text((pad, size / 2 + pad), text, fill=_choose_ink(color), font=font, anchor="lm")
    return np.asarray(patch)


@lru_cache(maxsize=64)
def _render_bars(probabilities: tuple[float, ...], size: int) -> np.ndarray:
    font = ImageFont.load_default(size)
    row, pad = round(size * 1.35), max(3, size // 3)
    names = max(round(font.getlength(name)) for name in EXPRESSIONS)
    length = size * 5
    panel = Image.new("RGB", (names + length + 3 * pad, row * len(EXPRESSIONS) + 2 * pad), _PANEL)
    draw = ImageDraw.Draw(panel)
    for index, (name, probability) in enumerate(zip(EXPRESSIONS, probabilities, strict=True)):
        y, x = pad + index * row, names + 2 * pad
        draw.text((pad, y + row / 2), name, fill=_TEXT, font=font, anchor="lm")
        draw.rectangle((x, y + row * 0.2, x + length, y + row * 0.8), fill=_TRACK)
        draw.rectangle((x, y + row * 0.2, x + max(1, length * probability), y + row * 0.8), fill=_read_color(name))
    return np.asarray(panel)


def _leave_out(rectangles: list[_Rectangle], one: _Rectangle) -> list[_Rectangle]:
    return [rectangle for rectangle in rectangles if rectangle is not one]


def _measure_overlap(place: _Rectangle, others: list[_Rectangle]) -> int:
    """Return the pixels of a place that others cover already."""
    widths = [max(0, min(place[2], other[2]) - max(place[0], other[0])) for other in others]
    heights = [max(0, min(place[3], other[3]) - max(place[1], other[1])) for other in others]
    return sum(width * height for width, height in zip(widths, heights, strict=True))


def _round_box(box: Box, shape: tuple[int, ...]) -> _Rectangle:
    x_min, x_max = (int(np.clip(round(x), 0, shape[1] - 1)) for x in (box[0], box[2]))
    y_min, y_max = (int(np.clip(round(y), 0, shape[0] - 1)) for y in (box[1], box[3]))
    return x_min, y_min, x_max, y_max


def _choose_thickness(shape: tuple[int, ...]) -> int:
    return max(1, round(min(shape[:2]) / 240))


def _choose_text_size(face_width: int, shape: tuple[int, ...]) -> int:
    # As wide as the face, and never more than a fifteenth of the picture.
    largest = min(_LARGEST_TEXT, max(_SMALLEST_TEXT, min(shape[:2]) // 15))
    return int(np.clip(face_width / 6, _SMALLEST_TEXT, largest))


@lru_cache(maxsize=len(COLORS))
def _read_color(label: str) -> Color:
    red, green, blue = ImageColor.getrgb(COLORS[label])[:3]
    return red, green, blue


def _choose_ink(color: Color) -> Color:
    brightness = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (0, 0, 0) if brightness > 130 else (255, 255, 255)

"""Annotated images: boxes with captions, bars of probabilities, activation maps. Every function returns a new image.

Images are uint8 (H, W, 3), RGB. Colours are those of ``labels.COLORS``.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from fer.labels import COLORS, EXPRESSIONS
from fer.vision.boxes import Box, clip_box, compute_shared_area
from fer.vision.faces import Face, list_faces
from fer.vision.images import ImageSource, decode_scaled
from fer.wording import format_probability

Color = tuple[int, int, int]
_PixelBox = tuple[int, int, int, int]

_SMALLEST_TEXT, _LARGEST_TEXT = 11, 44
#: Faces smaller than this, in pixels, get no bars: their text would be illegible.
_SMALLEST_WITH_BARS = 72
_PANEL: Color = (24, 24, 24)
_TEXT: Color = (245, 245, 245)
_TRACK: Color = (70, 70, 70)


def draw(image: ImageSource, faces: Face | Iterable[Face], *, bars: bool = True) -> np.ndarray:
    """Return an image with the boxes, captions and probabilities of its faces.

    Args:
        image: the image that was analyzed: a path, the bytes of a file, an open binary file, a PIL image or an array.
        faces: its faces, or one of them, in the pixels of the image.
        bars: draw the probabilities beside faces that are large enough, where they cover no other face.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ImageError: the image cannot be used.
        SettingsError: ``faces`` holds something else.

    Example:
        >>> import skimage.data
        >>> draw(skimage.data.astronaut(), []).shape
        (512, 512, 3)
    """
    listed, decoded = list_faces(faces), decode_scaled(image)
    return draw_faces(decoded.pixels, [face.resize(decoded.scale) for face in listed], bars=bars)


def draw_faces(
    image: np.ndarray, faces: Sequence[Face], *, bars: bool = True, smallest_text: int = _SMALLEST_TEXT
) -> np.ndarray:
    """Return a copy of an image with each face's box and caption and, if they fit, its seven probabilities.

    Args:
        image: uint8 (H, W, 3) RGB.
        faces: :class:`fer.Face` objects, in the image's pixels.
        bars: draw the probabilities beside faces that are large enough, where they cover no other face.
        smallest_text: smallest size of a caption, in the image's pixels; at most a fifteenth of its width is used, so
            that captions fit.
    """
    drawn = image.copy()
    boxes = [_round_box(face.box, image.shape) for face in faces]
    thickness = _choose_thickness(image.shape)
    for face, box in zip(faces, boxes, strict=True):
        cv2.rectangle(drawn, box[:2], box[2:], _read_color(face.label), thickness)
    occupied: list[_PixelBox] = []
    for face, box in zip(faces, boxes, strict=True):
        occupied.append(_draw_caption(drawn, face, box, occupied + _leave_out(boxes, box), smallest_text))
    for face, box in zip(faces, boxes, strict=True) if bars else ():
        occupied += _draw_bars(drawn, face.probabilities, box, occupied + _leave_out(boxes, box))
    return drawn


def draw_activation(crop: np.ndarray, activation: np.ndarray, *, side: int = 240) -> np.ndarray:
    """Return a crop beside the same crop overlaid with its activation map.

    Args:
        crop: uint8 (48, 48), grey.
        activation: float (48, 48), 0..1.
        side: side of each half in pixels.

    Returns:
        uint8 (side, 2 * side, 3), RGB.
    """
    face = cv2.cvtColor(cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC), cv2.COLOR_GRAY2RGB)
    strength = np.clip(cv2.resize(activation.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR), 0, 1)
    heat = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    # The face is unchanged where the activation is 0.
    weight = (0.65 * strength)[..., None]
    overlay = face * (1 - weight) + heat * weight
    return np.hstack([face, overlay.round().astype(np.uint8)])


def describe_face(face: Face) -> str:
    """Return a face's caption: "#2 happy 93 %", with a question mark if the prediction is uncertain."""
    person = f"#{face.track_id} " if face.track_id is not None else ""
    return f"{person}{face.label}{'?' if face.uncertain else ''} {format_probability(face.confidence)}"


def _draw_caption(image: np.ndarray, face: Face, box: _PixelBox, occupied: list[_PixelBox], smallest: int) -> _PixelBox:
    """Draw a caption at the position that covers the fewest occupied pixels, and return its box."""
    size = _choose_text_size(box[2] - box[0], image.shape, smallest)
    patch = _render_caption(describe_face(face), size, _read_color(face.label))[: image.shape[0], : image.shape[1]]
    positions = _list_positions(box, patch.shape, image.shape)
    # Of equal positions the first is taken: min is stable.
    left, top, right, bottom = min(positions, key=lambda position: _measure_overlap(position, occupied))
    image[top:bottom, left:right] = patch
    return left, top, right, bottom


def _list_positions(face: _PixelBox, patch: tuple[int, ...], image: tuple[int, ...]) -> list[_PixelBox]:
    """List the positions of a caption: above the head, under the chin, or inside a box that fills the image."""
    left, top, right, bottom = face
    edge = _choose_thickness(image) // 2
    columns = [left - edge, right + edge + 1 - patch[1], (left + right - patch[1]) // 2]
    columns = [int(np.clip(x, 0, image[1] - patch[1])) for x in columns]
    outside = [y for y in (top - patch[0], bottom) if y >= 0 and y + patch[0] <= image[0]]
    rows = outside or [int(np.clip(top, 0, image[0] - patch[0]))]
    return [(x, y, x + patch[1], y + patch[0]) for y in rows for x in columns]


def _draw_bars(
    image: np.ndarray, probabilities: np.ndarray, face: _PixelBox, occupied: list[_PixelBox]
) -> list[_PixelBox]:
    """Draw a panel beside a face and return its box in a list, which is empty if the panel does not fit."""
    if face[3] - face[1] < _SMALLEST_WITH_BARS:
        return []
    size = int(np.clip((face[3] - face[1]) / 9, _SMALLEST_TEXT, _LARGEST_TEXT * 0.6))
    panel = _render_bars(tuple(np.round(probabilities.astype(float), 2)), size)
    height, width = panel.shape[:2]
    gap = max(4, size // 3)
    y = int(np.clip(face[1], 0, max(0, image.shape[0] - height)))
    for x in (face[2] + gap, face[0] - gap - width):
        position = (x, y, x + width, y + height)
        fits = x >= 0 and position[2] <= image.shape[1] and position[3] <= image.shape[0]
        if fits and not _measure_overlap(position, occupied):
            part = image[y : y + height, x : x + width]
            part[:] = cv2.addWeighted(part, 0.2, panel, 0.8, 0)
            return [position]
    return []


@lru_cache(maxsize=512)
def _render_caption(text: str, size: int, color: Color) -> np.ndarray:
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


def _leave_out(boxes: list[_PixelBox], one: _PixelBox) -> list[_PixelBox]:
    return [box for box in boxes if box is not one]


def _measure_overlap(position: _PixelBox, occupied: list[_PixelBox]) -> float:
    """Return the number of occupied pixels at a position."""
    return sum(compute_shared_area(position, box) for box in occupied)


def _round_box(box: Box, image_shape: tuple[int, ...]) -> _PixelBox:
    x_min, y_min, x_max, y_max = clip_box(box, image_shape[0] - 1, image_shape[1] - 1)
    return round(x_min), round(y_min), round(x_max), round(y_max)


def _choose_thickness(shape: tuple[int, ...]) -> int:
    return max(1, round(min(shape[:2]) / 240))


def _choose_text_size(face_width: int, shape: tuple[int, ...], smallest: int) -> int:
    smallest = int(np.clip(smallest, _SMALLEST_TEXT, max(_SMALLEST_TEXT, shape[1] // 15)))
    # As wide as the face, and never more than a fifteenth of the image.
    largest = max(smallest, min(_LARGEST_TEXT, min(shape[:2]) // 15))
    return int(np.clip(face_width / 6, smallest, largest))


@lru_cache(maxsize=len(COLORS))
def _read_color(label: str) -> Color:
    red, green, blue = ImageColor.getrgb(COLORS[label])[:3]
    return red, green, blue


def _choose_ink(color: Color) -> Color:
    brightness = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    return (0, 0, 0) if brightness > 130 else (255, 255, 255)

"""The canvas of the drawn sample: who is drawn, in which pose, and shapes of one grey placed by both.

Coordinates of a face: the origin is the point between the eyes and the mouth, x runs to the picture's right, y down,
and the head reaches about from -1 to 1. Greys are 0..255. Shapes are painted at four times the final size,
then averaged.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

#: Sides of the picture, as signs of x.
LEFT, RIGHT = -1.0, 1.0

#: Places along a curve, from its start to its end.
STEPS = np.linspace(0.0, 1.0, 13)
# Rows of the quadratic Lagrange basis at the nodes 0, 1/2 and 1.
_PARABOLA = np.stack([2 * (STEPS - 0.5) * (STEPS - 1), 4 * STEPS * (1 - STEPS), 2 * STEPS * (STEPS - 0.5)], axis=1)
_SCALE = 4
_TURN = np.linspace(0.0, 2 * np.pi, 41)[:-1]
#: Points of the unit circle.
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


@dataclass(frozen=True)
class Identity:
    """What stays the same on one person's face: greys 0..255, and lengths relative to half the head's height."""

    skin: float
    hair: float
    lips: float
    iris: float
    background: float
    jaw: float
    width: float
    eye_distance: float
    eye_size: float
    brow_height: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_width: float
    mouth_height: float
    hair_length: float
    hairline: float
    glasses: bool


@dataclass(frozen=True)
class Pose:
    """How the head stands: turns in radians, shifts and scale relative to half the picture's side."""

    roll: float
    yaw: float
    pitch: float
    shift_x: float
    shift_y: float
    scale: float


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw a person at random."""
    skin = rng.uniform(95, 225)
    return Identity(
        skin=skin,
        hair=rng.choice([rng.uniform(10, 70), rng.uniform(120, 210)], p=[0.7, 0.3]),
        lips=skin * rng.uniform(0.62, 0.78),
        iris=rng.uniform(15, 70),
        background=rng.uniform(10, 245),
        jaw=rng.uniform(0.62, 0.9),
        width=rng.uniform(0.7, 0.82),
        eye_distance=rng.uniform(0.31, 0.37),
        eye_size=rng.uniform(0.155, 0.19),
        brow_height=rng.uniform(0.2, 0.25),
        brow_thickness=rng.uniform(0.035, 0.06),
        nose_length=rng.uniform(0.3, 0.4),
        nose_width=rng.uniform(0.11, 0.16),
        mouth_width=rng.uniform(0.24, 0.3),
        mouth_height=rng.uniform(0.05, 0.075),
        hair_length=rng.uniform(-0.3, 1.0),
        hairline=rng.uniform(-0.78, -0.62),
        glasses=bool(rng.random() < 0.12),
    )


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw a pose at random: turns of a few degrees, as in a cropped photo."""
    roll, yaw, pitch = rng.normal(0.0, [0.07, 0.16, 0.08]).clip(-0.3, 0.3)
    shift_x, shift_y = rng.uniform(-0.06, 0.06, 2)
    return Pose(roll, yaw, pitch, shift_x, shift_y + 0.04, rng.uniform(0.84, 0.98))


class Painter:
    """Places points of the face on the canvas by the pose, and paints shapes of one grey there.

    Args:
        background: grey of the empty picture.
        pose: how the head stands.
        size: side of the picture in pixels.
    """

    def __init__(self, background: float, pose: Pose, size: int) -> None:
        self._size = size
        self._half = size * _SCALE / 2
        self._image = Image.new("L", (size * _SCALE, size * _SCALE), _clip(background))
        self._draw = ImageDraw.Draw(self._image)
        self._scale = pose.scale * self._half
        self._origin = self._half * np.array([1.0 + pose.shift_x, 1.0 + pose.shift_y])
        self._flatten = np.cos([pose.yaw, pose.pitch])
        self._swing = np.sin([pose.yaw, pose.pitch])
        cosine, sine = np.cos(pose.roll), np.sin(pose.roll)
        self._turn = self._scale * np.array([[cosine, sine], [-sine, cosine]])

    def polygon(self, points: np.ndarray, grey: float) -> None:
        """Fill the area inside points, float (N, 2), with a grey."""
        self._draw.polygon(self._place(points), fill=_clip(grey))

    def line(self, points: np.ndarray, grey: float, width: float) -> None:
        """Draw a line along points, float (N, 2), of a width in the face's own unit."""
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._place(points), fill=_clip(grey), width=pixels, joint="curve")

    def ellipse(self, centre: tuple[float, float], radii: tuple[float, float], grey: float) -> None:
        """Fill an ellipse with a grey."""
        self.polygon(np.asarray(centre) + CIRCLE * radii, grey)

    def render(self) -> np.ndarray:
        """Return the picture, float32 (size, size), grey 0..255."""
        wide = np.asarray(self._image, np.float32)
        return wide.reshape(self._size, _SCALE, self._size, _SCALE).mean(axis=(1, 3))

    def _place(self, points: np.ndarray) -> list[float]:
        # The head is taken for a ball: what lies nearer the viewer moves further when it turns.
        depth = np.sqrt(np.maximum(1.0 - np.einsum("nd,nd->n", points, points) / 1.6, 0.0))
        placed = (points * self._flatten + depth[:, None] * self._swing) @ self._turn + self._origin
        return placed.ravel().tolist()


def curve_through(start: tuple[float, float], middle: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Return points, float (13, 2), of the parabola through three points."""
    return _PARABOLA @ np.array([start, middle, end])


def _clip(grey: float) -> int:
    return int(min(255, max(0, round(grey))))

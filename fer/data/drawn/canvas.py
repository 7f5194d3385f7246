"""The canvas of the drawn sample: identities, poses, and a painter of shapes with a single grey value.

Face coordinates: the origin lies between the eyes and the mouth, x points to the right of the image, y down, and the
head extends from about -1 to 1. Grey values are 0..255. Shapes are painted at four times the final size, then averaged.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

#: Sides of the image, as signs of x.
LEFT, RIGHT = -1.0, 1.0

#: Positions along a curve, from its start to its end.
STEPS = np.linspace(0.0, 1.0, 13)
# Rows of the quadratic Lagrange basis at the nodes 0, 1/2 and 1.
_PARABOLA = np.stack([2 * (STEPS - 0.5) * (STEPS - 1), 4 * STEPS * (1 - STEPS), 2 * STEPS * (STEPS - 0.5)], axis=1)
_SCALE = 4
_TURN = np.linspace(0.0, 2 * np.pi, 41)[:-1]
#: Points of the unit circle.
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


@dataclass(frozen=True)
class Identity:
    """Constant features of a person's face: grey values 0..255, and lengths relative to half the height of the head."""

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
    """Pose of the head: rotations in radians, shifts and scale relative to half the side of the image."""

    roll: float
    yaw: float
    pitch: float
    shift_x: float
    shift_y: float
    scale: float


def draw_identity(rng: np.random.Generator) -> Identity:
    """Draw a random person."""
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
    """Draw a random pose with rotations of a few degrees, as in a cropped photo."""
    roll, yaw, pitch = rng.normal(0.0, [0.07, 0.16, 0.08]).clip(-0.3, 0.3)
    shift_x, shift_y = rng.uniform(-0.06, 0.06, 2)
    return Pose(roll, yaw, pitch, shift_x, shift_y + 0.04, rng.uniform(0.84, 0.98))


class Painter:
    """Paints shapes with a single grey value, given in face coordinates and transformed by the pose.

    Args:
        background: grey value of the empty image.
        pose: pose of the head.
        size: side of the image in pixels.
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
        """Fill the polygon with the corners ``points``, float (N, 2)."""
        self._draw.polygon(self._to_pixels(points), fill=_clip(grey))

    def line(self, points: np.ndarray, grey: float, width: float) -> None:
        """Draw a line through ``points``, float (N, 2), with a width in face coordinates."""
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._to_pixels(points), fill=_clip(grey), width=pixels, joint="curve")

    def ellipse(self, centre: tuple[float, float], radii: tuple[float, float], grey: float) -> None:
        """Fill an ellipse."""
        self.polygon(np.asarray(centre) + CIRCLE * radii, grey)

    def render(self) -> np.ndarray:
        """Return the image, float32 (size, size), grey values 0..255."""
        fine = np.asarray(self._image, np.float32)
        image: np.ndarray = fine.reshape(self._size, _SCALE, self._size, _SCALE).mean(axis=(1, 3))
        return image

    def _to_pixels(self, points: np.ndarray) -> list[float]:
        # The head is approximated by a sphere: points nearer to the viewer move further when it turns.
        depth = np.sqrt(np.maximum(1.0 - np.einsum("nd,nd->n", points, points) / 1.6, 0.0))
        pixels: np.ndarray = (points * self._flatten + depth[:, None] * self._swing) @ self._turn + self._origin
        return [float(value) for value in pixels.ravel()]


def curve_through(start: tuple[float, float], middle: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Return points, float (13, 2), of the parabola through three points."""
    curve: np.ndarray = _PARABOLA @ np.array([start, middle, end])
    return curve


def _clip(grey: float) -> int:
    return int(min(255, max(0, round(grey))))

"""Schematic faces drawn from action units: brows, lids, nose and mouth move as in the Facial Action Coding System.

Coordinates, grey values and sizes are those of :mod:`fer.data.drawn.canvas`.
"""

from dataclasses import dataclass

import numpy as np

from fer.data.drawn.action_units import ActionUnits
from fer.data.drawn.canvas import CIRCLE, LEFT, RIGHT, STEPS, Identity, Painter, Pose, curve_through
from fer.labels import FACE_SIZE

# Intensity above which a unit causes a fold or opens the lips.
_VISIBLE = 0.3


def draw_face(units: ActionUnits, identity: Identity, pose: Pose, *, size: int = FACE_SIZE) -> np.ndarray:
    """Draw one face, without lighting and noise.

    Args:
        units: intensity 0..1 of each action unit.
        identity: the person.
        pose: pose of the head.
        size: side of the image in pixels.

    Returns:
        float32 (size, size), grey values 0..255.
    """
    painter = Painter(identity.background, pose, size)
    _draw_head(painter, identity, units)
    _draw_nose(painter, identity, units)
    _draw_mouth(painter, identity, units)
    for side in (LEFT, RIGHT):
        _draw_eye(painter, identity, units, side)
        _draw_brow(painter, identity, units, side)
    _draw_forehead(painter, identity, units)
    return painter.render()


def _draw_head(painter: Painter, identity: Identity, units: ActionUnits) -> None:
    shoulders = np.array([(-1.6, 2.0), (-1.2, 1.25), (-0.4, 1.02), (0.4, 1.02), (1.2, 1.25), (1.6, 2.0)])
    drop = 0.16 * units[26] * (1 - 0.5 * units[20])
    painter.polygon(shoulders, 255 - identity.background * 0.8)
    back = CIRCLE * (identity.width + 0.16, 1.08)
    painter.polygon(np.where(back[:, 1:] > identity.hair_length, back * (0.9, 0.9), back) - (0, 0.05), identity.hair)
    painter.polygon(np.array([(-0.38, 0.4), (0.38, 0.4), (0.42, 1.4), (-0.42, 1.4)]), identity.skin * 0.72)
    for side in (LEFT, RIGHT):
        painter.ellipse((side * (identity.width + 0.02), -0.02), (0.1, 0.19), identity.skin * 0.88)
    painter.polygon(_outline(identity, drop), identity.skin)
    _draw_hair(painter, identity)
    painter.line(curve_through((-0.1, 0.8 + drop), (0, 0.83 + drop), (0.1, 0.8 + drop)), identity.skin * 0.88, 0.03)
    if units[17] > _VISIBLE:
        # A raised chin forms a dimple.
        painter.line(curve_through((-0.15, 0.72), (0, 0.66), (0.15, 0.72)), identity.skin * 0.72, 0.035)


def _outline(identity: Identity, drop: float) -> np.ndarray:
    head = CIRCLE * (identity.width, 1.0)
    low = head[:, 1] > 0
    head[low, 0] *= 1.0 - (1.0 - identity.jaw) * head[low, 1] ** 2
    head[low, 1] *= 1.0 + drop
    return head


def _draw_hair(painter: Painter, identity: Identity) -> None:
    top = CIRCLE[CIRCLE[:, 1] < -0.1] * (identity.width + 0.06, 1.08)
    fringe = curve_through((identity.width, -0.3), (0.1, 2 * identity.hairline + 0.55), (-identity.width, -0.3))
    painter.polygon(np.concatenate([top, fringe]), identity.hair)


def _draw_eye(painter: Painter, identity: Identity, units: ActionUnits, side: float) -> None:
    x, y, size = side * identity.eye_distance, -0.12, identity.eye_size
    upper = 0.085 + 0.075 * units[5] - 0.04 * units[7] - 0.03 * units[6] - 0.045 * units[9] - 0.03 * units[15]
    lower = 0.06 - 0.035 * units[7] - 0.045 * units[6] - 0.03 * units[9] + 0.015 * units[5]
    droop = 0.03 * units[1] * units[15]
    inner, outer = (x - side * size, y + 0.015 - droop), (x + side * size, y - 0.01 + droop)
    lid = curve_through(inner, (x, y - upper), outer)
    below = curve_through(outer, (x, y + lower), inner)
    painter.polygon(np.concatenate([lid, below]), min(245.0, identity.skin * 0.45 + 150))
    painter.ellipse((x, y - 0.01), (0.078, 0.078), identity.iris)
    _cover(painter, identity, lid, below)
    painter.line(lid, 25.0, 0.04)
    painter.line(below, identity.skin * 0.6, 0.022)
    if units[6] > _VISIBLE or units[9] > _VISIBLE:
        painter.line(below + np.array([0.0, 0.065]), identity.skin * 0.78, 0.025)
    if identity.glasses:
        painter.line(np.append(CIRCLE, CIRCLE[:1], axis=0) * (0.25, 0.2) + (x, y), 40.0, 0.03)


def _cover(painter: Painter, identity: Identity, lid: np.ndarray, below: np.ndarray) -> None:
    """Paint skin over the parts of the iris above the upper lid and below the lower one."""
    painter.polygon(np.concatenate([lid, (lid - (0.0, 0.1))[::-1]]), identity.skin * 0.9)
    painter.polygon(np.concatenate([below, (below + np.array([0.0, 0.1]))[::-1]]), identity.skin)


def _draw_brow(painter: Painter, identity: Identity, units: ActionUnits, side: float) -> None:
    x, y = side * identity.eye_distance, -0.12 - identity.brow_height - 0.03
    inner_y = y - 0.15 * units[1] + 0.14 * units[4] * (1 - 0.75 * units[1]) + 0.09 * units[9]
    middle_y = (
        y - 0.035 - 0.09 * units[1] * units[2] - 0.07 * units[2] + 0.08 * units[4] * (1 - units[2]) + 0.05 * units[9]
    )
    outer_y = y + 0.02 - 0.1 * units[2] + 0.005 * units[4] + 0.05 * units[1] * (1 - units[2])
    drawn_in = side * 0.06 * max(units[4], units[9])
    inner = (x - side * 0.17 - drawn_in, inner_y)
    shape = curve_through(inner, (x + side * 0.02, middle_y), (x + side * 0.23, outer_y))
    painter.line(shape, min(identity.hair, identity.skin * 0.5), identity.brow_thickness * 1.6)


def _draw_forehead(painter: Painter, identity: Identity, units: ActionUnits) -> None:
    shade = identity.skin * 0.78
    if units[4] > _VISIBLE:
        # The brow lowerer causes vertical folds between the brows.
        for side in (LEFT, RIGHT):
            painter.line(np.array([(side * 0.05, -0.42), (side * 0.04, -0.26)]), identity.skin * 0.62, 0.028)
    if units[1] > _VISIBLE:
        reach = 0.42 if units[2] > _VISIBLE else 0.18
        for height in (-0.62, -0.55):
            painter.line(curve_through((-reach, height), (0, height - 0.03), (reach, height)), shade, 0.022)


def _draw_nose(painter: Painter, identity: Identity, units: ActionUnits) -> None:
    lift = 0.07 * units[9] + 0.02 * units[10]
    tip, wing = -0.12 + identity.nose_length + 0.08 - lift, identity.nose_width * (1 + 0.2 * units[9])
    painter.line(curve_through((0.05, -0.1), (0.07, tip - 0.18), (wing * 0.9, tip - 0.05)), identity.skin * 0.84, 0.035)
    painter.ellipse((0.02, tip - 0.06), (0.045, 0.06), identity.skin * 1.07)
    for side in (LEFT, RIGHT):
        painter.ellipse((side * wing * 0.55, tip), (0.042, 0.024), identity.skin * 0.42)
        bow = curve_through(
            (side * wing * 0.8, tip - 0.09), (side * wing * 1.2, tip - 0.03), (side * wing * 0.85, tip + 0.02)
        )
        painter.line(bow, identity.skin * 0.72, 0.025)
        _draw_fold(painter, identity, units, (side, tip, wing))
    if units[9] > _VISIBLE:
        for height in (-0.2, -0.13, -0.06):
            painter.line(
                curve_through((-0.1, height - 0.03), (0, height + 0.02), (0.1, height - 0.03)),
                identity.skin * 0.6,
                0.028,
            )


def _draw_fold(
    painter: Painter, identity: Identity, units: ActionUnits, wing_position: tuple[float, float, float]
) -> None:
    """Draw the fold from the wing of the nose to the corner of the mouth, for a smile or a raised upper lip."""
    side, tip, wing = wing_position
    depth = max(units[12], units[9], units[10])
    if depth < _VISIBLE:
        return
    end = (side * (identity.mouth_width + 0.13 + 0.06 * units[12]), tip + 0.3 - 0.06 * units[12])
    bend = (side * (wing + 0.17), tip + 0.04)
    painter.line(curve_through((side * (wing + 0.02), tip - 0.06), bend, end), identity.skin * 0.68, 0.032)


def _draw_mouth(painter: Painter, identity: Identity, units: ActionUnits) -> None:
    mouth = _shape_mouth(identity, units)
    painter.polygon(mouth.outline(-1.6 * mouth.lip, 2.2 * mouth.lip), identity.lips)
    chin_fold = mouth.bottom + 2.2 * mouth.lip + 0.06
    painter.line(
        curve_through((-0.14, chin_fold), (0, chin_fold + 0.015), (0.14, chin_fold)), identity.skin * 0.85, 0.03
    )
    if units[25] > _VISIBLE:
        _draw_opening(painter, units, mouth)
    else:
        painter.line(mouth.curve(mouth.top), identity.lips * 0.4, 0.04)
    if max(units[12], units[15]) > _VISIBLE:
        bend = -0.05 if units[12] > units[15] else 0.07
        for side in (LEFT, RIGHT):
            corner = np.array([(side * mouth.width, mouth.corner), (side * (mouth.width + 0.05), mouth.corner + bend)])
            painter.line(corner, identity.skin * 0.5, 0.035)


@dataclass(frozen=True)
class _Mouth:
    """A mouth: y of the corners and of the edges of the opening, half its width, half a lip, power of the curves."""

    corner: float
    top: float
    bottom: float
    width: float
    lip: float
    power: float

    def curve(self, height: float, *, inset: float = 1.0) -> np.ndarray:
        """Return the line between the corners with ``height`` in the middle: a parabola for power 2, else flatter."""
        x = 2.0 * STEPS - 1.0
        y = self.corner + (height - self.corner) * (1.0 - np.abs(x) ** self.power)
        return np.stack([x * self.width * inset, y], axis=1)

    def outline(self, above: float = 0.0, below: float = 0.0, *, inset: float = 1.0) -> np.ndarray:
        upper, lower = self.curve(self.top + above, inset=inset), self.curve(self.bottom + below, inset=inset)
        return np.concatenate([upper, lower[::-1]])


def _shape_mouth(identity: Identity, units: ActionUnits) -> _Mouth:
    stretch = 0.42 * units[12] + 0.4 * units[20] + 0.05 * units[15] - 0.1 * units[23]
    narrowing = 0.3 * units[26] * (1 - units[20])
    middle = 0.5 - 0.03 * units[17] + 0.05 * (units[12] - units[15] - units[10])
    rise = units[25] * (0.045 + 0.05 * units[10]) + 0.06 * units[10] * units[9]
    # A stretched mouth opens as a slot: the jaw drops less than in surprise, and the corners move down with it.
    fall = units[25] * (0.05 + 0.05 * units[12] + 0.05 * units[20]) + units[26] * (0.27 - 0.18 * units[20])
    return _Mouth(
        corner=0.5 - 0.03 * units[17] - 0.13 * units[12] + 0.1 * units[15] + 0.1 * units[20] + 0.03 * units[10],
        top=middle - rise,
        bottom=middle + fall,
        width=identity.mouth_width * (1 + stretch - narrowing),
        lip=identity.mouth_height * (1 - 0.6 * units[23]) * (1 - 0.2 * units[12]),
        power=2.0 + 3.0 * units[20],
    )


def _draw_opening(painter: Painter, units: ActionUnits, mouth: _Mouth) -> None:
    painter.polygon(mouth.outline(inset=0.92), 25.0)
    if max(units[12], units[10], 0.8 * units[20]) > _VISIBLE:
        share = 0.75 if units[26] < _VISIBLE else 0.4
        upper, lower = mouth.curve(mouth.top, inset=0.92), mouth.curve(mouth.bottom, inset=0.92)
        painter.polygon(np.concatenate([upper, (share * lower + (1 - share) * upper)[::-1]]), 235.0)

"""Drawn people for the examples: a group photo with one person per expression, and the frames of a short film.

Their faces are those of the drawn sample, larger and in front of one wall. Images are uint8 (H, W, 3), RGB.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fer.data.drawn.action_units import ActionUnits, draw_action_units
from fer.data.drawn.canvas import Identity, Pose, draw_identity
from fer.data.drawn.face import draw_face

#: Expressions of the group with the seeds of their people, from left to right: four behind, three in front.
GROUP = (
    ("neutral", 5),
    ("happy", 20),
    ("surprise", 23),
    ("sad", 9),
    ("angry", 2),
    ("disgust", 1),
    ("fear", 13),
)
#: Expressions of the film's two people, who change them together, and the seeds of the people.
SCENES = (("happy", "sad"), ("neutral", "happy"), ("surprise", "neutral"), ("happy", "surprise"))
FILM_PEOPLE = (17, 33)
SCENE_SECONDS, BLEND_SECONDS = 3.0, 0.6
RATE = 12.0
FRAME_SHAPE = (360, 640)
_GROUP_SHAPE = (560, 960)
_BEHIND = 4
#: Sides of the square in which a person is drawn, in pixels.
_GROUP_SIDE, _FILM_SIDE = 300, 320
_SEED = 7
#: Grey value of the wall, and another one, to tell a person from it.
_WALL, _OTHER_WALL = 214.0, 150.0
#: Powers and factors that turn grey into the brown of an old photo, for red, green and blue.
_SEPIA = ((0.92, 1.0), (1.0, 0.93), (1.15, 0.86))


class Person(NamedTuple):
    """A drawn person.

    Args:
        identity: the features of the face.
        units: intensity 0..1 of each action unit.
        pose: pose of the head.
    """

    identity: Identity
    units: ActionUnits
    pose: Pose


def draw_group() -> np.ndarray:
    """Return a photo of seven people, one with each expression."""
    width = _GROUP_SHAPE[1]
    canvas = np.full(_GROUP_SHAPE, _WALL, np.float32)
    for index, (name, seed) in enumerate(GROUP):
        row, column = divmod(index, _BEHIND)
        left, top = round((column + row / 2) * width / 4.46) + 5, 10 + 240 * row
        roll = 0.04 * (-1) ** index
        rng = np.random.default_rng((_SEED, seed))
        pose = Pose(roll, 0.0, 0.0, 0.0, -0.1, 0.62)
        _paint(canvas, Person(draw_identity(rng), draw_action_units(name, rng), pose), left, top, _GROUP_SIDE)
    return _tint(canvas)


def draw_film() -> Iterator[np.ndarray]:
    """Yield the frames of a film of two people, of :data:`RATE` frames a second."""
    height, width = FRAME_SHAPE
    for number in range(round(len(SCENES) * SCENE_SECONDS * RATE)):
        canvas = np.full(FRAME_SHAPE, _WALL, np.float32)
        for index in range(len(FILM_PEOPLE)):
            left = round(width * (0.25 + 0.5 * index) - _FILM_SIDE / 2)
            _paint(canvas, _build_actor(index, number / RATE), left, height - _FILM_SIDE, _FILM_SIDE)
        yield _tint(canvas)


def _build_actor(index: int, seconds: float) -> Person:
    """Return a person of the film at a time: between two scenes, the action units are blended."""
    seed, scene = FILM_PEOPLE[index], int(seconds / SCENE_SECONDS)
    share = min(1.0, (seconds - scene * SCENE_SECONDS) / BLEND_SECONDS)
    before, now = (_draw_units(index, shown) for shown in (max(0, scene - 1), scene))
    units = {unit: (1 - share) * before[unit] + share * now[unit] for unit in now}
    turn = seconds + 2 * index
    pose = Pose(0.04 * np.sin(turn), 0.1 * np.sin(turn / 2), 0.0, 0.03 * np.sin(turn / 3), -0.1, 0.66)
    return Person(draw_identity(np.random.default_rng((_SEED, seed))), units, pose)


def _draw_units(index: int, scene: int) -> ActionUnits:
    return draw_action_units(SCENES[scene][index], np.random.default_rng((_SEED, FILM_PEOPLE[index], scene)))


def _paint(canvas: np.ndarray, person: Person, left: int, top: int, side: int) -> None:
    """Paint a person over what is on the canvas, float (H, W); what is below the shoulders continues downwards."""
    identity = replace(person.identity, background=_WALL)
    drawn = draw_face(person.units, identity, person.pose, size=side)
    other = draw_face(person.units, replace(identity, background=_OTHER_WALL), person.pose, size=side)
    opacity = np.clip(1.0 - (drawn - other) / (_WALL - _OTHER_WALL), 0.0, 1.0)
    below = max(0, canvas.shape[0] - top - side)
    drawn, opacity = (np.pad(part, ((0, below), (0, 0)), mode="edge") for part in (drawn, opacity))
    part = canvas[top : top + len(drawn), left : left + side]
    drawn, opacity = (values[: part.shape[0], : part.shape[1]] for values in (drawn, opacity))
    part += opacity * -part + drawn - (1.0 - opacity) * _WALL


def _tint(grey: np.ndarray) -> np.ndarray:
    """Return a grey image, float (H, W), 0..255, in the brown of an old photo."""
    share = np.clip(grey / 255.0, 0.0, 1.0)[..., None]
    powers, factors = np.transpose(_SEPIA)
    tinted: np.ndarray = np.rint(255.0 * factors * share**powers).astype(np.uint8)
    return tinted

"""Facial action units of each expression, and their intensities in a drawn face.

A face is described by a mapping from action unit to intensity, 0 (absent) to 1 (strong).

Reference:
    Ekman, Friesen and Hager, 2002, "Facial Action Coding System", Investigator's Guide, table 10-1 (prototypes);
    Lucey et al., 2010, "The Extended Cohn-Kanade Dataset (CK+)", table 1 (criteria of each emotion).
"""

import numpy as np

from fer.labels import EXPRESSIONS

ActionUnits = dict[int, float]

#: Names of the units in the coding system.
NAMES: dict[int, str] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    25: "lips part",
    26: "jaw drop",
}

#: The units of each expression, in one or more variants.
PROTOTYPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "angry": ((4, 5, 7, 23), (4, 7, 17, 23), (4, 5, 7, 10, 23, 25)),
    "disgust": ((9, 10, 17), (9, 10, 15, 25), (4, 9, 10, 25)),
    "fear": ((1, 2, 4, 5, 20, 25), (1, 2, 4, 5, 20, 25, 26)),
    "happy": ((6, 12), (6, 12, 25), (6, 12, 25)),
    "sad": ((1, 4, 15), (1, 4, 15, 17)),
    "surprise": ((1, 2, 5, 25, 26),),
    "neutral": ((),),
}

#: The lowest intensity of a unit that belongs to the expression, and the highest of one that does not.
_MIN_SHOWN, _MAX_NOISE = 0.65, 0.1

#: Units that alter a face visibly at any intensity; they are not added as noise.
_NO_NOISE = (9, 25, 26)


def draw_action_units(expression: str, rng: np.random.Generator) -> ActionUnits:
    """Draw random intensities of all units for one face with an expression.

    Args:
        expression: one of ``EXPRESSIONS``.
        rng: random generator.

    Returns:
        An intensity in 0..1 for each unit of :data:`NAMES`.
    """
    assert expression in EXPRESSIONS
    variants = PROTOTYPES[expression]
    shown = variants[rng.integers(len(variants))]
    strong, weak = rng.uniform(_MIN_SHOWN, 1.0, len(NAMES)), rng.uniform(0.0, _MAX_NOISE, len(NAMES))
    quiet = {unit: 0.0 if unit in _NO_NOISE else float(value) for unit, value in zip(NAMES, weak, strict=True)}
    return {unit: float(value) if unit in shown else quiet[unit] for unit, value in zip(NAMES, strong, strict=True)}

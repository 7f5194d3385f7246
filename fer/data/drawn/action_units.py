"""Which facial action units show each expression, and how strongly a drawn face shows them.

A face is described by a mapping of action-unit number to intensity, 0 (absent) to 1 (strong).

Reference:
    Ekman, Friesen and Hager, 2002, "Facial Action Coding System", Investigator's Guide, table 10-1 (prototypes);
    Lucey et al., 2010, "The Extended Cohn-Kanade Dataset (CK+)", table 1 (criteria of each emotion).
"""

import numpy as np

from fer import labels

ActionUnits = dict[int, float]

#: What each unit moves, in the words of the coding system.
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

#: The units of each expression; of several variants one is drawn.
PROTOTYPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "angry": ((4, 5, 7, 23), (4, 7, 17, 23), (4, 5, 7, 10, 23, 25)),
    "disgust": ((9, 10, 17), (9, 10, 15, 25), (4, 9, 10, 25)),
    "fear": ((1, 2, 4, 5, 20, 25), (1, 2, 4, 5, 20, 25, 26)),
    "happy": ((6, 12), (6, 12, 25), (6, 12, 25)),
    "sad": ((1, 4, 15), (1, 4, 15, 17)),
    "surprise": ((1, 2, 5, 25, 26),),
    "neutral": ((),),
}

#: The weakest intensity of a unit that an expression shows, and the strongest of one that it does not.
_SHOWN_FROM, _NOISE_UP_TO = 0.65, 0.1

#: Units that change the look of a face at any intensity, and so are not added as noise.
_NEVER_NOISE = (9, 25, 26)


def draw_action_units(expression: str, rng: np.random.Generator) -> ActionUnits:
    """Draw the intensities of all units for one face that shows an expression.

    Args:
        expression: one of ``labels.EXPRESSIONS``.
        rng: the source of chance.

    Returns:
        An intensity in 0..1 for each unit of :data:`NAMES`.
    """
    assert expression in labels.EXPRESSIONS
    variants = PROTOTYPES[expression]
    shown = variants[rng.integers(len(variants))]
    strong, weak = rng.uniform(_SHOWN_FROM, 1.0, len(NAMES)), rng.uniform(0.0, _NOISE_UP_TO, len(NAMES))
    quiet = {unit: 0.0 if unit in _NEVER_NOISE else float(value) for unit, value in zip(NAMES, weak, strict=True)}
    return {unit: float(value) if unit in shown else quiet[unit] for unit, value in zip(NAMES, strong, strict=True)}

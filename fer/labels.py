"""The seven expressions, their order and their colours.

The order is that of FER2013 (Goodfellow et al., 2013, "Challenges in Representation Learning"): index 0 is ``angry``
and index 6 is ``neutral`` in every array, table and file of this package.
"""

EXPRESSIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

#: Side in pixels of the square grey face that a network sees, as in FER2013.
FACE_SIZE = 48

#: The colour of each expression in plots, annotated images and the app, from the palette of Okabe and Ito (2008),
#: whose colours remain distinguishable under the common forms of colour blindness.
COLORS: dict[str, str] = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#7F7F7F",
}

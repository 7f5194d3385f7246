"""The seven expressions, their order, their colours, and how other data sets name them.

Nothing is computed here. The order is FER2013's own (Goodfellow et al., 2013, "Challenges in Representation Learning"):
index 0 is ``angry`` and index 6 is ``neutral`` in every array, table and file of this package.
"""

EXPRESSIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

#: Side, in pixels, of the square grey face that a network sees: FER2013's own.
FACE_SIZE = 48

#: The parts of a data set, in the order of their codes in a prepared file (0, 1, 2).
SPLITS: tuple[str, ...] = ("train", "validation", "test")

#: FER2013's ``Usage`` column to our splits.
USAGE_TO_SPLIT: dict[str, str] = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}

#: The vote columns of ``fer2013new.csv`` (Barsoum et al., 2016, arXiv:1608.01041), in file order.
FERPLUS_COLUMNS: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)

#: For each expression, its column in ``FERPLUS_COLUMNS``.
FERPLUS_COLUMN_OF_EXPRESSION: tuple[int, ...] = (4, 5, 6, 1, 3, 2, 0)

#: Other spellings of the expressions, in lower case, as folder trees name them.
ALIASES: dict[str, str] = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}

#: RAF-DB's number codes (Li et al., 2017, "Reliable Crowdsourcing and Deep Locality-Preserving Learning").
RAFDB_CODES: dict[str, str] = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happy",
    "5": "sad",
    "6": "angry",
    "7": "neutral",
}

#: One colour an expression, used in plots, annotated pictures and the app alike. Chosen from the palette of
#: Okabe and Ito (2008), whose colours stay apart under the common forms of colour blindness.
COLORS: dict[str, str] = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#7F7F7F",
}

"""The names of splits and expressions in data sets: spellings, number codes, and a user's mapping."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fer.config import read_json
from fer.errors import SettingsError, shorten
from fer.labels import EXPRESSIONS

#: The split of each folder name, in lower case, without the name of a data set before it and 'set' or 'data' behind.
SPLIT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "val": "validation",
        "valid": "validation",
        "validation": "validation",
        "dev": "validation",
        "development": "validation",
        "publictest": "validation",
        "test": "test",
        "testing": "test",
        "privatetest": "test",
        "eval": "eval",
        "evaluation": "eval",
    }
)

#: Other spellings of the expressions, in lower case.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "anger": "angry",
        "disgusted": "disgust",
        "fearful": "fear",
        "afraid": "fear",
        "scared": "fear",
        "happiness": "happy",
        "joy": "happy",
        "joyful": "happy",
        "sadness": "sad",
        "surprised": "surprise",
    }
)

#: The number codes of known data sets. AffectNet's 7 is contempt, which is not one of the seven expressions.
#: References: Li et al., 2017, "Reliable Crowdsourcing and Deep Locality-Preserving Learning" (RAF-DB); Goodfellow et
#: al., 2013, "Challenges in Representation Learning" (FER2013); Mollahosseini et al., 2017, arXiv:1708.03985.
CODES: Mapping[str, Mapping[str, str | None]] = MappingProxyType(
    {
        "rafdb": dict(zip("1234567", ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), strict=True)),
        "fer2013": dict(zip("0123456", EXPRESSIONS, strict=True)),
        "affectnet": dict(
            zip("01234567", ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", None), strict=True)
        ),
    }
)

#: Names of the expressions, normalised; the codes of a data set or a user's mapping are added to them.
Names = Mapping[str, str | None]
EXPRESSION_NAMES: Names = MappingProxyType({expression: expression for expression in EXPRESSIONS} | dict(ALIASES))

_SPLIT = re.compile(r"(?:fer2013|ferplus|affectnet|rafdb|ckplus)?([a-z]+?)(?:set|data|split|images|faces)?")


def normalize(name: str) -> str:
    """Return a name in the form in which names are compared: without outer spaces and without case."""
    return name.strip().casefold()


def parse_split(name: str) -> str | None:
    """Return 'train', 'validation', 'test', or 'eval' for a folder that may be either of the last two; None otherwise.

    Example:
        >>> parse_split("FER2013Valid"), parse_split("test_set"), parse_split("holdout")
        ('validation', 'test', None)
    """
    match = _SPLIT.fullmatch(re.sub(r"[\s_.+-]", "", name.lower()))
    return SPLIT_NAMES.get(match.group(1)) if match else None


def build_names(mapping: Mapping[str, Any] | None) -> dict[str, str | None]:
    """Return the built-in names of the expressions and those of a mapping, which take precedence.

    Args:
        mapping: an expression for each name, or None for a name whose images are left out; any case.

    Raises:
        SettingsError: a value is neither an expression nor None, or names that differ only in case have two values.
    """
    names = dict(EXPRESSION_NAMES)
    given: dict[str, str | None] = {}
    for name, value in (mapping or {}).items():
        expression = EXPRESSION_NAMES.get(normalize(value)) if isinstance(value, str) else None
        if expression is None and value is not None:
            raise SettingsError(
                f"A mapping must use null or the expressions {', '.join(EXPRESSIONS)}. Received:"
                f" {shorten(repr(name), 40)} to {shorten(repr(value), 40)}{suggest(value, EXPRESSIONS)}."
            )
        if given.setdefault(normalize(name), expression) != expression:
            raise SettingsError(f"A mapping must give a name one expression. Received two for {shorten(repr(name))}.")
    return names | given


def read_mapping(name_or_path: str | Path) -> dict[str, Any]:
    """Read a mapping from a JSON file, or return the number codes of a known data set, such as 'affectnet'.

    Raises:
        SettingsError: there is no such file or code, or the file holds no JSON object.
    """
    codes = CODES.get(normalize(str(name_or_path)))
    return dict(codes) if codes is not None else read_json(name_or_path)


def describe_codes(codes: Mapping[str, str | None]) -> str:
    """Return number codes as text, such as '1 surprise, 2 fear'."""
    return ", ".join(f"{code} {expression or 'left out'}" for code, expression in codes.items())


def suggest(name: object, choices: Iterable[str]) -> str:
    """Return '; did you mean ...?' with the choice of nearest spelling, or '' if none is near."""
    near = difflib.get_close_matches(normalize(str(name)[:40]), list(choices), n=1, cutoff=0.7)
    return f"; did you mean {near[0]!r}?" if near else ""

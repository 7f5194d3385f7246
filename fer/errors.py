"""Exceptions of the package. Each message is one line: the rule, what was received, and the remedy."""

import os
from typing import Any


def shorten(value: object, limit: int = 60) -> str:
    """Return a value as text of one line and at most ``limit`` characters, for a message.

    Example:
        >>> shorten("a  long text", 6)
        'a lon…'
    """
    text = " ".join(str(value)[: 4 * limit + 4].split())
    text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shorten_path(path: str | os.PathLike[str], limit: int = 120) -> str:
    """Return a path as text of one line and at most ``limit`` characters, of which the end is kept."""
    text = "".join(character if character.isprintable() else "\ufffd" for character in os.fspath(path))
    return text if len(text) <= limit else "…" + text[1 - limit :]


def is_whole_number(value: Any, least: int) -> bool:
    """Return whether a value is a whole number, of any type that can be an index, and at least ``least``.

    Example:
        >>> is_whole_number(2, 1), is_whole_number(0, 1), is_whole_number(2.0, 1)
        (True, False, False)
    """
    return hasattr(value, "__index__") and bool(value >= least)


class FerError(Exception):
    """Base class of all errors that this package raises deliberately."""


class DataError(FerError):
    """A data set or one of its rows cannot be used."""


class SettingsError(FerError):
    """A setting or option is unknown, has the wrong type or is out of range."""


class ModelError(FerError):
    """A saved network or a run folder cannot be used."""


class ImageError(FerError):
    """An image cannot be decoded or has an unsupported format."""


class VideoError(FerError):
    """A video or camera cannot be opened or read."""


class SpaceError(FerError):
    """A Hugging Face Space cannot be built or uploaded."""


class OutputError(FerError):
    """An output file cannot be written."""


class HostError(FerError):
    """A process of a training on several hosts cannot be reached, differs from the others, or has failed."""


class InterruptedWork(FerError):
    """Work was stopped by Ctrl-C; what was done is kept."""

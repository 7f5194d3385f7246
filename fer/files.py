"""Atomic file writes, a check that a path is writable, digests, and what a damaged file raises."""

import contextlib
import errno
import hashlib
import os
import re
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from fer.errors import ModelError, OutputError, shorten

#: What NumPy and the standard library raise on a damaged .npz file; a damaged header can ask for more memory than there
#: is.
BROKEN_ARRAYS = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
)

_TEMPORARY = re.compile(r"\.\d+\.tmp(\.keras)?$")

Content = str | bytes | Callable[[IO[bytes]], object]


def write_atomically(path: str | Path, content: Content) -> None:
    """Write a file through a temporary file, so that ``path`` always holds either the old content or all of the new.

    Args:
        path: the file; missing folders are created.
        content: text (written as UTF-8), bytes, or a function that writes to an open binary stream.

    Raises:
        OutputError: the file cannot be written.
    """
    with replace_atomically(path) as temporary, temporary.open("wb") as stream:
        if callable(content):
            content(stream)
        else:
            stream.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def replace_atomically(path: str | Path, suffix: str = "") -> Iterator[Path]:
    """Yield the path of a temporary file, which replaces ``path`` at the end, or is removed after an exception.

    Args:
        path: the file; missing folders are created.
        suffix: what the name of the temporary file ends in, for libraries that go by it.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    with convert_errors(path), _temporary_file(path, suffix) as temporary:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder."""
    for path in folder.glob("*.tmp*"):
        if _TEMPORARY.search(path.name):
            path.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Check that a file can be written, before doing the work that produces its content.

    The check creates and removes a temporary file and any missing folders; an existing file is left untouched.

    Args:
        path: the file.

    Raises:
        OutputError: the file cannot be written.
    """
    path = Path(path)
    missing_folders = [folder for folder in path.parents if not os.path.exists(folder)]
    try:
        with convert_errors(path), _temporary_file(path) as temporary:
            temporary.touch()
    finally:
        for folder in missing_folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


def encode_path(path: str | Path) -> str:
    r"""Return a path as text that can be written as UTF-8, such as into a table, with other bytes as escapes.

    Example:
        >>> encode_path(os.fsdecode(b"gr\xfc\xdfe.jpg"))
        'gr\\xfc\\xdfe.jpg'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def show_path(path: str | Path) -> str:
    r"""Return a path as one line of printable text, for a message; an empty one is shown in quotes.

    Example:
        >>> show_path("two\nlines.jpg")
        'two\\nlines.jpg'
    """
    text = encode_path(path)
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text) or "''"


def check_apart(inputs: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Check that no output would replace an input, also through links and other spellings of a path.

    Args:
        inputs: files that are read; they need not exist.
        outputs: files that are written.

    Raises:
        OutputError: an output is one of the inputs.
    """
    sources = list(inputs)
    known = {key for source in sources for key in _identify(source)}
    for output in outputs:
        if not known.isdisjoint(_identify(output)):
            raise OutputError(
                f"An output must not replace an input. Received: {show_path(output)} as both."
                " Remedy: name another output."
            )


def _identify(path: str | Path) -> list[object]:
    """Return what two paths share if they lead to one file: the real path, or the file's number on its device."""
    keys: list[object] = [os.path.realpath(path)]
    with contextlib.suppress(OSError, ValueError):
        status = os.stat(path)
        keys.append((status.st_dev, status.st_ino))
    return keys


def name_missing_keys(content: Mapping[str, Any], path: Path, remedy: str) -> dict[str, Any]:
    """Return the content of a JSON file as a dictionary whose missing keys, at any depth, are errors of one line.

    Args:
        content: the content.
        path: the file, for the message.
        remedy: what to do, for the message.

    Returns:
        An equal dictionary; looking up a key that it lacks raises a :class:`~fer.errors.ModelError`.

    Example:
        >>> name_missing_keys({"n": {}}, Path("a.json"), "train again")["n"]["accuracy"]
        Traceback (most recent call last):
        fer.errors.ModelError: a.json must have 'n.accuracy'. Received: a.json without it. Remedy: train again.
    """
    return _JsonObject(content, path, remedy, "")


class _JsonObject(dict[str, Any]):
    """A JSON object of a file, under the keys ``place``."""

    def __init__(self, content: Mapping[str, Any], path: Path, remedy: str, place: str) -> None:
        super().__init__(
            {
                key: _JsonObject(value, path, remedy, f"{place}{key}.") if isinstance(value, dict) else value
                for key, value in content.items()
            }
        )
        self._path, self._remedy, self._place = path, remedy, place

    def __missing__(self, key: str) -> Any:
        raise ModelError(
            f"{self._path.name} must have {shorten(repr(self._place + key))}. Received: {show_path(self._path)} without"
            f" it. Remedy: {self._remedy}."
        )


def compute_digest(path: str | Path) -> str:
    """Return the sha256 of a file, in hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def convert_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` on writing a file into an :class:`~fer.errors.OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"An output file must be writable. Received: {show_path(path)} ({error.strerror or error})."
            " Remedy: choose another path, or check its permissions and the free space."
        ) from None


@contextlib.contextmanager
def _temporary_file(path: Path, suffix: str = "") -> Iterator[Path]:
    """Yield the path of a temporary file beside ``path``, and remove that file at the end."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp{suffix}")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)

"""Writing a file whole or not at all, and telling whether it still is."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

Content = str | bytes | Callable[[IO[bytes]], object]


def write_atomically(path: str | Path, content: Content) -> None:
    """Write a file beside its place, then move it there, so that ``path`` holds the old content or all of the new one.

    Args:
        path: the file; its folder is made where it is missing.
        content: text (written as UTF-8), bytes, or a function that writes to the binary stream it is given.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            if callable(content):
                content(stream)
            else:
                stream.write(content.encode("utf-8") if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def compute_digest(path: str | Path) -> str:
    """Return the sha256 of a file, in hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

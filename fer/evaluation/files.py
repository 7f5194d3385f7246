"""Writing a file whole or not at all."""

import os
from pathlib import Path


def write_atomically(path: str | Path, content: str | bytes) -> None:
    """Write a file beside its place, then move it there, so that no reader ever sees half of it.

    Args:
        path: the file; one that is there already is replaced.
        content: text, written as UTF-8 with its line ends unchanged, or bytes.
    """
    path = Path(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

"""Removal of what visitors and earlier servers have left: files, state and memory."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fer.app.memory import return_memory
from fer.app.sessions import Sessions

#: Seconds between two cleanings.
CLEAN_EVERY = 30.0
_PREFIX = "fer-dl-"
_LOCK = "lock"
#: A server that is just starting has its folder for a moment without a lock.
_NEW_SECONDS = 10.0


def build_lifespan(
    sessions: Sessions, every: float = CLEAN_EVERY
) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """Return a context of a server, in which visitors that have left are forgotten and freed memory is returned.

    Args:
        sessions: the visitors.
        every: seconds between two cleanings.
    """

    def clean() -> None:
        sessions.forget_silent()
        return_memory()

    async def clean_regularly() -> None:
        while True:
            await asyncio.sleep(every)
            await asyncio.to_thread(clean)

    @asynccontextmanager
    async def run(app: object) -> AsyncIterator[None]:
        task = asyncio.create_task(clean_regularly())
        try:
            yield
        finally:
            task.cancel()

    return run


@contextmanager
def open_temporary_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can read, and remove it at the end.

    The folders of earlier servers that were killed are removed first.
    """
    remove_leftovers()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as folder, FileLock(Path(folder) / _LOCK):
        files = Path(folder) / "files"
        files.mkdir()
        yield files


def remove_leftovers() -> None:
    """Remove the folders of this user's servers that have ended without removing them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Another user's folder cannot be opened; one that is removed meanwhile is gone.
        with suppress(OSError, Timeout):
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < _NEW_SECONDS:
                continue
            # A lock on a file ends with its process, even if that is killed.
            with FileLock(folder / _LOCK, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)

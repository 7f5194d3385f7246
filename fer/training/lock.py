"""A lock on a run folder, so that two trainings never write into one."""

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from fer.errors import ModelError, shorten_path
from fer.files import check_writable, convert_errors, remove_unfinished
from fer.runs import Run


@contextlib.contextmanager
def lock_run(run: Run) -> Iterator[None]:
    """Hold the lock of a run folder, which is made if it is missing, and removed again if nothing was written.

    The system releases the lock of a process that is killed.

    Args:
        run: the run.

    Raises:
        ModelError: another process trains into the folder.
        OutputError: the folder cannot be written.
    """
    check_writable(run.model)
    missing = [folder for folder in (run.folder, *run.folder.parents) if not folder.exists()]
    with convert_errors(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(run.lock, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise ModelError(
                f"A run folder is written by one training at a time. Received: {shorten_path(run.folder)}, into which"
                " another process trains. Remedy: wait for its end, or name another folder with --run."
            ) from None
    try:
        remove_unfinished(run.folder)
        yield
    finally:
        run.lock.unlink(missing_ok=True)
        lock.release()
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()

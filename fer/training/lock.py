"""A lock on a run folder, so that two trainings never write into one."""

import contextlib
import secrets
import time
from collections.abc import Iterator

from filelock import FileLock, Timeout

from fer.errors import ModelError, shorten_path
from fer.files import check_writable, convert_errors, remove_unfinished
from fer.runs import Run
from fer.training.hosts import current_hosts
from fer.training.run_folders import restore_replaced

#: How long process 0's lock may take to appear on another host, in seconds.
_VISIBLE_SECONDS = 10.0


@contextlib.contextmanager
def lock_shared_run(run: Run) -> Iterator[None]:
    """Hold the lock of a run folder on process 0 of several hosts, and check that the others see the same folder.

    Raises:
        ModelError: another process trains into the folder, or it is another folder on this host.
        OutputError: the folder cannot be written.
        HostError: one of these happened on another process.
    """
    hosts = current_hosts()
    with contextlib.ExitStack() as stack:
        with hosts.agree():
            if hosts.is_writer:
                stack.enter_context(lock_run(run))
        if hosts.count > 1:
            token = hosts.share(secrets.token_hex(8))
            with hosts.agree(), convert_errors(run.lock):
                if hosts.is_writer:
                    run.lock.write_text(token, "utf-8")
            with hosts.agree():
                _check_token(run, token)
        yield


def _check_token(run: Run, token: str) -> None:
    end = time.monotonic() + _VISIBLE_SECONDS
    while not (run.lock.is_file() and run.lock.read_text("utf-8") == token):
        if time.monotonic() > end:
            raise ModelError(
                "A run folder must be shared by all hosts. Received:"
                f" {shorten_path(run.folder)}, which is not that of process 0. Remedy: put it on a shared file system."
            )
        time.sleep(0.1)


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
        # After a kill before the first checkpoint, the replaced run is still aside.
        restore_replaced(run)
        yield
    finally:
        run.lock.unlink(missing_ok=True)
        lock.release()
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()

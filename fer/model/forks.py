"""A check that no network is used in a forked process, where the threads of its backend are missing and calls hang."""

import os

from fer.errors import ModelError

_process: int | None = None


def check_not_forked() -> None:
    """Remember the process at the first call, and refuse later calls in a process that was forked from it.

    Raises:
        ModelError: the process was forked after the first call.

    Reference:
        https://docs.python.org/3/library/os.html#os.fork
    """
    global _process
    if _process is None:
        _process = os.getpid()
    elif _process != os.getpid():
        raise ModelError(
            "A network must not be used in a process that was forked after one was loaded: it would hang. Received: a"
            ' forked process. Remedy: multiprocessing.get_context("spawn"), and load the network there.'
        )

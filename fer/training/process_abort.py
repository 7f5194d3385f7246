"""One line instead of a stack trace if JAX aborts the process because another one of the same training is lost."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

#: Exit code of a process that ends with an error of the package.
_EXIT_CODE = 2
#: Above absl's level of fatal messages.
_NOTHING = 4
_SECONDS_TO_PRINT = 10.0
#: Kept for as long as C may call it.
_handler: Any = None


@contextlib.contextmanager
def end_on_abort(message: str) -> Iterator[Callable[[str], None]]:
    """Print a message and end with exit code 2 if a library aborts the process, also while Python waits for it.

    JAX aborts on a lost process, from a thread of its own, and its callback for that case does not work in Python. A
    handler of Python's ``signal`` would run too late: ``abort`` ends the process when the handler in C returns.
    ``TF_CPP_MIN_LOG_LEVEL=0`` shows JAX's own messages.

    After an exception in the block nothing is printed, and the process is left some seconds to report it.

    Args:
        message: what is printed, one line.

    Yields:
        A function that replaces the message.
    """
    global _handler
    messages = [message]

    def end(number: int) -> None:
        if messages:
            os.write(2, f"{os.linesep * os.isatty(2)}error: {messages[-1]}{os.linesep}".encode())
        else:
            time.sleep(_SECONDS_TO_PRINT)  # the main thread is about to print another error, and to end
        os._exit(_EXIT_CODE)

    library = ctypes.CDLL(None)
    library.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
    library.signal.restype = ctypes.c_void_p
    _handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(end)
    _silence_log()
    before = library.signal(signal.SIGABRT, ctypes.cast(_handler, ctypes.c_void_p))
    try:
        yield messages.append
    except BaseException:
        messages.clear()
        raise
    library.signal(signal.SIGABRT, before)


def _silence_log() -> None:
    from jaxlib import utils

    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
        utils.absl_set_min_log_level(_NOTHING)

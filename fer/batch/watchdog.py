"""The time limit of a worker, which ends if a library makes no progress, so that another one continues its shard."""

import os
import threading
import time
from collections.abc import Callable

#: Checks per time limit.
_NUM_CHECKS = 10


class Watchdog:
    """Ends this process if it makes no progress for some time; it may be inside a library that never returns.

    Args:
        seconds: the time; 0 sets no limit.
        on_timeout: called before the process ends.

    Example:
        >>> with Watchdog(60.0, on_timeout=lambda: None) as watchdog:
        ...     watchdog.reset()
    """

    def __init__(self, seconds: float, on_timeout: Callable[[], object]) -> None:
        self.seconds = seconds
        self._on_timeout = on_timeout
        self._done = threading.Event()
        self._last = time.monotonic()

    def reset(self) -> None:
        """Begin the time anew, as there is progress."""
        self._last = time.monotonic()

    def __enter__(self) -> "Watchdog":
        if self.seconds:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(self.seconds / _NUM_CHECKS):
            if time.monotonic() - self._last > self.seconds:
                try:
                    self._on_timeout()
                finally:
                    os._exit(1)

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
        self._end = time.monotonic() + seconds
        self._read_value: Callable[[], object] = lambda: None
        self._value: object = None

    def reset(self, extra: float = 0.0) -> None:
        """Begin the time anew, as there is progress.

        Args:
            extra: seconds that are added to the time, for work whose progress is not seen.
        """
        self._end = time.monotonic() + self.seconds + extra

    def observe(self, read_value: Callable[[], object]) -> None:
        """Take every change of a value as progress from now on, until another value is observed.

        Args:
            read_value: returns the value; called in another thread.
        """
        self._value, self._read_value = read_value(), read_value

    def __enter__(self) -> "Watchdog":
        if self.seconds:
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()

    def _watch(self) -> None:
        while not self._done.wait(self.seconds / _NUM_CHECKS):
            if self._has_changed():
                self.reset()
            elif time.monotonic() > self._end:
                try:
                    self._on_timeout()
                finally:
                    os._exit(1)

    def _has_changed(self) -> bool:
        """Return whether the measured value is another than at the check before."""
        before, self._value = self._value, self._read_value()
        return self._value != before

"""Progress of long work: a bar in a terminal, and a line for every 5 % in a log."""

import sys
from typing import Any

from tqdm import tqdm

#: Share of the work, and seconds if the amount of work is unknown, between two lines of a log.
_SHARE, _SECONDS = 0.05, 30.0
_LINE = "{desc}: {n_fmt} of {total_fmt} [{elapsed}, {remaining} left, {rate_fmt}{postfix}]"


class Progress(tqdm):
    """A tqdm bar whose rate is the mean of the whole work, and which writes lines where there is no terminal.

    Args:
        skip_first: leave the first update out of the rate: it includes compilation.
        options: as for tqdm.

    Example:
        >>> with Progress(total=3, disable=True) as progress:
        ...     progress.update()
    """

    def __init__(self, *arguments: Any, skip_first: bool = False, **options: Any) -> None:
        stream: Any = options.setdefault("file", sys.stderr)
        self._is_terminal = stream.isatty()
        self._next_line = 0.0
        self._start: tuple[float, float] | None = None
        self._skips_first = skip_first
        self.disable: bool = False
        super().__init__(*arguments, **{"smoothing": 0, "mininterval": 0.5, "dynamic_ncols": True} | options)

    def update(self, n: float | None = 1) -> bool | None:
        """Advance by ``n``."""
        result: bool | None = super().update(n)
        if self._start is None and not self.disable:
            self._start = (self.n, self._time()) if self._skips_first else (self.initial, self.start_t)
        return result

    @property
    def format_dict(self) -> dict[str, Any]:
        """The values of the bar; the rate is unknown until there is work to compute it from."""
        values: dict[str, Any] = super().format_dict
        if self.disable:
            return values
        start, seconds = self._start or (self.n, self._time())
        done, seconds = self.n - start, self._time() - seconds
        # tqdm shows "?" for the rate and the time left if no work is done.
        known = {"rate": done / seconds} if done > 0 and seconds > 0 else {"rate": None, "initial": self.n}
        return values | known

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Draw the bar, or write a line if the next one is due."""
        if self._is_terminal:
            return super().display(msg, pos)
        done = self.n / self.total if self.total else self.format_dict["elapsed"]
        if (done >= self._next_line - 1e-9 or self.n == self.total) and self.n > self.initial:
            step = _SHARE if self.total else _SECONDS
            self._next_line = (int(done / step + 1e-9) + 1) * step if self.n != self.total else float("inf")
            print(self.format_meter(**self.format_dict | {"bar_format": _LINE}), file=self.fp, flush=True)
        return True

    def close(self) -> None:
        """End the bar."""
        if self._is_terminal or self.disable:
            super().close()
            return
        self.display()
        self.leave = False
        self.disable = True
        self._decr_instances(self)

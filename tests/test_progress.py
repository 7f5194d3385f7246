import io
import sys

import pytest

from fer.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_gets_a_line_for_every_five_percent_and_no_bar(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with Progress(total=1000, desc="images", unit=" images", mininterval=0) as progress:
        for _ in range(1000):
            progress.update()
    lines = log.getvalue().splitlines()
    assert 15 <= len(lines) <= 22
    assert "1000 of 1000" in lines[-1]
    assert "\r" not in log.getvalue()


def test_a_terminal_gets_a_bar():
    terminal = Terminal()
    with Progress(total=3, file=terminal, mininterval=0) as progress:
        for _ in range(3):
            progress.update()
    assert "\r" in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_the_rate_leaves_out_the_first_update():
    progress = Progress(total=100, file=io.StringIO(), skip_first=True)
    now = progress.start_t
    progress._time = lambda: now
    assert progress.format_dict["rate"] is None
    now += 60.0
    progress.update()
    assert progress.format_dict["rate"] is None
    now += 1.0
    progress.update(10)
    assert progress.format_dict["rate"] == pytest.approx(10.0)
    progress.close()


def test_a_disabled_bar_writes_nothing():
    log = io.StringIO()
    with Progress(total=3, file=log, disable=True) as progress:
        progress.update(3)
    assert log.getvalue() == ""

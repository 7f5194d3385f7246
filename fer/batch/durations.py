"""The durations of many video files, read in a process of its own, which a damaged file may end or hold up."""

import json
import os
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import cast

from fer.errors import FerError
from fer.vision.video_properties import read_seconds

#: Seconds that a file, or the start of the process, may take.
MOST_SECONDS = 60.0
#: Processes that may end or be late before they read anything, one after another.
_MOST_STARTS = 3
# Not multiprocessing: that would run the script of the caller again.
_COMMAND = "from fer.batch.durations import answer_requests; answer_requests()"


class DurationReader:
    """Reads the durations of video files in another process, which is started when needed and replaced when it ends.

    Args:
        seconds: time limit of a file.

    Raises:
        FerError: the process cannot be started.

    Example:
        >>> with DurationReader() as durations:  # doctest: +SKIP
        ...     durations.read("talk.mp4")
        61.4
    """

    def __init__(self, seconds: float = MOST_SECONDS) -> None:
        self.seconds = seconds
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: str) -> float | None:
        """Return the duration in seconds; None if the file states none, ends the process, or takes too long.

        Args:
            path: the file.
        """
        if self._process is None:
            self._process = self._start()
        answer = self._request(self._process, path)
        if answer is None:
            self.close()
            return None
        return cast("float | None", json.loads(answer))

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> "DurationReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> "subprocess.Popen[str]":
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        for _ in range(_MOST_STARTS):
            process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
                encoding="utf-8",
            )
            if _read_line(process, MOST_SECONDS) is not None:
                return process
            process.kill()
            process.communicate()
        raise FerError(
            "The process that reads the durations of videos must be able to start. Received: one that ended at once."
            " Remedy: --segment 0, which needs none."
        )

    def _request(self, process: "subprocess.Popen[str]", path: str) -> str | None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(path) + "\n")
            process.stdin.flush()
        except OSError:  # It ended after its last answer.
            return None
        return _read_line(process, self.seconds)


def answer_requests() -> None:
    """Answer each path on the standard input with its duration, until that ends."""
    # Ctrl-C is for the process that started this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(read_seconds(json.loads(line))), flush=True)


def _read_line(process: "subprocess.Popen[str]", seconds: float) -> str | None:
    """Return the next line of a process; None if it ended, or is ended as the line is late."""
    assert process.stdout is not None
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        return process.stdout.readline() or None
    finally:
        timer.cancel()

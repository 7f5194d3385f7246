"""The web app in a process on a free port, for benchmarks and tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

from fer.bench.camera import pan_over
from fer.bench.memory import read_memory
from fer.bench.viewers import Viewer
from fer.errors import SettingsError

APP = Path(__file__).parents[2] / "gradio_app.py"
START_SECONDS = 120.0
_STOP_SECONDS = 30.0


class Server:
    """The app in a process.

    Args:
        process: the process.
        url: address of the app.
        started: when the process was started, in seconds of the monotonic clock.
        start_seconds: seconds until it served the page.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, started: float, start_seconds: float) -> None:
        self.process = process
        self.url = url
        self.started = started
        self.start_seconds = start_seconds

    def warm_up(self, image: np.ndarray) -> None:
        """Send an image until the network answers.

        Args:
            image: uint8 (H, W, 3), RGB, not larger than a camera frame.

        Raises:
            SettingsError: there is no answer within two minutes of the start.
        """
        frame = next(pan_over(image, 1))
        while not Viewer(self.url, frame, 0).watch(0.5).server_milliseconds:
            if time.monotonic() - self.started > START_SECONDS:
                raise SettingsError(
                    f"The app must answer a frame within {START_SECONDS:.0f} s. Received: no answer."
                    " Remedy: run `invoke app` and read its messages."
                )

    def read_memory(self) -> float | None:
        """Return the resident memory of the process in MB, or None on a system without ``/proc``."""
        return read_memory(self.process.pid)


@contextmanager
def serve_app(
    app: Path = APP, *, python: str = sys.executable, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run an app file in a process, on a free port, and stop it at the end.

    Args:
        app: path of the app file.
        python: path of the interpreter.
        environment: environment variables added to those of this process.

    Yields:
        The server, once it serves its page.

    Raises:
        SettingsError: the file is missing, or no page is served within two minutes.
    """
    if not app.is_file():
        raise SettingsError(f"The app file must exist. Received: {app} (missing). Remedy: run this in a checkout.")
    port = find_free_port()
    variables = os.environ | {"GRADIO_SERVER_PORT": str(port)} | (environment or {})
    started = time.monotonic()
    process = subprocess.Popen([python, str(app)], cwd=app.parent, env=variables, stdout=subprocess.DEVNULL, text=True)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for_page(process, url)
        yield Server(process, url, started, time.monotonic() - started)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def find_free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_page(process: subprocess.Popen[str], url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, timeout=10.0).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise SettingsError(
        f"The app must serve its page within {START_SECONDS:.0f} s. Received: no page, exit code {process.poll()}."
        " Remedy: run `invoke app` and read its messages."
    )

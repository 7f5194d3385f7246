"""Speed of the web app: its start, the live tab in a real browser, and eight viewers at once."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from fer.app.examples import find_portrait
from fer.bench.chromium import open_chromium, pan_over, write_film
from fer.bench.viewers import Viewer, watch_together
from fer.errors import ImageError, SettingsError
from fer.vision.images import decode_image, shrink_to

APP = Path(__file__).parents[2] / "gradio_app.py"
_START_SECONDS = 120.0
#: Notes each change of the status line, whose attributes carry the frame's number and the server's time.
_WATCH_STATUS = """() => {
  window.ferFrames = [];
  const line = document.querySelector("#live-status");
  new MutationObserver(() => {
    const data = line.querySelector("[data-frame]")?.dataset;
    if (data && window.ferFrames.at(-1)?.[0] !== Number(data.frame))
      window.ferFrames.push([Number(data.frame), Number(data.milliseconds), performance.now()]);
  }).observe(line, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


def run_app_bench(
    *, live_seconds: float = 20.0, load_seconds: float = 60.0, viewers: int = 8, say: Callable[[str], None] = print
) -> None:
    """Measure the app and say each figure as it comes.

    Args:
        live_seconds: how long the live tab is watched in Chromium.
        load_seconds: how long the viewers watch together.
        viewers: how many, at most 16.
        say: receives the lines.

    Raises:
        SettingsError: this is no checkout, or the browser is missing.
        ImageError: matplotlib's portrait, which the cameras show, is not installed.
    """
    portrait = _read_portrait()
    with serve_app() as server:
        # The first one fills the compile cache.
        server.warm_up(portrait)
    with serve_app() as server:
        say(f"start to page served, warm compile cache: {server.start_seconds:.1f} s")
        server.warm_up(portrait)
        say(f"first frame answered: {time.monotonic() - server.started:.1f} s after the start")
        with tempfile.TemporaryDirectory() as folder:
            film = write_film(pan_over(portrait, 100), Path(folder) / "camera.mjpeg")
            say(_measure_live(server, film, live_seconds))
        say(_measure_load(server, portrait, viewers, load_seconds))


class Server:
    """The app in a process of its own.

    Args:
        process: the process.
        url: its address.
        started: when it was started, in seconds of the monotonic clock.
        start_seconds: until it served the page.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, started: float, start_seconds: float) -> None:
        self.process = process
        self.url = url
        self.started = started
        self.start_seconds = start_seconds

    def warm_up(self, picture: np.ndarray) -> None:
        """Wait until the network answers."""
        frame = next(pan_over(picture, 1))
        while not Viewer(self.url, frame, 0).watch(0.5).server_milliseconds:
            if time.monotonic() - self.started > _START_SECONDS:
                raise SettingsError(f"The app must answer a frame within {_START_SECONDS:.0f} s. Received: nothing.")

    def read_memory(self) -> float:
        """Return the memory that the process holds, in MB; 0 where the system does not tell."""
        statm = Path(f"/proc/{self.process.pid}/statm")
        pages = int(statm.read_text(encoding="ascii").split()[1]) if statm.is_file() else 0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def serve_app(
    app: Path = APP, *, python: str = sys.executable, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    """Run an app file in a process of its own, on a free port, and end it afterwards.

    Args:
        app: the file.
        python: the interpreter.
        environment: variables beside the present ones.

    Raises:
        SettingsError: the file is missing, or no page is served.
    """
    if not app.is_file():
        raise SettingsError(f"The app is served from a checkout. Received: no file {app}.")
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
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def find_free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def open_live(page: Any, url: str) -> None:
    """Open the app in a browser's page and start its camera.

    Args:
        page: Playwright's page, which may use the camera.
        url: the app's address.
    """
    page.goto(url)
    camera = page.locator("#live-camera button:visible")
    camera.first.click()
    camera.filter(has_text="Record").first.click()
    page.wait_for_selector("#live-status [data-frame]", timeout=_START_SECONDS * 1000)


def watch_live(page: Any, seconds: float) -> np.ndarray:
    """Return what a browser's page showed of a running camera.

    Args:
        page: as :func:`open_live` leaves it.
        seconds: how long to watch.

    Returns:
        float64 (N, 3): number of each frame, the server's milliseconds, and the browser's clock in milliseconds.
    """
    page.evaluate(_WATCH_STATUS)
    page.wait_for_timeout(seconds * 1000)
    return np.array(page.evaluate("() => window.ferFrames"), float).reshape(-1, 3)


def _measure_live(server: Server, film: Path, seconds: float) -> str:
    with open_chromium(film) as browser:
        page = browser.new_context(permissions=["camera"]).new_page()
        open_live(page, server.url)
        # The first frames decode scripts and fill the timeline.
        page.wait_for_timeout(3000)
        frames = watch_live(page, seconds)
    if len(frames) < 2:
        raise SettingsError("The browser must show frames. Received: none.")
    shown = (len(frames) - 1) / (frames[-1, 2] - frames[0, 2]) * 1000
    usual, slow = np.percentile(frames[:, 1], [50, 95])
    return (
        f"live in Chromium: {shown:.1f} frames/s shown over {seconds:.0f} s,"
        f" server time a frame p50 {usual:.0f} ms, p95 {slow:.0f} ms"
    )


def _measure_load(server: Server, portrait: np.ndarray, viewers: int, seconds: float) -> str:
    settle, after = min(10.0, seconds / 4), [0.0]
    timer = threading.Timer(settle, lambda: after.__setitem__(0, server.read_memory()))
    reports = watch_together(server.url, next(pan_over(portrait, 1)), viewers, seconds, meanwhile=timer.start)
    growth = server.read_memory() - after[0]
    answers = np.concatenate([report.seconds for report in reports]) * 1000
    busy = np.concatenate([report.server_milliseconds for report in reports])
    errors = [error for report in reports for error in report.errors]
    rates = [len(report.seconds) / seconds for report in reports]
    return (
        f"{viewers} viewers for {seconds:.0f} s: {len(answers)} answers,"
        f" {min(rates):.1f} to {max(rates):.1f} frames/s each,"
        f" {len(errors)} errors, {sum(report.strange for report in reports)} of another's or an older frame,"
        f" p95 {np.percentile(answers, 95):.0f} ms until answered and {np.percentile(busy, 95):.0f} ms on the server,"
        f" memory {growth:+.1f} MB after the first {settle:.0f} s"
    )


def _wait_for_page(process: subprocess.Popen[str], url: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, timeout=10.0).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise SettingsError(f"The app must serve its page within {_START_SECONDS:.0f} s. Received: none.")


def _read_portrait() -> np.ndarray:
    path = find_portrait()
    if path is None:
        raise ImageError("The bench needs matplotlib's sample portrait. Received: none. Remedy: reinstall matplotlib.")
    return shrink_to(decode_image(path), 480)[0]

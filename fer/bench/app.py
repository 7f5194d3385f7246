"""Speed of the web app: its start, the live tab in Chromium, eight simulated viewers at once, and other loads."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fer.bench import load
from fer.bench.camera import locate_portrait, pan_over, read_portrait
from fer.bench.chromium import open_chromium, write_camera_video
from fer.bench.server import START_SECONDS, Server, serve_app
from fer.bench.video_tab import describe_video_tab
from fer.bench.videos import VIDEO_RATE, write_moving_video
from fer.bench.viewers import ViewerReport, watch_together
from fer.errors import SettingsError

_CAMERA_FRAMES = 100
#: The first live frames load scripts and fill the timeline.
_LIVE_WARM_UP_SECONDS = 3.0
#: Records each new frame of the live tab: its number, the server's milliseconds, and the browser's clock.
_WATCH_STATUS = """() => {
  window.ferFrames = [];
  const line = document.querySelector("#live-status");
  new MutationObserver(() => {
    const data = line.querySelector("[data-frame]")?.dataset;
    if (data && window.ferFrames.at(-1)?.[0] !== Number(data.frame))
      window.ferFrames.push([Number(data.frame), Number(data.milliseconds), performance.now()]);
  }).observe(line, { subtree: true, childList: true, attributes: true, characterData: true });
}"""


def run_app_bench(*, seconds: float = 60.0, viewers: int = 8, log: Callable[[str], None] = print) -> None:
    """Measure the web app and print each figure when it is measured.

    Args:
        seconds: how long viewers watch and clients send; the live tab is watched a third as long.
        viewers: number of viewers, at most 16.
        log: called with each line of output.

    Raises:
        SettingsError: there is no ``gradio_app.py``, the app does not start, or the browser is missing.
        ImageError: matplotlib's portrait is not installed.
    """
    portrait = read_portrait()
    with serve_app() as server:
        server.warm_up(portrait)  # fills the compile cache
    with tempfile.TemporaryDirectory() as folder:
        with serve_app(environment={"TMPDIR": folder}) as server:
            log(f"start to page served, warm compile cache: {server.start_seconds:.1f} s")
            server.warm_up(portrait)
            log(f"first frame answered: {time.monotonic() - server.started:.1f} s after the start")
            log(describe_live(measure_live(server, portrait, seconds / 3)))
            log(measure_load(server, portrait, viewers, seconds))
            for line in measure_scenarios(server, Path(folder), portrait, seconds):
                log(line)
            for line in measure_tab(server, seconds / 3):
                log(line)
        log(load.measure_restart(Path(folder), locate_portrait().read_bytes()))


def measure_scenarios(server: Server, folder: Path, portrait: np.ndarray, seconds: float) -> Iterator[str]:
    """Yield a line for each kind of load on the running app.

    Args:
        server: the running app.
        folder: its temporary folder.
        portrait: uint8 (H, W, 3), RGB, not larger than a camera frame.
        seconds: how long each load lasts; 500 uploads are sent if it is 60.
    """
    photo = locate_portrait().read_bytes()
    yield load.measure_clients(server, photo, seconds)
    yield load.measure_uploads(server, folder, photo, max(1, round(500 * seconds / 60)))
    yield load.measure_videos(server, folder, next(pan_over(portrait, 1)), seconds)
    yield load.measure_slow_uploads(server, folder, photo)


def measure_tab(server: Server, seconds: float) -> list[str]:
    """Return lines with the times of the Video tab for a video of a portrait that moves.

    Args:
        server: the running app.
        seconds: length of the video.
    """
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / f"{seconds:.0f} s.mp4"
        write_moving_video(video, max(1, round(seconds * VIDEO_RATE)))
        return describe_video_tab(server.url, video, Path(folder))


def open_live(page: Any, url: str) -> None:
    """Open the app in a browser and start its camera.

    Args:
        page: Playwright's page, with permission for the camera.
        url: address of the app.
    """
    page.goto(url)
    page.get_by_role("tab", name="Live", exact=True).click()
    camera = page.locator("#live-camera button:visible")
    camera.first.click()
    camera.filter(has_text="Start").first.click()
    page.wait_for_selector("#live-status [data-frame]", timeout=START_SECONDS * 1000)


def watch_live(page: Any, seconds: float) -> np.ndarray:
    """Record the frames that a browser shows while its camera runs.

    Args:
        page: Playwright's page after :func:`open_live`.
        seconds: how long to watch.

    Returns:
        float64 (N, 3), one row per frame: its number, the server's milliseconds, the browser's clock in milliseconds.
    """
    page.evaluate(_WATCH_STATUS)
    page.wait_for_timeout(seconds * 1000)
    return np.array(page.evaluate("() => window.ferFrames"), float).reshape(-1, 3)


def measure_live(server: Server, image: np.ndarray, seconds: float) -> np.ndarray:
    """Watch the live tab in Chromium, whose camera pans over an image.

    Args:
        server: the running app.
        image: uint8 (H, W, 3), RGB, not larger than a camera frame.
        seconds: how long to watch.

    Returns:
        As :func:`watch_live`.

    Raises:
        SettingsError: Playwright or Chromium is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        camera = write_camera_video(pan_over(image, _CAMERA_FRAMES), Path(folder) / "camera.mjpeg")
        with open_chromium(camera) as browser:
            page = browser.new_context(permissions=["camera"]).new_page()
            open_live(page, server.url)
            page.wait_for_timeout(_LIVE_WARM_UP_SECONDS * 1000)
            return watch_live(page, seconds)


def describe_live(frames: np.ndarray) -> str:
    """Return a line with the rate of the frames shown and the server's time per frame.

    Args:
        frames: as :func:`watch_live` returns them.

    Raises:
        SettingsError: fewer than two frames were shown.
    """
    if len(frames) < 2:
        raise SettingsError(
            f"The browser must show at least two frames. Received: {len(frames)}. Remedy: measure longer."
        )
    seconds = (frames[-1, 2] - frames[0, 2]) / 1000
    median, slow = np.percentile(frames[:, 1], [50, 95])
    return (
        f"live in Chromium: {(len(frames) - 1) / seconds:.1f} frames/s shown over {seconds:.0f} s,"
        f" server time per frame p50 {median:.0f} ms, p95 {slow:.0f} ms"
    )


def measure_load(server: Server, image: np.ndarray, viewers: int, seconds: float) -> str:
    """Run several viewers at once and return a line that describes their answers and the server's memory.

    Args:
        server: the running app.
        image: uint8 (H, W, 3), RGB, not larger than a camera frame.
        viewers: number of viewers, at most 16.
        seconds: how long they watch.
    """
    settle_seconds, memory = min(10.0, seconds / 4), [server.read_memory()]

    def read_settled_memory() -> None:
        time.sleep(settle_seconds)
        memory.append(server.read_memory())

    reports = watch_together(server.url, next(pan_over(image, 1)), viewers, seconds, meanwhile=read_settled_memory)
    before, after = memory[-1], server.read_memory()
    line = describe_load(reports, seconds)
    if before is None or after is None:
        return line
    return f"{line}, memory {after - before:+.1f} MB after the first {settle_seconds:.0f} s"


def describe_load(reports: Sequence[ViewerReport], seconds: float) -> str:
    """Return a line with the rates, errors and times of several viewers.

    Args:
        reports: one per viewer; together they hold at least one answer with an image.
        seconds: how long the viewers watched.
    """
    answers = np.concatenate([report.seconds for report in reports]) * 1000
    server = np.concatenate([report.server_milliseconds for report in reports])
    rates = [len(report.seconds) / seconds for report in reports]
    return (
        f"{len(reports)} viewers for {seconds:.0f} s: {len(answers)} answers,"
        f" {min(rates):.1f} to {max(rates):.1f} frames/s each,"
        f" {sum(len(report.errors) for report in reports)} errors,"
        f" {sum(report.mismatched for report in reports)} mismatched frames,"
        f" p95 {np.percentile(answers, 95):.0f} ms until answered and {np.percentile(server, 95):.0f} ms on the server"
    )

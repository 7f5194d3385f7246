"""Time that the web app's Video tab takes for a video, beside the time of the same analysis without the app."""

import time
from pathlib import Path
from typing import Any

from fer.analysis import Analyzer
from fer.bench.camera import read_portrait
from fer.bench.chromium import open_chromium
from fer.reports.videos import process_video
from fer.vision.yunet import DEFAULT_SIDE

#: Of the time in the tab against that of the analysis alone.
GOAL_RATIO = 1.3
#: Seconds until a cancelled video's results are shown.
GOAL_CANCEL = 1.0
_PATIENCE = 600_000
_SUMMARY = "#video-summary :text('{text}')"


def describe_video_tab(url: str, video: Path, folder: Path) -> list[str]:
    """Return a line with the seconds of the tab and of the analysis alone, and one with the seconds to cancel.

    Args:
        url: address of the app, whose network is ready.
        video: a video of a few seconds or more.
        folder: an empty folder for the files of the analysis without the app.

    Raises:
        SettingsError: Playwright or Chromium is missing.
    """
    with open_chromium() as browser:
        page = browser.new_page()
        tab, cancel = measure_video_tab(page, url, video), measure_cancel(page, url, video)
    task = measure_task(video, folder)
    return [
        f"{video.name} in the Video tab: {tab:.1f} s, without the app {task:.1f} s, ratio {tab / task:.2f}"
        f" (goal: at most {GOAL_RATIO})",
        f"cancelled: results after {cancel:.1f} s (goal: at most {GOAL_CANCEL:.0f})",
    ]


def measure_task(video: Path, folder: Path) -> float:
    """Return the seconds of the analysis of `invoke video` with the outputs of the tab: table, plot, annotated copy."""
    analyzer = Analyzer(max_side=DEFAULT_SIDE)
    analyzer.analyze(read_portrait())
    start = time.perf_counter()
    process_video(
        video,
        analyzer=analyzer,
        csv=folder / "table.csv",
        annotated=folder / "annotated.mp4",
        plot=folder / "plot.png",
        progress=False,
    )
    return time.perf_counter() - start


def measure_video_tab(page: Any, url: str, video: Path) -> float:
    """Return the seconds from the click on the start button until the annotated copy can be played."""
    start = _start_video(page, url, video)
    page.wait_for_function("() => document.querySelector('#video-annotated video')?.readyState > 0", timeout=_PATIENCE)
    return time.perf_counter() - start


def measure_cancel(page: Any, url: str, video: Path) -> float:
    """Return the seconds from the click on the cancel button, in the middle of a video, until its results are shown."""
    _start_video(page, url, video)
    page.wait_for_function("() => document.querySelector('#video-progress progress')?.value > 0", timeout=_PATIENCE)
    start = time.perf_counter()
    page.locator("#video-cancel").click()
    page.wait_for_selector(_SUMMARY.format(text="Stopped before the end."), timeout=_PATIENCE)
    return time.perf_counter() - start


def _start_video(page: Any, url: str, video: Path) -> float:
    page.goto(url)
    page.get_by_role("tab", name="Video").click()
    page.locator("#video-input input[type=file]").set_input_files(video)
    page.wait_for_selector("#video-input video")
    start = time.perf_counter()
    page.locator("#video-start").click()
    return start

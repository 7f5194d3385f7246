"""Headless Chromium with a video file as its camera, for benchmarks and tests of the web app.

Playwright belongs to the ``test`` extra and Chromium to the system; both are needed only when a browser is opened.
"""

import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fer.errors import SettingsError
from fer.files import write_atomically

_MISSING = (
    "This needs Playwright and Chromium. Received: {missing} is not installed."
    " Remedy: pip install playwright, and apt-get install chromium or set FER_CHROMIUM to its path."
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


def find_chromium() -> str | None:
    """Return the path of Chromium: the environment variable FER_CHROMIUM, else the first on PATH, else None."""
    return os.environ.get("FER_CHROMIUM") or next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def open_chromium(camera: Path | None = None) -> Iterator[Any]:
    """Launch a headless Chromium, and close it at the end.

    Args:
        camera: video file for the camera, from :func:`write_camera_video`; None for Chromium's test pattern.

    Yields:
        Playwright's browser.

    Raises:
        SettingsError: Playwright or Chromium is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise SettingsError(_MISSING.format(missing="Playwright")) from error
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright.chromium, camera)
        try:
            yield browser
        finally:
            browser.close()


def launch_chromium(kind: Any, camera: Path | None = None) -> Any:
    """Launch a headless Chromium that the caller must close.

    Args:
        kind: Playwright's browser type; that of an open browser is its ``browser_type``.
        camera: as in :func:`open_chromium`.

    Returns:
        Playwright's browser.

    Raises:
        SettingsError: Chromium is missing.
    """
    path = find_chromium()
    if path is None:
        raise SettingsError(_MISSING.format(missing="Chromium"))
    camera_flags = [f"--use-file-for-fake-video-capture={camera}"] if camera is not None else []
    return kind.launch(executable_path=path, args=[*_FLAGS, *camera_flags])


def write_camera_video(frames: Iterable[np.ndarray], path: Path) -> Path:
    """Write frames as a Motion JPEG file, which Chromium plays in a loop as its camera.

    Args:
        frames: uint8 (H, W, 3), RGB, all of one size.
        path: path of the file, ending in .mjpeg.

    Returns:
        The path.
    """
    stream = io.BytesIO()
    for frame in frames:
        Image.fromarray(frame).save(stream, format="JPEG", quality=90)
    write_atomically(path, stream.getvalue())
    return path

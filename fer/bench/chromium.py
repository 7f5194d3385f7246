"""A real browser before the app, with a film in place of its camera: what the bench and the tests drive.

Playwright and Chromium are of the ``test`` extra and the system; both are looked for only when they are asked for.
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
    "A browser needs Playwright and Chromium. Received: none. Remedy: pip install playwright, and"
    " apt-get install chromium."
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
    """Return Chromium's program, which the environment variable FER_CHROMIUM may name, or None where there is none."""
    return os.environ.get("FER_CHROMIUM") or next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def open_chromium(camera: Path | None = None) -> Iterator[Any]:
    """Open Chromium without a window and give Playwright's browser.

    Args:
        camera: a film for the camera, as :func:`write_film` makes it; None shows Chromium's test card.

    Raises:
        SettingsError: Playwright or Chromium is missing.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise SettingsError(_MISSING) from error
    with sync_playwright() as playwright:
        browser = launch_chromium(playwright.chromium, camera)
        try:
            yield browser
        finally:
            browser.close()


def launch_chromium(kind: Any, camera: Path | None = None) -> Any:
    """Launch one more Chromium, which the caller closes, and return it.

    Args:
        kind: Playwright's browser type; an open browser's is its ``browser_type``.
        camera: as in :func:`open_chromium`.

    Raises:
        SettingsError: Chromium is missing.
    """
    program = find_chromium()
    if program is None:
        raise SettingsError(_MISSING)
    film = [f"--use-file-for-fake-video-capture={camera}"] if camera is not None else []
    return kind.launch(executable_path=program, args=[*_FLAGS, *film])


def write_film(frames: Iterable[np.ndarray], path: Path) -> Path:
    """Write frames as a film that Chromium shows in place of a camera, over and over.

    Args:
        frames: uint8 (H, W, 3), RGB, all of one size.
        path: the file, ending in .mjpeg.
    """
    stream = io.BytesIO()
    for frame in frames:
        Image.fromarray(frame).save(stream, format="JPEG", quality=90)
    write_atomically(path, stream.getvalue())
    return path


def pan_over(image: np.ndarray, count: int, *, width: int = 640, height: int = 480) -> Iterator[np.ndarray]:
    """Yield frames of a picture that moves from side to side and back, on grey.

    Args:
        image: uint8 (H, W, 3), not larger than a frame.
        count: frames.
        width: of a frame, in pixels.
        height: of a frame, in pixels.
    """
    room = width - image.shape[1]
    for number in range(count):
        left = round(room * (1 - abs(2 * number / count - 1)))
        frame = np.full((height, width, 3), 128, np.uint8)
        frame[: image.shape[0], left : left + image.shape[1]] = image
        yield frame

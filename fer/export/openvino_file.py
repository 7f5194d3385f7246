"""Files for OpenVINO, which reads the ONNX graph."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino

from fer.export.onnx_file import iterate_batches


def write_openvino(path: Path, out: Path) -> None:
    """Convert an .onnx file to OpenVINO's .xml and .bin, in float32.

    Args:
        path: the .onnx file.
        out: the .xml file.
    """
    openvino.save_model(openvino.convert_model(path), out, compress_to_fp16=False)


def open_openvino(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from uint8 faces (N, 48, 48) to the answer inside the file, float32 (N, 7)."""
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda faces: np.concatenate([compiled(batch)["probabilities"] for batch in iterate_batches(faces)])

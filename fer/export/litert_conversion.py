"""The conversion to LiteRT, a program for a process in which Keras runs on TensorFlow: its argument is a job file."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

#: Scope of the operators that calibrate the answer.
_TAIL = "answer_calibration"


def convert(job: dict[str, Any]) -> None:
    """Convert a ``.keras`` file to each precision.

    Args:
        job: 'model', path of the file; 'answer', the constants of :class:`fer.export.answer.Answer`; 'outputs', path by
            precision; 'faces', path of uint8 (N, 48, 48) for 'int8'.
    """
    model = keras.saving.load_model(job["model"], compile=False)
    module = _Answering(model, job["answer"])
    function = module.answer.get_concrete_function(tf.TensorSpec((None, 48, 48, 1), tf.float32, name="faces"))
    for precision, path in job["outputs"].items():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
        Path(path).write_bytes(
            _quantize(converter, np.load(job["faces"])) if precision == "int8" else converter.convert()
        )


def _quantize(converter: Any, faces: np.ndarray) -> bytes:
    """Return a file with 8-bit weights and activations, but for the calibration of the answer."""
    from ai_edge_litert.interpreter import Interpreter

    tensors = Interpreter(model_content=converter.convert()).get_tensor_details()
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _iterate_samples(faces)
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_nodes=[tensor["name"] for tensor in tensors if _TAIL in tensor["name"]],
        denylisted_ops=["SOFTMAX", "DIV", "LOG", "EXP"],
    )
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=converter.representative_dataset, debug_options=options
    )
    return bytes(debugger.get_nondebug_quantized_model())


class _Answering(tf.Module):  # type: ignore[misc]
    """A network with its answer, by the formulas of :mod:`fer.export.answer`."""

    def __init__(self, model: keras.Model, answer: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        # Constants and not variables, which LiteRT's calibration cannot read.
        self._weights = [tf.constant(variable.value) for variable in model.trainable_variables]
        self._statistics = [tf.constant(variable.value) for variable in model.non_trainable_variables]
        self._constants = {name: tf.constant(value, tf.float32) for name, value in answer.items()}

    @tf.function  # type: ignore[untyped-decorator]
    def answer(self, faces: Any) -> dict[str, Any]:
        outputs, _ = self.model.stateless_call(self._weights, self._statistics, faces, training=False)
        heads = tf.reshape(outputs, (-1, self._constants["weights"].shape[0], 7))
        with tf.name_scope(_TAIL):
            return {"probabilities": self._calibrate(heads), "heads": heads}

    def _calibrate(self, heads: Any) -> Any:
        constants = self._constants
        width = tf.maximum(constants["width"], 1e-9)[:, None]
        scaled = (heads - constants["uniform"][:, None]) / width
        # softplus, in operators that every version of LiteRT has
        rest = width * (tf.maximum(scaled, 0.0) + tf.math.log(1.0 + tf.exp(-tf.abs(scaled))))
        weighted = rest * constants["factors"]
        shares = weighted / tf.reduce_sum(weighted, axis=-1, keepdims=True)
        mean = tf.reduce_sum(shares * constants["weights"][:, None], axis=1)
        logits = tf.math.log(tf.maximum(mean, constants["smallest"])) + constants["offsets"]
        return tf.nn.softmax(logits / constants["temperature"])


def _iterate_samples(faces: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    for face in faces:
        yield {"faces": face.astype(np.float32)[None, ..., None]}


if __name__ == "__main__":
    convert(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

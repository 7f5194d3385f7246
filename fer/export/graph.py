"""A saved network as an ONNX graph: stock operators on channels-first images, batch normalisation folded in.

The graph has one input and three outputs, for any number N of faces:

- ``faces``: float32 (N, 48, 48, 1), grey levels 0..255;
- ``probabilities``: float32 (N, 7), the calibrated answer;
- ``heads``: float32 (N, heads, 7), the probabilities of each head before calibration;
- ``evidence``: float32 (N, heads, 7, h, w), where in the face the evidence for each logit lies.

Reference:
    https://onnx.ai/onnx/operators/
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fer.errors import ModelError
from fer.export.answer import SMALLEST, Answer
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.model.padding import compute_padding
from fer.model.xception import FEATURES_LAYER, LOGITS_LAYER

#: Version of the operators, and the oldest version of the file format that has them.
OPSET, IR_VERSION = 17, 8
#: Prefixes of the names of nodes.
ANSWER, EVIDENCE = "answer", "evidence"
_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid"}


def build_graph(model: keras.Model, answer: Answer, metadata: dict[str, str]) -> onnx.ModelProto:
    """Return a network of stock layers with its answer as an ONNX model.

    Args:
        model: a functional network of stock Keras layers, see :func:`fer.model.layers.use_stock_layers`.
        answer: the constants of the answer.
        metadata: entries of the file's ``metadata_props``.

    Raises:
        ModelError: the network has a layer without a counterpart here.
    """
    builder = _Builder()
    names = builder.add_network(model)
    heads = builder.add_heads(names[_read_key(model.outputs[0])], len(answer.weights))
    builder.add_answer(heads, answer)
    evidence = builder.add_evidence(model, names, len(answer.weights))
    outputs = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(EXPRESSIONS)]),
        helper.make_tensor_value_info("heads", TensorProto.FLOAT, ["N", len(answer.weights), len(EXPRESSIONS)]),
        *evidence,
    ]
    inputs = [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["N", FACE_SIZE, FACE_SIZE, 1])]
    graph = helper.make_graph(builder.nodes, model.name, inputs, outputs, builder.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="fer-dl")
    made.ir_version = IR_VERSION
    helper.set_model_props(made, metadata)
    onnx.checker.check_model(made, full_check=True)
    return made


def list_exact_nodes(graph: onnx.ModelProto) -> list[str]:
    """Return the names of the nodes from the features on, which stay in float32 when the others get 8 bits."""
    nodes = list(graph.graph.node)
    start = next(index for index, node in enumerate(nodes) if node.op_type == "Flatten")
    return [node.name for node in nodes[start:]]


class _Builder:
    """Nodes and constants of one graph under construction.

    A value has a name; in the graph, an image (N, H, W, C) of Keras is (N, C, H, W).
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        #: Kernel and bias of the convolution that makes a value.
        self._convolutions: dict[str, tuple[np.ndarray, np.ndarray, dict[str, Any]]] = {}

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Add a node whose output has its name."""
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def hold(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """Add a constant."""
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype), name))
        return name

    def add_network(self, model: keras.Model) -> dict[int, str]:
        """Add the layers; return the names of their values."""
        shape = self.hold("faces_shape", [-1, 1, FACE_SIZE, FACE_SIZE], np.int64)
        images = self.add("Reshape", ["faces", shape], "images")  # one channel: no value moves
        names = {_read_key(model.inputs[0]): images}
        for layer in _order_for_folding(model):
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            values = [names[_read_key(value)] for value in inputs]
            names[_read_key(layer.output)] = self._add_layer(layer, values)
        return names

    def add_heads(self, probabilities: str, num_heads: int) -> str:
        """Add the output ``heads``, which has an axis of heads even if there is one."""
        shape = self.hold("heads_shape", [-1, num_heads, len(EXPRESSIONS)], np.int64)
        return self.add("Reshape", [probabilities, shape], "heads")

    def add_answer(self, heads: str, answer: Answer) -> None:
        """Add the output ``probabilities``: the formulas of :mod:`fer.export.answer`."""
        values = self._remove_smoothing(heads, answer)
        factors = self.hold(f"{ANSWER}_factors", answer.factors[None])
        values = self._normalize(self.add("Mul", [values, factors], f"{ANSWER}_prior"))
        weights = self.hold(f"{ANSWER}_weights", answer.weights[None, :, None])
        values = self.add("Mul", [values, weights], f"{ANSWER}_weighted")
        values = self.add(
            "ReduceSum", [values, self.hold(f"{ANSWER}_axis", [1], np.int64)], f"{ANSWER}_mean", keepdims=0
        )
        smallest = self.hold(f"{ANSWER}_smallest", SMALLEST)
        values = self.add("Log", [self.add("Max", [values, smallest], f"{ANSWER}_positive")], f"{ANSWER}_log")
        values = self.add("Add", [values, self.hold(f"{ANSWER}_offsets", answer.offsets)], f"{ANSWER}_logits")
        temperature = self.hold(f"{ANSWER}_temperature", answer.temperature)
        values = self.add("Div", [values, temperature], f"{ANSWER}_divided")
        self.add("Softmax", [values], "probabilities", axis=-1)

    def _remove_smoothing(self, heads: str, answer: Answer) -> str:
        if not answer.uniform.any():
            return heads
        # A head without smoothing has a soft threshold so narrow that it changes nothing.
        width = self.hold(f"{ANSWER}_width", np.maximum(answer.width, 1e-9)[None, :, None])
        uniform = self.hold(f"{ANSWER}_uniform", answer.uniform[None, :, None])
        values = self.add("Sub", [heads, uniform], f"{ANSWER}_above")
        values = self.add("Softplus", [self.add("Div", [values, width], f"{ANSWER}_scaled")], f"{ANSWER}_softplus")
        return self.add("Mul", [values, width], f"{ANSWER}_rest")

    def _normalize(self, values: str) -> str:
        axis = self.hold(f"{ANSWER}_last", [2], np.int64)
        return self.add("Div", [values, self.add("ReduceSum", [values, axis], f"{ANSWER}_sum")], f"{ANSWER}_normalized")

    def add_evidence(self, model: keras.Model, names: dict[int, str], num_heads: int) -> list[onnx.ValueInfoProto]:
        """Add the output ``evidence`` if the network ends in the layers that it needs, and return its description."""
        layers = {layer.name: layer for layer in model.layers}
        if not {FEATURES_LAYER, LOGITS_LAYER} <= set(layers):
            return []
        features = layers[FEATURES_LAYER].output
        kernel = _read_array(layers[LOGITS_LAYER].kernel).T[:, :, None, None]
        maps = self._add_convolution(f"{EVIDENCE}_maps", names[_read_key(features)], kernel, None)
        shape = [-1, num_heads, len(EXPRESSIONS), *features.shape[1:3]]
        self.add("Reshape", [maps, self.hold(f"{EVIDENCE}_shape", shape, np.int64)], EVIDENCE)
        return [helper.make_tensor_value_info(EVIDENCE, TensorProto.FLOAT, ["N", *shape[1:]])]

    def _add_layer(self, layer: keras.layers.Layer, values: list[str]) -> str:
        add: Callable[[Any, list[str]], str] | None = getattr(self, f"_add_{type(layer).__name__.lower()}", None)
        if add is None:
            raise ModelError(
                f"Only networks of this package can be exported. Received: a layer {layer.name!r} of the kind"
                f" {type(layer).__name__}. Remedy: train one with `invoke train`."
            )
        return add(layer, values)

    def _add_rescaling(self, layer: Any, values: list[str]) -> str:
        scaled = self.add("Mul", [*values, self.hold(f"{layer.name}_scale", layer.scale)], f"{layer.name}_scaled")
        return self.add("Add", [scaled, self.hold(f"{layer.name}_offset", layer.offset)], layer.name)

    def _add_conv2d(self, layer: Any, values: list[str]) -> str:
        kernel = _read_array(layer.kernel).transpose(3, 2, 0, 1)
        outputs = self._add_convolution(layer.name, values[0], kernel, layer.bias, **_read_geometry(layer))
        return self._activate(layer, outputs)

    def _add_separableconv2d(self, layer: Any, values: list[str]) -> str:
        depthwise = _read_array(layer.depthwise_kernel).transpose(2, 3, 0, 1)
        outputs = self._add_convolution(
            f"{layer.name}_depthwise", values[0], depthwise, None, group=len(depthwise), **_read_geometry(layer)
        )
        pointwise = _read_array(layer.pointwise_kernel).transpose(3, 2, 0, 1)
        return self._activate(layer, self._add_convolution(layer.name, outputs, pointwise, layer.bias))

    def _add_convolution(self, name: str, inputs: str, kernel: np.ndarray, bias: Any, **attributes: Any) -> str:
        values = np.zeros(len(kernel), np.float32) if bias is None else _read_array(bias)
        names = [self.hold(f"{name}_kernel", kernel), self.hold(f"{name}_bias", values)]
        return self.add("Conv", [inputs, *names], name, **attributes)

    def _add_batchnormalization(self, layer: Any, values: list[str]) -> str:
        """Fold the normalisation into the convolution before it: both are linear."""
        kernel, bias = self._find_convolution(layer, values[0])
        scale = _read_array(layer.gamma) / np.sqrt(_read_array(layer.moving_variance) + layer.epsilon)
        shift = _read_array(layer.beta) - _read_array(layer.moving_mean) * scale
        folded = numpy_helper.to_array(kernel) * scale[:, None, None, None]
        kernel.CopyFrom(numpy_helper.from_array(folded.astype(np.float32), kernel.name))
        shifted = numpy_helper.to_array(bias) * scale + shift
        bias.CopyFrom(numpy_helper.from_array(shifted.astype(np.float32), bias.name))
        return values[0]

    def _find_convolution(self, layer: Any, value: str) -> tuple[onnx.TensorProto, onnx.TensorProto]:
        node = self.nodes[-1]
        if node.op_type != "Conv" or node.output[0] != value:
            raise ModelError(
                f"A batch normalisation must follow a convolution to be exported. Received: layer {layer.name!r}, which"
                " does not. Remedy: train a network with `invoke train`."
            )
        return self.constants[-2], self.constants[-1]

    def _add_activation(self, layer: Any, values: list[str]) -> str:
        if keras.activations.serialize(layer.activation) == "softmax":
            return self.add("Softmax", values, f"{layer.name}_softmax", axis=-1)
        return self._activate(layer, values[0], name=layer.name)

    def _activate(self, layer: Any, value: str, name: str | None = None) -> str:
        activation = keras.activations.serialize(layer.activation)
        if activation == "linear":
            return value
        return self.add(_ACTIVATIONS[activation], [value], name or f"{layer.name}_{activation}")

    def _add_dense(self, layer: Any, values: list[str]) -> str:
        kernel = _read_array(layer.kernel)
        if len(layer.input.shape) == 4:
            outputs = self._add_convolution(layer.name, values[0], kernel.T[:, :, None, None], layer.bias)
        else:
            names = [
                self.hold(f"{layer.name}_kernel", kernel),
                self.hold(f"{layer.name}_bias", _read_array(layer.bias)),
            ]
            outputs = self.add("Gemm", [values[0], *names], layer.name)
        return self._activate(layer, outputs)

    def _add_globalaveragepooling2d(self, layer: Any, values: list[str]) -> str:
        pooled = self.add("GlobalAveragePool", values, f"{layer.name}_mean")
        return pooled if layer.keepdims else self.add("Flatten", [pooled], layer.name)

    def _add_maxpooling2d(self, layer: Any, values: list[str]) -> str:
        return self.add("MaxPool", values, layer.name, kernel_shape=list(layer.pool_size), **_read_geometry(layer))

    def _add_add(self, layer: Any, values: list[str]) -> str:
        return self.add("Add", values, layer.name)

    def _add_multiply(self, layer: Any, values: list[str]) -> str:
        return self.add("Mul", values, layer.name)

    def _add_dropout(self, layer: Any, values: list[str]) -> str:
        return values[0]

    def _add_reshape(self, layer: Any, values: list[str]) -> str:
        shape = self.hold(f"{layer.name}_target", [-1, *layer.target_shape], np.int64)
        return self.add("Reshape", [values[0], shape], f"{layer.name}_axes")


def _order_for_folding(model: keras.Model) -> list[Any]:
    """Return the layers without the input, each batch normalisation right after the layer that it normalises."""
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    normalizations = {_read_key(layer.input): layer for layer in layers if _is_normalization(layer)}
    ordered = []
    for layer in layers:
        if not _is_normalization(layer):
            ordered += [layer, *[normalizations[key] for key in [_read_key(layer.output)] if key in normalizations]]
    return ordered


def _is_normalization(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _read_key(value: Any) -> int:
    return id(value)


def _read_array(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float32)


def _read_geometry(layer: Any) -> dict[str, list[int]]:
    """Return strides and zero padding of a convolution or pooling as ONNX writes them."""
    kernel = getattr(layer, "kernel_size", None) or layer.pool_size
    (top, bottom), (left, right) = compute_padding(layer.input.shape[1:3], kernel, layer.strides, layer.padding)
    return {"strides": list(layer.strides), "pads": [top, left, bottom, right]}

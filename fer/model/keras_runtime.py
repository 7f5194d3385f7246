"""A network that Keras runs, compiled for the backend."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.config import HEADS
from fer.errors import ModelError
from fer.labels import EXPRESSIONS
from fer.model.batching import BATCH_SIZES, Forward, run_in_batches
from fer.model.compile_cache import use_compile_cache
from fer.model.forks import check_not_forked
from fer.model.forward import compile_forward, compile_heads
from fer.model.layers import use_fast_layers, use_stock_layers
from fer.model.runtimes import Runtime
from fer.model.saved import load_model
from fer.model.xception import FEATURES_LAYER, IMAGE_SHAPE, LOGITS_LAYER


def load_keras(path: Path) -> "KerasRuntime":
    """Load a ``.keras`` file.

    Raises:
        ModelError: the file is missing, damaged, or not a network of this package's form; or the process was forked.
    """
    check_not_forked()
    if keras.backend.backend() == "jax":
        # Building a network runs many small JAX programs; the cache keeps them between processes.
        use_compile_cache()
    return KerasRuntime(load_model(path))


class KerasRuntime(Runtime):
    """A network with fast layers.

    Args:
        model: a functional network from (N, 48, 48, 1), 0..255, to probabilities (N, 7), or (N, heads, 7).

    Raises:
        ModelError: the network has another form.
    """

    def __init__(self, model: keras.Model) -> None:
        _check_shapes(model)
        self.name = f"Keras on {keras.backend.backend()}"
        self.num_heads = 1 if len(model.output_shape) == 2 else int(model.output_shape[1])
        self.num_params = int(model.count_params())
        self.model = use_fast_layers(model)
        self._forward = compile_heads(self.model)
        self._map_features: Forward | None = None

    def __reduce__(self) -> "tuple[type[KerasRuntime], tuple[keras.Model]]":
        """Return what compiles the network again: its compiled form can be neither pickled nor copied."""
        return type(self), (use_stock_layers(self.model),)

    def predict_heads(self, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
        """See :meth:`Runtime.predict_heads`; the network is compiled for each size of a batch."""
        check_not_forked()
        return run_in_batches(self._forward, faces, batch_sizes=batch_sizes)

    def compute_evidence(self, faces: np.ndarray) -> np.ndarray:
        """See :meth:`Runtime.compute_evidence`."""
        check_not_forked()
        kernel = np.asarray(self._get_layer(LOGITS_LAYER).kernel)
        by_head = kernel.reshape(len(kernel), self.num_heads, len(EXPRESSIONS))
        return np.asarray(np.einsum("nyxc,chk->nhkyx", self._read_features(faces), by_head, optimize=True))

    def _read_features(self, faces: np.ndarray) -> np.ndarray:
        if self._map_features is None:
            features = keras.Model(self.model.inputs, self._get_layer(FEATURES_LAYER).output)
            self._map_features = compile_forward(features)
        return run_in_batches(self._map_features, faces)

    def _get_layer(self, name: str) -> Any:
        try:
            return self.model.get_layer(name)
        except ValueError:
            raise ModelError(
                f"An explanation needs a network that ends in layers {FEATURES_LAYER!r} and {LOGITS_LAYER!r}."
                f" Received: one without {name!r}. Remedy: train one with `invoke train`."
            ) from None


def _check_shapes(model: keras.Model) -> None:
    inputs, outputs = (None, *IMAGE_SHAPE), (None, len(EXPRESSIONS))
    received = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if received not in ((inputs, outputs), (inputs, (None, len(HEADS), len(EXPRESSIONS)))):
        raise ModelError(
            f"A network must map {inputs} to {outputs}. Received: {received[0]} to {received[1]}."
            " Remedy: train one with `invoke train`."
        )

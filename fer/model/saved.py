"""Saved networks: ``.keras`` files of stock layers with a sha256 beside them, written atomically and verified."""

import json
import math
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer.errors import ModelError, shorten, shorten_path
from fer.files import compute_digest, replace_atomically, write_atomically
from fer.model.digests import check_digest, find_digest
from fer.model.layers import use_stock_layers

#: Largest size in bytes of the files in a saved network; those of the largest preset have 0.2 and 30 MiB.
_MOST_BYTES = {"config.json": 4 << 20, "model.weights.h5": 256 << 20}
#: Bytes of a weight, and the most values that a layer computes for one face.
_VALUE_BYTES, _MOST_VALUES = 4, 1 << 24
#: What Keras, h5py and the standard library raise on a damaged network.
_BROKEN = (
    AttributeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    ImportError,
    MemoryError,
    OSError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


def save_model(model: keras.Model, path: Path) -> None:
    """Write a network atomically as a ``.keras`` file of stock layers, with its sha256 beside it."""
    with replace_atomically(path, suffix=".keras") as temporary:
        use_stock_layers(model).save(temporary)
        write_atomically(find_digest(path), f"{compute_digest(temporary)}  {path.name}\n")


def load_model(path: str | Path) -> keras.Model:
    """Read a ``.keras`` file after checking that it is whole and unchanged.

    If there is a file ``<name>.sha256`` beside it, the digest must match. Only stock Keras layers are loaded, and no
    more memory is taken than the weights in the file need.

    Raises:
        ModelError: the file is missing, damaged, not a Keras network, or does not match its digest.
    """
    path = Path(path)
    if not os.path.isfile(path):  # Unlike Path.is_file, it raises nothing for a name that is too long.
        raise ModelError(
            f"A saved network must exist. Received: {shorten_path(path)} (missing). Remedy: run `invoke train`."
        )
    if not zipfile.is_zipfile(path):
        raise _damaged(path, "damaged, or another format")
    check_digest(path)
    try:
        return _read_network(path)
    except _BROKEN as error:
        lines = str(error).strip().splitlines()
        raise _damaged(path, shorten(lines[0] if lines else type(error).__name__, 70)) from None


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"A saved network must be a whole .keras file. Received: {shorten_path(path, 80)} ({reason})."
        " Remedy: restore it, or train a new one with `invoke train`."
    )


def _read_network(path: Path) -> keras.Model:
    """Read a network as Keras does, without drawing initial weights, which the saved ones replace.

    Drawing them, and compiling a JAX program for each of their shapes, is most of the time of Keras' ``load_model``.
    """
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
        for name, most in _MOST_BYTES.items():
            if sizes[name] > most:
                raise ValueError(f"{name} has more than {most >> 20} MiB")
        config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise TypeError("config.json does not hold an object")
    # The file holds each variable, so that they need no more bytes than it has.
    with _BoundedZeros.limit(sizes["model.weights.h5"]):
        model = keras.saving.deserialize_keras_object(
            _zero_initializers(config | {"compile_config": None}),
            custom_objects={_BoundedZeros.__name__: _BoundedZeros},
            safe_mode=True,
        )
    if not isinstance(model, keras.Model):
        raise TypeError(f"config.json describes a {type(model).__name__}, which is not a network")
    _use_stock_initializers(model)
    _check_outputs(model)
    model.load_weights(path)
    if not all(np.isfinite(value).all() for value in model.get_weights()):
        raise ValueError("weights that are not finite numbers")
    return model


class _BoundedZeros(keras.initializers.Zeros):
    """Zeros, of at most as many bytes in all variables together as :meth:`limit` gives."""

    _bytes_left = threading.local()

    @classmethod
    @contextmanager
    def limit(cls, num_bytes: int) -> Iterator[None]:
        cls._bytes_left.value = num_bytes
        yield

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        self._bytes_left.value -= math.prod(shape) * _VALUE_BYTES
        if self._bytes_left.value < 0:
            raise ValueError("weights that are larger than their file")
        return super().__call__(shape, dtype)


def _zero_initializers(config: Any) -> Any:
    """Return a network's configuration with every initializer replaced by zeros."""
    if isinstance(config, list):
        return [_zero_initializers(value) for value in config]
    if not isinstance(config, dict):
        return config
    if config.get("module") == "keras.initializers":
        name = _BoundedZeros.__name__
        return config | {"module": __name__, "class_name": name, "registered_name": name, "config": {}}
    return {key: _zero_initializers(value) for key, value in config.items()}


def _use_stock_initializers(model: keras.Model) -> None:
    for layer in model.layers:
        for name, value in list(vars(layer).items()):
            if isinstance(value, _BoundedZeros):
                setattr(layer, name, keras.initializers.Zeros())


def _check_outputs(model: keras.Model) -> None:
    """Check that no layer asks for more memory than a network for faces needs."""
    for layer in model.layers:
        shapes = [tensor.shape for node in layer._inbound_nodes for tensor in node.output_tensors]
        if any(math.prod(size or 1 for size in shape) > _MOST_VALUES for shape in shapes):
            raise ValueError(f"layer {shorten(layer.name, 30)} has more than {_MOST_VALUES} values for a face")

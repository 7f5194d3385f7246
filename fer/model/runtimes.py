"""What runs a network: Keras, or ONNX Runtime on a file that `invoke export` wrote of the same weights.

ONNX Runtime needs neither Keras nor its backend, so that a fresh process answers sooner; one face takes less time.
"""

import abc
import os
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np

from fer.config import read_json
from fer.errors import ModelError, SettingsError
from fer.files import compute_digest
from fer.model.batching import BATCH_SIZES
from fer.runs import Run, name_card

if TYPE_CHECKING:
    import keras

RuntimeName = Literal["auto", "onnx", "keras"]
#: Environment variable that replaces "auto".
VARIABLE = "FER_RUNTIME"
#: Suffix of files for ONNX Runtime.
ONNX_SUFFIX = ".onnx"


class Runtime(abc.ABC):
    """A network that is ready to run.

    Attributes:
        name: what runs it, such as "ONNX Runtime" or "Keras on jax".
        num_heads: number of heads.
        num_params: number of weights.
        calibrations: content of the ``calibration.json`` that the file itself holds; empty if it holds none.
    """

    name: str
    num_heads: int
    num_params: int
    calibrations: Mapping[str, Any] = MappingProxyType({})

    @abc.abstractmethod
    def predict_heads(self, faces: np.ndarray, *, batch_sizes: tuple[int, ...] = BATCH_SIZES) -> np.ndarray:
        """Return the probabilities of every head before calibration.

        Args:
            faces: uint8 or float32 (N, 48, 48), 0..255, N at least 1.
            batch_sizes: allowed sizes of a batch, ascending.

        Returns:
            float32 (N, heads, 7).
        """

    @abc.abstractmethod
    def compute_evidence(self, faces: np.ndarray) -> np.ndarray:
        """Return the last feature maps, weighted as for each logit.

        Args:
            faces: as for :meth:`predict_heads`.

        Returns:
            float32 (N, heads, 7, h, w); the mean over h and w is the logit without its bias.

        Raises:
            ModelError: the network does not end in global average pooling and a dense layer.
        """


def load_runtime(path: Path, name: RuntimeName = "auto") -> Runtime:
    """Load the network of a run, or that of a single file.

    Args:
        path: a run folder, or a ``.keras`` or ``.onnx`` file.
        name: what runs a run's network: 'onnx', 'keras', or 'auto', which takes ONNX Runtime if it is installed, the
            folder has a ``model.onnx`` of the same weights, and ``KERAS_BACKEND`` names no other backend than JAX. The
            environment variable ``FER_RUNTIME`` replaces 'auto'.

    Raises:
        ModelError: the file is missing, damaged, not of this package's form, or not an export of the run's network.
        SettingsError: the name is not valid.
    """
    name = check_runtime_name(name)
    if not os.path.isdir(path):
        return _load_onnx(path) if path.suffix.lower() == ONNX_SUFFIX else _load_keras(path)
    run = Run(path)
    if name == "auto":
        name = "onnx" if _prefers_onnx(run) else "keras"
    if name == "onnx":
        _check_export(run)
        return _load_onnx(run.onnx)
    return _load_keras(run.model)


def check_runtime_name(name: RuntimeName) -> RuntimeName:
    """Return the name of a runtime; for 'auto' that of ``FER_RUNTIME``, if it is set.

    Raises:
        SettingsError: it is not 'auto', 'onnx' or 'keras'.
    """
    source = "runtime" if name != "auto" or VARIABLE not in os.environ else VARIABLE
    chosen = os.environ[VARIABLE] if source == VARIABLE else name
    if chosen not in get_args(RuntimeName):
        raise SettingsError(f"{source} is one of {', '.join(get_args(RuntimeName))}. Received: {chosen!r}.")
    return cast(RuntimeName, chosen)


def _prefers_onnx(run: Run) -> bool:
    """Return whether a run has an export that may run instead of its network, with a warning if it is out of date."""
    if os.environ.get("KERAS_BACKEND", "jax") != "jax" or not run.onnx.is_file() or find_spec("onnxruntime") is None:
        return False
    if _is_current(run):
        return True
    warnings.warn(
        f"{run.onnx} was exported from other weights than {run.model.name}, which runs instead."
        f" Remedy: invoke export --run {run.argument}.",
        stacklevel=4,
    )
    return False


def _check_export(run: Run) -> None:
    if not run.onnx.is_file() or not _is_current(run):
        received = "one of other weights" if run.onnx.is_file() else "none"
        raise ModelError(
            f"ONNX Runtime needs a {run.onnx.name} of the run's weights. Received: {run.folder} with {received}."
            f" Remedy: invoke export --run {run.argument}."
        )


def _is_current(run: Run) -> bool:
    """Return whether the card of a run's export names the digest of its network; without a network it is current."""
    card = name_card(run.onnx)
    exported = read_json(card).get("model_sha256") if card.is_file() else None
    return not run.model.is_file() or exported == compute_digest(run.model)


def _load_onnx(path: Path) -> Runtime:
    if find_spec("onnxruntime") is None:
        raise ModelError(
            f"An .onnx file needs ONNX Runtime. Received: {path} without it. Remedy: pip install onnxruntime."
        )
    from fer.model.onnx_runtime import OnnxRuntime

    return OnnxRuntime(path)


def wrap_model(model: "keras.Model | Runtime") -> Runtime:
    """Return a network as what runs it."""
    if isinstance(model, Runtime):
        return model
    from fer.model.keras_runtime import KerasRuntime

    return KerasRuntime(model)


def _load_keras(path: Path) -> Runtime:
    # Keras and its backend take seconds to import.
    from fer.model.keras_runtime import load_keras

    return load_keras(path)

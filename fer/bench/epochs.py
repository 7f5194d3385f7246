"""Seconds per epoch of training on a GPU, with one measure after the other that makes it faster (JAX)."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from fer.config import Config, load_config, parse_config
from fer.data import Dataset, load_dataset
from fer.errors import SettingsError
from fer.model.layers import use_techniques
from fer.training import train

#: The first epoch includes compilation.
_EPOCHS = 4


@dataclass(frozen=True)
class Step:
    """A measure, which is added to those before it.

    Args:
        name: what it is.
        training: settings that it changes.
        techniques: of the layers, see :func:`fer.model.layers.uses`.
    """

    name: str
    training: dict[str, Any]
    techniques: tuple[str, ...] = ()


STEPS = (
    Step("batches of 128 from the host", {"engine": "host", "batch_size": 128, "dtype_policy": "float32"}),
    Step("epochs in one program", {"engine": "device"}),
    Step("batches of 512", {"batch_size": 512}),
    Step("bfloat16", {"dtype_policy": "mixed_bfloat16"}),
    Step("1x1 convolutions as matrix products", {}, ("pointwise",)),
)


def run_epoch_bench(preset: str = "teacher", data: str = "fer2013", *, log: Callable[[str], None] = print) -> None:
    """Print the seconds per epoch of a preset after each step.

    Args:
        preset: name of the preset.
        data: name of the prepared data set.
        log: called with each line of output.

    Raises:
        DataError: the data set is missing.
        SettingsError: JAX has no GPU.
    """
    _check_gpu()
    dataset = load_dataset(data)
    training: dict[str, Any] = {}
    for step in STEPS:
        training |= step.training
        seconds = time_epoch(dataset, _shorten(load_config(preset), training), step.techniques)
        log(f"{step.name}: {seconds:.3f} s per epoch of {preset!r}")


def time_epoch(dataset: Dataset, config: Config, techniques: tuple[str, ...]) -> float:
    """Train for the epochs of the settings and return the seconds of the fastest after the first, validation included.

    Args:
        dataset: has train and validation splits.
        config: settings of at least two epochs.
        techniques: of the layers.
    """
    with tempfile.TemporaryDirectory() as folder, use_techniques(techniques):
        run = train(dataset, config, Path(folder) / "run", progress=False, log=lambda line: None)
    return float(run.history["seconds"].iloc[1:].min())


def _shorten(config: Config, training: dict[str, Any]) -> Config:
    phase = {"name": "main", "epochs": _EPOCHS, "learning_rate": 0.001}
    settings = config.model_dump()
    settings["training"] |= {"phases": [phase]} | training
    return parse_config(settings)


def _check_gpu() -> None:
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        if jax.default_backend() == "gpu":
            return
        backend = f"jax on the {jax.default_backend()}"
    raise SettingsError(f"--gpu needs JAX with a GPU. Received: {backend}. Remedy: pip install 'fer-dl[cuda]'.")

"""Saved networks: ``.keras`` files of stock layers with a sha256 beside them, written atomically and verified."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from fer.errors import ModelError
from fer.files import compute_digest, write_atomically
from fer.model.digests import check_digest, find_digest
from fer.model.layers import use_stock_layers


def save_model(model: keras.Model, path: Path) -> None:
    """Write a network atomically as a ``.keras`` file of stock layers, with its sha256 beside it."""
    temporary = path.with_name(f"{path.stem}.tmp.keras")
    use_stock_layers(model).save(temporary)
    write_atomically(find_digest(path), f"{compute_digest(temporary)}  {path.name}\n")
    temporary.replace(path)


def load_model(path: str | Path) -> keras.Model:
    """Read a ``.keras`` file after checking that it is whole and unchanged.

    If there is a file ``<name>.sha256`` beside it, the digest must match. Only stock Keras layers are loaded.

    Raises:
        ModelError: the file is missing, damaged, not a Keras network, or does not match its digest.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"A saved network must exist. Received: {path} (missing). Remedy: run `invoke train`.")
    if not zipfile.is_zipfile(path):
        raise ModelError(
            f"A saved network must be a whole .keras file. Received: {path} (damaged, or another format)."
            " Remedy: restore it, or train a new one with `invoke train`."
        )
    check_digest(path)
    try:
        return _read_network(path)
    except (AttributeError, ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"A saved network must be a whole .keras file. Received: {path} ({reason})."
            " Remedy: restore it, or train a new one with `invoke train`."
        ) from None


def _read_network(path: Path) -> keras.Model:
    """Read a network as Keras does, without drawing initial weights, which the saved ones replace.

    Drawing them, and compiling a JAX program for each of their shapes, is most of the time of Keras' ``load_model``.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    model = keras.saving.deserialize_keras_object(_zero_initializers(config | {"compile_config": None}), safe_mode=True)
    model.load_weights(path)
    return model


def _zero_initializers(config: Any) -> Any:
    """Return a network's configuration with every initializer replaced by zeros."""
    if isinstance(config, list):
        return [_zero_initializers(value) for value in config]
    if not isinstance(config, dict):
        return config
    if config.get("module") == "keras.initializers":
        return config | {"class_name": "Zeros", "config": {}}
    return {key: _zero_initializers(value) for key, value in config.items()}

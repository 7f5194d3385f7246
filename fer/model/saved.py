"""Networks on disk: ``.keras`` files of stock layers with a sha256 beside them, written whole and checked when read."""

import zipfile
from pathlib import Path

import keras

from fer.errors import ModelError
from fer.files import compute_digest, write_atomically
from fer.model.layers import use_stock_layers


def save_model(model: keras.Model, path: Path) -> None:
    """Write a network as a ``.keras`` file of stock layers, whole or not at all, with its sha256 beside it."""
    temporary = path.with_name(f"{path.stem}.tmp.keras")
    use_stock_layers(model).save(temporary)
    write_atomically(path.with_name(f"{path.name}.sha256"), f"{compute_digest(temporary)}  {path.name}\n")
    temporary.replace(path)


def load_model(path: str | Path) -> keras.Model:
    """Read a ``.keras`` file after checking that it is whole, and the one it is said to be.

    Where a file ``<name>.sha256`` stands beside it, its digest must agree. Nothing but stock Keras layers is loaded.

    Raises:
        ModelError: the file is missing, damaged, changed, or no Keras network.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"A saved network must exist. Received: {path} (missing). Remedy: run `invoke train`.")
    if not zipfile.is_zipfile(path):
        raise ModelError(
            f"A saved network must be a whole .keras file. Received: {path} (damaged, or another kind)."
            " Remedy: restore it, or train anew with `invoke train`."
        )
    _check_digest(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"A saved network must be a whole .keras file. Received: {path} ({reason})."
            " Remedy: restore it, or train anew with `invoke train`."
        ) from None


def _check_digest(path: Path) -> None:
    noted = path.with_name(f"{path.name}.sha256")
    if noted.is_file() and noted.read_text(encoding="ascii").split()[0] != compute_digest(path):
        raise ModelError(
            f"A saved network must agree with the digest beside it. Received: {path}, which was changed or damaged."
            " Remedy: restore both files."
        )

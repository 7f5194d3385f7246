"""The origin of figures: the network, the data set, the package versions and the commit they were computed with."""

import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer import __version__
from fer.data.dataset import Dataset
from fer.files import compute_digest
from fer.inference import Classifier
from fer.runs import Run


def describe_network(run: Run, classifier: Classifier) -> dict[str, Any]:
    """Return the name of the network (its run's name if it has no settings), its size, its heads and its digest."""
    return {
        "model": classifier.config.model.name if classifier.config else run.name,
        "params": classifier.num_params,
        "heads": list(classifier.heads),
        "model_sha256": compute_digest(run.model),
    }


def describe_data(dataset: Dataset) -> dict[str, Any]:
    """Return the name, source and fingerprint of a prepared data set, and whether this package drew its faces."""
    return {
        "data": dataset.name,
        "data_source": dataset.source,
        "data_sha256": dataset.fingerprint,
        "is_sample": dataset.is_sample,
    }


def read_versions() -> dict[str, str]:
    """Return the versions of this package, Keras, NumPy and Keras' backend, and the name of the backend."""
    backend = keras.backend.backend()
    versions = {"fer": __version__, "keras": keras.__version__, "numpy": np.__version__, "backend": backend}
    return versions | {backend: import_module(backend).__version__}


def read_git_commit(source: Path = Path(__file__)) -> str | None:
    """Return the checked-out commit of the repository that tracks a source file, or None if none does.

    Args:
        source: a file of the package.
    """
    # An installed package may be inside an unrelated repository, which does not track its files.
    if _run_git(source.parent, "ls-files", "--error-unmatch", source.name) is None:
        return None
    return _run_git(source.parent, "rev-parse", "HEAD")


def _run_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()

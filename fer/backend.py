"""Checks of what is installed: the backend of Keras, before anything imports Keras, and the packages of a task."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from fer.errors import SettingsError
from fer.wording import suggest_name

#: The module that each backend needs.
_MODULES = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}
#: Modules of the dependencies that `requirements-inference.txt` leaves out.
_LEFT_OUT = ("gradio", "huggingface_hub", "jax", "jaxlib", "keras", "matplotlib", "sklearn", "starlette")


def check_backend() -> None:
    """Check the environment variable ``KERAS_BACKEND``; JAX is not required where Keras is not installed.

    Raises:
        SettingsError: it names an unknown backend, or one that is not installed.
    """
    name = os.environ.get("KERAS_BACKEND", "jax")
    if name not in _MODULES:
        raise SettingsError(
            f"KERAS_BACKEND must be {', '.join(_MODULES)}. Received: {name!r}.{suggest_name(name, _MODULES)}"
        )
    if name == "jax" and find_spec("keras") is None:
        return
    if find_spec(_MODULES[name]) is None:
        extra = "" if name == "jax" else f"[{name}]"
        raise SettingsError(
            f"A backend must be installed. Received: KERAS_BACKEND={name} without the package {_MODULES[name]}. Remedy:"
            f" pip install 'fer-dl{extra}', or unset KERAS_BACKEND."
        )


@contextmanager
def explain_missing_packages(task: str) -> Iterator[None]:
    """Turn the failing import of a dependency into an error that says what to install.

    Args:
        task: name of the task that needs the package.

    Raises:
        SettingsError: a package is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _LEFT_OUT:
            raise
        raise SettingsError(
            f"'{task}' needs all dependencies. Received: an installation without {package}. Remedy: pip install fer-dl."
        ) from None

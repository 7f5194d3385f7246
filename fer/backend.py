"""A check that the backend of Keras is known and installed, before anything imports Keras."""

import os
from importlib.util import find_spec

from fer.errors import SettingsError
from fer.wording import suggest_name

#: The module that each backend needs.
_MODULES = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}


def check_backend() -> None:
    """Check the environment variable ``KERAS_BACKEND``.

    Raises:
        SettingsError: it names an unknown backend, or one that is not installed.
    """
    name = os.environ.get("KERAS_BACKEND", "jax")
    if name not in _MODULES:
        raise SettingsError(
            f"KERAS_BACKEND must be {', '.join(_MODULES)}. Received: {name!r}.{suggest_name(name, _MODULES)}"
        )
    if find_spec(_MODULES[name]) is None:
        extra = "" if name == "jax" else f"[{name}]"
        raise SettingsError(
            f"A backend must be installed. Received: KERAS_BACKEND={name} without the package {_MODULES[name]}. Remedy:"
            f" pip install 'fer-dl{extra}', or unset KERAS_BACKEND."
        )

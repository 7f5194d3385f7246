"""JAX versions that are known to compute wrong results."""

import jaxlib.version

from fer.errors import ModelError

#: Versions of jaxlib, JAX's compiler; ``pyproject.toml`` excludes the same ones of jax. 0.10.2 sums wrongly on CPU
#: (jax-ml/jax#39103). 0.11.0 and 0.11.1 are reported to compute wrongly on a GPU (#40633) and are slow on CPU (#37465).
UNSOUND_VERSIONS = ("0.10.2", "0.11.0", "0.11.1")


def check_jax_version() -> None:
    """Refuse to run on a JAX that is known to compute wrong results.

    Raises:
        ModelError: jaxlib is one of :data:`UNSOUND_VERSIONS`.
    """
    version = jaxlib.version.__version__
    if version in UNSOUND_VERSIONS:
        excluded = ",".join(f"!={unsound}" for unsound in UNSOUND_VERSIONS)
        raise ModelError(
            "Networks need a version of JAX that computes correctly."
            f" Received: jaxlib {version}. Remedy: pip install 'jax{excluded},<1'."
        )

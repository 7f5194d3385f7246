import tomllib
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib.version
import numpy as np
import pytest

from fer.errors import ModelError
from fer.model.jax_versions import UNSOUND_VERSIONS, check_jax_version

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def sum_squared_products(rows):
    """A vmapped matrix-vector product and a sum: jaxlib 0.10.2 compiles it wrongly for more than 32,768 rows."""
    matrix = jnp.eye(3, dtype=rows.dtype)
    return jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2))(rows)


def test_installed_jax_sums_correctly():
    rows = np.zeros((32_769, 3), np.float32)
    rows[:, 0] = np.arange(len(rows))
    with jax.default_device(jax.devices("cpu")[0]):
        assert float(sum_squared_products(rows)[-1]) == 1_073_741_824
        assert float(jax.jit(sum_squared_products)(rows)[-1]) == 1_073_741_824


def test_installed_version_is_accepted():
    check_jax_version()


@pytest.mark.parametrize("version", UNSOUND_VERSIONS)
def test_unsound_version_is_refused_in_one_line_with_a_remedy(version, monkeypatch):
    monkeypatch.setattr(jaxlib.version, "__version__", version)
    with pytest.raises(ModelError, match=rf"jaxlib {version}.*pip install 'jax!=0.10.2") as raised:
        check_jax_version()
    assert "\n" not in str(raised.value)


def test_pyproject_excludes_the_same_versions():
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["cuda"]]
    requirements = [requirement for requirement in requirements if requirement.startswith("jax")]
    assert len(requirements) == 2
    for requirement in requirements:
        specifier = requirement.partition(";")[0]
        assert tuple(part[2:] for part in specifier.split(",") if part.startswith("!=")) == UNSOUND_VERSIONS


def test_no_network_is_loaded_or_trained_on_an_unsound_version(monkeypatch):
    """Classifier, teachers and training all compile their networks here."""
    import keras

    from fer.model.forward import compile_forward

    if keras.backend.backend() != "jax":
        pytest.skip("the version of JAX matters on JAX only")
    model = keras.Sequential([keras.Input((1,))])
    monkeypatch.setattr(jaxlib.version, "__version__", UNSOUND_VERSIONS[0])
    with pytest.raises(ModelError, match="jaxlib"):
        compile_forward(model)

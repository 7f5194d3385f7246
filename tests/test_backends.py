"""A saved network gives the same predictions on JAX, TensorFlow and torch, in plain Keras and in the Classifier."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer.data import draw_sample

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "artifacts" / "xception"
MODULE_OF_BACKEND = {"jax": "jax", "tensorflow": "tensorflow", "torch": "torch"}


def run_session(backend, folder):
    if importlib.util.find_spec(MODULE_OF_BACKEND[backend]) is None:
        if os.environ.get("FER_ALL_BACKENDS"):
            pytest.fail(f"{backend} must be installed where FER_ALL_BACKENDS is set")
        pytest.skip(f"needs {backend}: pip install 'fer-dl[{backend}]'")
    faces, out = folder / "faces.npy", folder / f"{backend}.npz"
    if not faces.exists():
        np.save(faces, draw_sample(140).faces[:28])
    if not out.exists():
        command = [sys.executable, ROOT / "tests" / "backend_session.py"]
        environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
        arguments = [SHIPPED / "model.keras", SHIPPED, faces, out]
        subprocess.run([*command, *arguments], env=environment, check=True)
    return np.load(out)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("backends")


def test_the_classifier_equals_plain_keras(folder):
    results = run_session("jax", folder)
    np.testing.assert_allclose(results["heads"], results["plain_heads"], atol=1e-4)
    assert results["plain"].std(axis=0).max() > 0.05


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
@pytest.mark.parametrize(("name", "tolerance"), [("plain", 1e-4), ("heads", 1e-4), ("flip", 1e-4), ("maps", 2e-3)])
def test_predictions_and_maps_equal_those_of_jax(folder, backend, name, tolerance):
    expected, received = run_session("jax", folder), run_session(backend, folder)
    np.testing.assert_allclose(received[name], expected[name], atol=tolerance)


@pytest.mark.backends
@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_an_optimisation_step_equals_that_of_jax(folder, backend):
    expected, received = run_session("jax", folder), run_session(backend, folder)
    np.testing.assert_allclose(received["loss"], expected["loss"], rtol=1e-4)
    np.testing.assert_allclose(received["weights"], expected["weights"], atol=1e-3)

import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fer.config import DegradationConfig, PhaseConfig
from fer.training import degradation

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="the programs are written for JAX")

FULL = PhaseConfig(name="main", epochs=1, learning_rate=0.1)


@pytest.fixture(scope="module")
def faces():
    """Smooth textures and, in the last quarter, noise from pixel to pixel: uint8 (64, 48, 48)."""
    noise = np.random.default_rng(0).uniform(0, 255, (64, 48, 48))
    noise[:48] = 128 + 4 * (gaussian_filter(noise[:48], (0, 1.5, 1.5)) - 128)
    return np.clip(noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "mean", "share"),
    [
        ("blur", 0.01, 0.0),
        ("low_resolution", 0.01, 0.0),
        ("noise", 0.01, 0.0),
        ("gamma", 0.01, 0.0),
        ("light", 0.01, 0.0),
        ("jpeg", 0.5, 0.1),  # libjpeg transforms in integers, so a coefficient may be rounded the other way
        ("occlusion", 1.0, 0.01),  # the border of an ellipse
    ],
)
def test_degraded_faces_are_those_of_the_host(faces, name, mean, share):
    from fer.training import device_degradation

    settings = DegradationConfig(**{name: 1.0})
    parameters = degradation.draw_degradation(len(faces), settings, FULL, epoch=2, seed=3)
    expected = degradation.degrade_faces(faces.astype(np.float32), parameters)
    arrays = device_degradation.convert_degradation(parameters)
    received = np.asarray(device_degradation.degrade_faces(faces.astype(np.float32), arrays))
    difference = np.abs(received - expected)
    assert difference.mean() < mean
    assert (difference > 1.5).mean() <= share
    assert np.abs(expected - faces).mean() > 0.5


def test_faces_without_degradation_do_not_change(faces):
    from fer.training import device_degradation

    parameters = degradation.draw_degradation(len(faces), DegradationConfig(), FULL, epoch=0, seed=0)
    received = device_degradation.degrade_faces(
        faces.astype(np.float32), device_degradation.convert_degradation(parameters)
    )
    np.testing.assert_allclose(received, faces, atol=0.01)

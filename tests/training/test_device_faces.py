import keras
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fer.config import AugmentationConfig, PhaseConfig
from fer.training import augmentation

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="the programs are written for JAX")

FULL = PhaseConfig(name="main", epochs=1, learning_rate=0.1)
SETTINGS = AugmentationConfig(rotation=18.0, shift=0.1, zoom=0.2, contrast=0.3, erasing=0.5, mixup=0.3)


@pytest.fixture(scope="module")
def faces():
    """Smooth textures and, in the last quarter, noise from pixel to pixel: uint8 (64, 48, 48)."""
    noise = np.random.default_rng(0).uniform(0, 255, (64, 48, 48))
    noise[:48] = 128 + 4 * (gaussian_filter(noise[:48], (0, 1.5, 1.5)) - 128)
    return np.clip(noise, 0, 255).astype(np.uint8)


def draw(num_faces, phase=FULL):
    return augmentation.draw_augmentation(num_faces, 48, SETTINGS, phase, epoch=2, seed=3)


def test_augmented_faces_are_those_of_opencv_to_a_grey_level(faces):
    from fer.training import device_faces

    parameters = draw(len(faces))
    expected = augmentation.augment_faces(faces, parameters)
    received = device_faces.augment_faces(faces, device_faces.convert_augmentation(parameters, 48))
    difference = np.abs(np.asarray(received) - expected)
    assert difference.mean() < 0.05
    assert (difference > 1.5).mean() < 1e-3


def test_mixed_faces_are_those_of_the_host(faces):
    from fer.training import device_faces

    parameters, rows = draw(len(faces)), np.arange(5, 40)
    partners = parameters.partner[rows]
    first, second = (augmentation.augment_faces(faces[r], parameters.select(r)) for r in (rows, partners))
    expected = augmentation.mix_faces(first, second, parameters.share[rows])
    arrays, mixture = device_faces.convert_augmentation(parameters, 48), device_faces.convert_mixture(parameters)
    received = device_faces.augment_rows(faces, arrays, mixture, rows)
    assert np.abs(np.asarray(received) - expected).mean() < 0.05


def test_no_mixture_is_kept_where_no_face_is_mixed():
    from fer.training import device_faces

    assert device_faces.convert_mixture(draw(4, FULL.model_copy(update={"mixup": False}))) is None


def test_indices_are_mirrored_at_both_borders_as_often_as_needed():
    from fer.training.device_faces import reflect

    expected = np.pad(np.arange(5), 12, mode="reflect")
    np.testing.assert_array_equal(reflect(np.arange(-12, 17), 5), expected)

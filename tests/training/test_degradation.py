import numpy as np
import pytest

from fer.config import DegradationConfig, PhaseConfig
from fer.training.degradation import degrade_faces, draw_degradation

FULL = PhaseConfig(name="main", epochs=1, learning_rate=0.1)
ALL = {"blur": 1, "low_resolution": 1, "jpeg": 1, "noise": 1, "gamma": 0.8, "light": 1, "occlusion": 1}


def draw(num_faces=12, *, phase=FULL, epoch=0, seed=0, **settings):
    return draw_degradation(num_faces, DegradationConfig(**settings), phase, epoch=epoch, seed=seed)


def make_faces(num_faces=12):
    """Smooth faces with a sharp edge, float32 (N, 48, 48)."""
    ramp = np.linspace(40, 200, 48, dtype=np.float32)
    faces = np.tile(ramp[None, :, None], (num_faces, 1, 48)).copy()
    faces[:, 20:, 24:] = 230.0
    return faces


def measure_edge(faces):
    """The steepest horizontal step of each face."""
    return np.abs(np.diff(faces[:, 35], axis=1)).max(axis=1)


def test_without_degradations_faces_do_not_change():
    faces = make_faces()
    np.testing.assert_allclose(degrade_faces(faces, draw()), faces, atol=1e-3)


def test_strength_zero_disables_all_degradations():
    faces, phase = make_faces(), FULL.model_copy(update={"augmentation_strength": 0.0})
    np.testing.assert_allclose(degrade_faces(faces, draw(phase=phase, **ALL)), faces, atol=1e-3)


@pytest.mark.parametrize("name", ALL)
def test_each_degradation_changes_faces_within_the_grey_range(name):
    faces = make_faces()
    degraded = degrade_faces(faces, draw(**{name: ALL[name]}))
    assert degraded.dtype == np.float32
    assert degraded.min() >= 0
    assert degraded.max() <= 255
    assert (np.abs(degraded - faces).max(axis=(1, 2)) > 1).all()


@pytest.mark.parametrize("name", ["blur", "low_resolution"])
def test_blur_and_low_resolution_soften_edges(name):
    faces = make_faces()
    assert (measure_edge(degrade_faces(faces, draw(**{name: 1}))) < measure_edge(faces) - 3).all()


def test_gamma_keeps_the_order_of_grey_levels():
    faces = make_faces()
    column = degrade_faces(faces, draw(gamma=1.0))[:, :, 0]
    assert (np.diff(column, axis=1) >= 0).all()


def test_uneven_light_is_a_linear_ramp():
    faces = np.full((12, 48, 48), 128.0, np.float32)
    degraded = degrade_faces(faces, draw(light=1))
    np.testing.assert_allclose(np.diff(degraded, n=2, axis=2), 0.0, atol=1e-3)
    np.testing.assert_allclose(degraded.mean(axis=(1, 2)), 128.0, atol=0.1)


def test_occlusion_covers_part_of_the_face_with_one_grey_level():
    faces = make_faces(200)
    degraded = degrade_faces(faces, draw(200, occlusion=1))
    covered = np.abs(degraded - faces) > 1e-3
    shares = covered.mean(axis=(1, 2))
    assert 0.02 < shares.mean() < 0.5
    assert shares.max() < 0.7
    levels = [np.ptp(face[mask]) for face, mask in zip(degraded, covered, strict=True) if mask.any()]
    assert max(levels) < 1e-3


def test_probabilities_are_shares_of_the_faces():
    parameters = draw(4000, blur=0.25, jpeg=0.5)
    assert (parameters.blur > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert (parameters.quality > 0).mean() == pytest.approx(0.5, abs=0.03)


def test_a_face_is_degraded_alike_in_any_batch():
    faces, parameters = make_faces(), draw(**ALL)
    rows = np.array([7, 2])
    np.testing.assert_array_equal(
        degrade_faces(faces[rows], parameters.select(rows)), degrade_faces(faces, parameters)[rows]
    )


def test_seed_and_epoch_decide_the_parameters():
    first, same, later, other = draw(**ALL), draw(**ALL), draw(epoch=1, **ALL), draw(seed=1, **ALL)
    np.testing.assert_array_equal(first.blur, same.blur)
    assert (first.blur != later.blur).any()
    assert (first.blur != other.blur).any()

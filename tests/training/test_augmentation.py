import cv2
import numpy as np
import pytest

from fer.config import AugmentationConfig, PhaseConfig
from fer.training.augmentation import augment_faces, compute_matrices, draw_augmentation, mix_faces, one_opencv_thread

NOTHING = AugmentationConfig(rotation=0, shift=0, zoom=0, flip=False, brightness=0, contrast=0, erasing=0)
FULL = PhaseConfig(name="main", epochs=1, learning_rate=0.1)


def draw(config, num_faces=200, *, phase=FULL, epoch=0, seed=0):
    return draw_augmentation(num_faces, 48, config, phase, epoch=epoch, seed=seed)


def make_faces(num_faces=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_faces, 48, 48), dtype=np.uint8)


def test_without_any_range_a_face_stays_as_it_is():
    faces = make_faces()
    np.testing.assert_allclose(augment_faces(faces, draw(NOTHING, 8)), faces, atol=1e-3)


def test_at_strength_zero_nothing_but_the_mirror_is_left():
    phase = FULL.model_copy(update={"augmentation_strength": 0.0})
    changes = draw(AugmentationConfig(), 8, phase=phase)
    faces = make_faces()
    expected = np.where(changes.flip[:, None, None], faces[:, :, ::-1], faces)
    np.testing.assert_allclose(augment_faces(faces, changes), expected, atol=1e-3)


def test_flip_mirrors_exactly():
    changes = draw(NOTHING.model_copy(update={"flip": True}), 400)
    assert 0.4 < changes.flip.mean() < 0.6
    faces = make_faces(400)
    changed = augment_faces(faces, changes)
    np.testing.assert_allclose(changed[changes.flip], faces[changes.flip][:, :, ::-1], atol=1e-3)


def test_a_pure_shift_moves_pixels_to_the_place_that_its_matrix_says():
    changes = draw(NOTHING, 1)
    changes.shift[0] = (3.0, -2.0)
    faces = make_faces(1)
    changed = augment_faces(faces, changes)[0]
    np.testing.assert_allclose(changed[:46, 3:], faces[0, 2:, :45], atol=1e-3)


def test_a_quarter_turn_is_numpys():
    changes = draw(NOTHING, 1)
    changes.angle[0] = 90.0
    faces = make_faces(1)
    np.testing.assert_allclose(augment_faces(faces, changes)[0], np.rot90(faces[0]), atol=1.5)


def test_the_centre_stays_in_place_under_turn_and_zoom():
    changes = draw(AugmentationConfig(shift=0), 50)
    centre = np.array([23.5, 23.5, 1.0])
    np.testing.assert_allclose(compute_matrices(changes, 48) @ centre, np.full((50, 2), 23.5), atol=1e-9)


def test_every_draw_keeps_to_its_range():
    config = AugmentationConfig(rotation=20, shift=0.1, zoom=0.2, brightness=0.1, contrast=0.3, erasing=0.5, mixup=0.4)
    changes = draw(config, 5000)
    assert np.abs(changes.angle).max() <= 20
    assert np.abs(changes.shift).max() <= 4.8
    assert np.abs(changes.scale - 1).max() <= 0.2
    assert np.abs(changes.brightness).max() <= 25.5
    assert np.abs(changes.contrast - 1).max() <= 0.3
    assert (changes.erased[:, 2] > 0).mean() == pytest.approx(0.5, abs=0.03)
    right, bottom = changes.erased[:, 0] + changes.erased[:, 2], changes.erased[:, 1] + changes.erased[:, 3]
    assert max(right.max(), bottom.max()) <= 48
    assert (changes.share >= 0).all()
    assert (changes.share <= 1).all()
    assert sorted(changes.partner) == list(range(5000))


def test_grey_levels_stay_in_range_and_keep_their_scale():
    config = NOTHING.model_copy(update={"brightness": 1.0, "contrast": 1.0})
    changed = augment_faces(make_faces(64), draw(config, 64))
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert changed.max() > 200


def test_erasing_paints_one_rectangle_of_one_grey():
    changes = draw(NOTHING.model_copy(update={"erasing": 1.0}), 20)
    faces = make_faces(20)
    changed = augment_faces(faces, changes)
    for row, (x, y, width, height) in enumerate(changes.erased):
        assert (changed[row, y : y + height, x : x + width] == np.float32(changes.erased_grey[row])).all()
        untouched = np.ones((48, 48), bool)
        untouched[y : y + height, x : x + width] = False
        np.testing.assert_allclose(changed[row][untouched], faces[row][untouched], atol=1e-3)


def test_changes_are_a_function_of_seed_epoch_and_row():
    config, faces = AugmentationConfig(mixup=0.2), make_faces(30)
    whole = augment_faces(faces, draw(config, 30, epoch=4, seed=2))
    rows = np.array([7, 3, 29])
    again = augment_faces(faces[rows], draw(config, 30, epoch=4, seed=2).select(rows))
    np.testing.assert_array_equal(whole[rows], again)
    for other in ({"epoch": 5, "seed": 2}, {"epoch": 4, "seed": 3}):
        assert (augment_faces(faces, draw(config, 30, **other)) != whole).any()


def test_mixing_is_the_weighted_mean_of_faces_and_of_targets():
    first, second, share = np.full((2, 4, 4), 200.0), np.full((2, 4, 4), 100.0), np.array([0.25, 1.0])
    mixed = mix_faces(first, second, share)
    assert mixed[0] == pytest.approx(np.full((4, 4), 125.0))
    assert mixed[1] == pytest.approx(first[1])
    np.testing.assert_allclose(mix_faces(np.eye(2), np.eye(2)[::-1], share), [[0.25, 0.75], [0.0, 1.0]])


def test_a_phase_without_mixup_keeps_every_face_its_own():
    phase = FULL.model_copy(update={"mixup": False})
    assert (draw(AugmentationConfig(mixup=0.5), phase=phase).share == 1.0).all()


def test_opencv_is_held_to_one_thread_and_let_go():
    before = cv2.getNumThreads()
    with one_opencv_thread():
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before

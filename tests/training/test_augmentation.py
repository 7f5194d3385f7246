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


def test_without_ranges_a_face_does_not_change():
    faces = make_faces()
    np.testing.assert_allclose(augment_faces(faces, draw(NOTHING, 8)), faces, atol=1e-3)


def test_at_strength_zero_faces_are_only_mirrored():
    phase = FULL.model_copy(update={"augmentation_strength": 0.0})
    parameters = draw(AugmentationConfig(), 8, phase=phase)
    faces = make_faces()
    expected = np.where(parameters.flip[:, None, None], faces[:, :, ::-1], faces)
    np.testing.assert_allclose(augment_faces(faces, parameters), expected, atol=1e-3)


def test_flip_mirrors_half_of_the_faces_exactly():
    parameters = draw(NOTHING.model_copy(update={"flip": True}), 400)
    assert 0.4 < parameters.flip.mean() < 0.6
    faces = make_faces(400)
    augmented = augment_faces(faces, parameters)
    np.testing.assert_allclose(augmented[parameters.flip], faces[parameters.flip][:, :, ::-1], atol=1e-3)


def test_a_shift_moves_pixels_along_x_and_y():
    parameters = draw(NOTHING, 1)
    parameters.shift[0] = (3.0, -2.0)
    faces = make_faces(1)
    augmented = augment_faces(faces, parameters)[0]
    np.testing.assert_allclose(augmented[:46, 3:], faces[0, 2:, :45], atol=1e-3)


def test_a_quarter_turn_equals_numpys_rotation():
    parameters = draw(NOTHING, 1)
    parameters.angle[0] = 90.0
    faces = make_faces(1)
    np.testing.assert_allclose(augment_faces(faces, parameters)[0], np.rot90(faces[0]), atol=1.5)


def test_rotation_and_zoom_keep_the_centre():
    parameters = draw(AugmentationConfig(shift=0), 50)
    centre = np.array([23.5, 23.5, 1.0])
    np.testing.assert_allclose(compute_matrices(parameters, 48) @ centre, np.full((50, 2), 23.5), atol=1e-9)


RANGES = AugmentationConfig(rotation=20, shift=0.1, zoom=0.2, brightness=0.1, contrast=0.3, erasing=0.5, mixup=0.4)


@pytest.mark.parametrize(
    ("name", "centre", "largest"),
    [("angle", 0, 20), ("shift", 0, 4.8), ("scale", 1, 0.2), ("brightness", 0, 25.5), ("contrast", 1, 0.3)],
)
def test_parameters_fill_their_ranges(name, centre, largest):
    values = getattr(draw(RANGES, 5000), name) - centre
    assert 0.99 * largest < np.abs(values).max() <= largest


def test_half_the_strength_halves_the_ranges():
    phase = FULL.model_copy(update={"augmentation_strength": 0.5})
    assert 9.9 < np.abs(draw(RANGES, 5000, phase=phase).angle).max() <= 10


def test_erased_rectangles_lie_inside_the_face():
    x, y, width, height = draw(RANGES, 5000).erased.T
    assert min(x.min(), y.min()) >= 0
    assert max((x + width).max(), (y + height).max()) <= 48


def test_erasing_has_its_probability():
    assert (draw(RANGES, 5000).erased[:, 2] > 0).mean() == pytest.approx(0.5, abs=0.03)


def test_shares_of_mixup_lie_between_zero_and_one():
    share = draw(RANGES, 5000).share
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.std() > 0.1


def test_every_face_is_the_partner_of_one_face():
    assert sorted(draw(RANGES, 5000).partner) == list(range(5000))


def test_augmented_grey_levels_are_float32_from_0_to_255():
    config = NOTHING.model_copy(update={"brightness": 1.0, "contrast": 1.0})
    augmented = augment_faces(make_faces(64), draw(config, 64))
    assert augmented.dtype == np.float32
    assert augmented.min() >= 0
    assert augmented.max() <= 255
    assert augmented.max() > 200


def test_erasing_fills_one_rectangle_with_one_grey():
    parameters = draw(NOTHING.model_copy(update={"erasing": 1.0}), 20)
    faces = make_faces(20)
    augmented = augment_faces(faces, parameters)
    for row, (x, y, width, height) in enumerate(parameters.erased):
        assert (augmented[row, y : y + height, x : x + width] == np.float32(parameters.erased_grey[row])).all()
        untouched = np.ones((48, 48), bool)
        untouched[y : y + height, x : x + width] = False
        np.testing.assert_allclose(augmented[row][untouched], faces[row][untouched], atol=1e-3)


def test_the_augmentation_of_a_row_does_not_depend_on_its_batch():
    config, faces = AugmentationConfig(mixup=0.2), make_faces(30)
    whole = augment_faces(faces, draw(config, 30, epoch=4, seed=2))
    rows = np.array([7, 3, 29])
    part = augment_faces(faces[rows], draw(config, 30, epoch=4, seed=2).select(rows))
    np.testing.assert_array_equal(whole[rows], part)


@pytest.mark.parametrize("other", [{"epoch": 5, "seed": 2}, {"epoch": 4, "seed": 3}])
def test_another_epoch_or_seed_gives_another_augmentation(other):
    config, faces = AugmentationConfig(mixup=0.2), make_faces(30)
    first, second = (
        augment_faces(faces, draw(config, 30, **settings)) for settings in ({"epoch": 4, "seed": 2}, other)
    )
    assert (first != second).any()


def test_mixing_is_the_weighted_mean():
    first, second, share = np.full((2, 4, 4), 200.0), np.full((2, 4, 4), 100.0), np.array([0.25, 1.0])
    mixed = mix_faces(first, second, share)
    assert mixed[0] == pytest.approx(np.full((4, 4), 125.0))
    assert mixed[1] == pytest.approx(first[1])
    np.testing.assert_allclose(mix_faces(np.eye(2), np.eye(2)[::-1], share), [[0.25, 0.75], [0.0, 1.0]])


def test_a_phase_without_mixup_mixes_no_face():
    phase = FULL.model_copy(update={"mixup": False})
    assert (draw(AugmentationConfig(mixup=0.5), phase=phase).share == 1.0).all()


def test_opencv_uses_one_thread_inside_the_context_only():
    before = cv2.getNumThreads()
    with one_opencv_thread():
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before

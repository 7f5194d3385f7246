"""The table of corruptions: each grows with its severity and depends on seed, corruption and row only."""

import numpy as np
import pytest

from fer.data import draw_sample
from fer.vision.corruptions import CORRUPTIONS, NUM_SEVERITIES, corrupt_faces


@pytest.fixture(scope="module")
def faces():
    return draw_sample(140).faces[:12]


each_corruption = pytest.mark.parametrize("name", CORRUPTIONS)


def test_the_corruptions_are_those_of_the_documentation():
    assert list(CORRUPTIONS) == [
        "blur",
        "motion_blur",
        "noise",
        "jpeg",
        "low_resolution",
        "dark",
        "bright",
        "light",
        "contrast",
        "occlusion",
        "tilt",
        "yaw",
        "crop_scale",
        "shift",
    ]
    assert all(len(set(corruption.values)) == NUM_SEVERITIES for corruption in CORRUPTIONS.values())


@each_corruption
def test_a_corruption_changes_faces_more_with_each_severity(name, faces):
    differences = [
        np.abs(corrupt_faces(faces, name, severity).astype(float) - faces).mean()
        for severity in range(1, NUM_SEVERITIES + 1)
    ]
    assert differences[0] > 0.3
    assert differences == sorted(differences)


@each_corruption
def test_a_corrupted_face_depends_on_its_row_and_the_seed_only(name, faces):
    corrupted = corrupt_faces(faces, name, 3)
    assert corrupted.dtype == np.uint8
    np.testing.assert_array_equal(corrupt_faces(faces[:5], name, 3), corrupted[:5])
    np.testing.assert_array_equal(corrupt_faces(faces, name, 3), corrupted)


@pytest.mark.parametrize("name", ["motion_blur", "noise", "light", "occlusion", "tilt", "yaw", "crop_scale", "shift"])
def test_another_seed_draws_another_corruption(name, faces):
    assert (corrupt_faces(faces, name, 3) != corrupt_faces(faces, name, 3, seed=1)).any()


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_the_covered_share_is_the_value_of_the_severity(severity):
    grey = np.full((200, 48, 48), 128, np.uint8)
    covered = (corrupt_faces(grey, "occlusion", severity) != 128).mean(axis=(1, 2))
    expected = CORRUPTIONS["occlusion"].values[severity - 1] / 100
    # A cover may have the grey of the face.
    assert np.median(covered) == pytest.approx(expected, abs=0.02)


def test_tilts_go_both_ways(faces):
    tilted = corrupt_faces(np.repeat(faces[:1], 40, axis=0), "tilt", 5)
    assert len({face.tobytes() for face in tilted}) == 2

import numpy as np
import pandas as pd
import pytest
import skimage.data

from fer.errors import ImageError
from fer.vision.alignment import FRAME, align_face
from fer.vision.framing import LANDMARKS, FrameMeasurement, detect_prepared, measure_frame, measure_photo_frame
from fer.vision.yunet import YuNetDetector


@pytest.fixture(scope="module")
def aligned_astronaut() -> FrameMeasurement:
    """The measurement of a face that is in FER2013's frame already."""
    image = skimage.data.astronaut()
    (face,) = YuNetDetector().detect(image)
    crop = align_face(image, face)
    return measure_frame([crop, crop])


def test_an_aligned_face_is_measured_in_the_frame_that_it_was_aligned_to(aligned_astronaut):
    assert aligned_astronaut.side == pytest.approx(FRAME.side, abs=0.15)
    assert np.abs(aligned_astronaut.offset).max() < 0.08


def test_the_eyes_of_an_aligned_face_lie_left_and_right_of_the_middle(aligned_astronaut):
    assert aligned_astronaut.landmarks[0][0] < 24 < aligned_astronaut.landmarks[1][0]


def test_searched_and_detected_faces_are_counted(aligned_astronaut):
    assert (aligned_astronaut.num_faces, aligned_astronaut.num_detected) == (2, 2)
    assert aligned_astronaut.tilt_spread == 0.0


def test_prepared_faces_are_searched_in_order_and_located_in_their_own_pixels():
    image = skimage.data.astronaut()
    crop = align_face(image, YuNetDetector().detect(image)[0])
    missed, detection = detect_prepared([np.zeros((48, 48), np.uint8), crop])
    assert missed is None
    assert detection is not None
    assert 0 < detection.landmarks.min() < detection.landmarks.max() < 48


def test_a_frame_cannot_be_measured_without_faces():
    with pytest.raises(ImageError, match="1 images"):
        measure_frame([np.zeros((48, 48), np.uint8)])


def test_a_photo_frame_cannot_be_measured_without_faces():
    with pytest.raises(ImageError, match="YuNet finds none"):
        measure_photo_frame([np.zeros((48, 48), np.uint8)])


@pytest.fixture(scope="module")
def fer2013_faces(fer2013_folder) -> np.ndarray:
    """The first 600 training faces."""
    table = pd.read_csv(fer2013_folder / "fer2013.csv.gz", nrows=600)
    assert set(table["Usage"]) == {"Training"}
    pixels = " ".join(table["pixels"]).split()
    return np.array(pixels, np.uint8).reshape(-1, 48, 48)


@pytest.mark.realdata
def test_landmarks_of_fer2013_are_those_that_yunet_finds_on_enlarged_faces(fer2013_faces):
    measured = measure_frame(fer2013_faces)
    assert measured.num_detected / measured.num_faces > 0.95
    # Spread of 5 pixels over 600 faces: a standard error of 0.2.
    np.testing.assert_allclose(measured.landmarks, LANDMARKS, atol=0.8)
    assert measured.tilt_spread == pytest.approx(FRAME.kept_tilt, abs=1.0)
    # The box around a face that fills its image is smaller than around the same face in a photo.
    assert measured.side > FRAME.side + 0.03


@pytest.mark.realdata
def test_the_frame_of_crops_is_that_of_faces_in_synthetic_photos(fer2013_faces):
    measured, num_detected = measure_photo_frame(fer2013_faces[:300])
    assert num_detected > 270
    # The frame is a twentieth tighter than the measured one.
    assert FRAME.side == pytest.approx(0.95 * measured.side, abs=0.035)
    np.testing.assert_allclose(measured.offset, FRAME.offset, atol=0.015)

import numpy as np
import pytest
import skimage.data

from fer import Analyzer
from fer.calibration import Calibration
from fer.data.sources.crops import build_face_cropper, crop_whole_image
from fer.vision.images import prepare_face


class UniformClassifier:
    calibration = Calibration()

    def predict(self, faces, flip=False):
        return np.full((len(faces), 7), 1 / 7, np.float32)


def test_a_whole_image_is_one_face():
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    assert np.array_equal(crop_whole_image(image), prepare_face(image)[None])


def test_detected_faces_are_those_of_the_analyzer_bit_for_bit():
    photo = skimage.data.astronaut()
    photo = np.concatenate([photo, photo[:, ::-1]], axis=1)
    faces = build_face_cropper()(photo)
    expected = [face.crop for face in Analyzer(UniformClassifier()).analyze(photo)]
    assert len(expected) == 2
    assert np.array_equal(faces, expected)


def test_a_photo_without_a_face_is_refused():
    with pytest.raises(ValueError, match="no face"):
        build_face_cropper()(np.full((200, 300, 3), 128, np.uint8))

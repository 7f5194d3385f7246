import numpy as np
import pytest

from fer.bench import camera
from fer.bench.camera import build_frame, pan_over, read_portrait
from fer.errors import ImageError
from fer.vision.yunet import build_detector


@pytest.mark.parametrize("num_faces", [1, 5, 6])
def test_frame_holds_as_many_faces_as_asked_for(num_faces):
    frame = build_frame(num_faces)
    assert frame.shape == (480, 640, 3)
    assert frame.dtype == np.uint8
    assert len(build_detector(320).detect(frame)) == num_faces


def test_portrait_fits_the_side_asked_for():
    assert max(read_portrait(120).shape) == 120


def test_missing_portrait_is_an_error_with_a_remedy(monkeypatch):
    monkeypatch.setattr(camera, "find_portrait", lambda: None)
    with pytest.raises(ImageError, match="reinstall matplotlib"):
        build_frame(1)


def test_image_moves_to_the_right_and_back():
    image = np.full((100, 140, 3), 255, np.uint8)
    frames = list(pan_over(image, 4))
    lefts = [int(np.flatnonzero((frame[0] == 255).all(axis=1))[0]) for frame in frames]
    assert lefts == [0, 250, 500, 250]
    assert all(frame.shape == (480, 640, 3) for frame in frames)
    assert all((frame == 255).all(axis=2).sum() == 100 * 140 for frame in frames)

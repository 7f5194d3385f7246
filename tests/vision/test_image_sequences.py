import numpy as np
import pytest
from PIL import Image
from vision_media import draw_frames

from fer.errors import VideoError
from fer.vision.image_sequences import ImageSequence, find_frames


@pytest.fixture
def folder(tmp_path):
    """Twelve images frame_0.png … frame_11.png, of which the names sort in another order than the numbers."""
    for index, frame in enumerate(draw_frames(12)):
        Image.fromarray(frame).save(tmp_path / f"frame_{index}.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def read(sequence, every=1):
    return [(frame.index, round(frame.seconds, 6), round(frame.image.mean() / 4)) for frame in sequence.read(every)]


def test_the_images_of_a_folder_are_its_frames_in_order_of_their_numbers(folder):
    sequence = ImageSequence(find_frames(folder), 10.0)
    assert read(sequence) == [(index, index / 10, index) for index in range(12)]
    assert (sequence.num_read, sequence.num_promised, sequence.num_faults) == (12, 12, 0)


def test_a_numbered_pattern_names_images(folder):
    assert [path.name for path in find_frames(folder / "frame_%d.png")] == [f"frame_{index}.png" for index in range(12)]
    assert [path.name for path in find_frames(folder / "frame_%02d.png")] == ["frame_10.png", "frame_11.png"]
    assert find_frames(folder / "other_%04d.png") == []


def test_a_file_with_a_percent_sign_is_no_pattern(folder):
    (folder / "frame_%d.png").write_bytes((folder / "frame_3.png").read_bytes())
    assert find_frames(folder / "frame_%d.png") == []


def test_every_fifth_image(folder):
    assert read(ImageSequence(find_frames(folder), 10.0), every=5) == [(0, 0.0, 0), (5, 0.5, 5), (10, 1.0, 10)]


def test_an_unreadable_image_is_counted_and_the_others_keep_their_times(folder):
    (folder / "frame_4.png").write_bytes(b"no image")
    sequence = ImageSequence(find_frames(folder), 10.0)
    assert [index for index, _, _ in read(sequence)] == [index for index in range(12) if index != 4]
    assert sequence.num_faults == 1


def test_a_sequence_without_a_readable_image_is_an_error(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(VideoError, match="readable"):
        read(ImageSequence(find_frames(tmp_path), name="a"))


def test_an_image_with_too_many_pixels_is_an_error(folder):
    with pytest.raises(VideoError, match="64x48"):
        next(ImageSequence(find_frames(folder)).read(1, 64 * 48 - 1))


@pytest.mark.parametrize("rate", [0, -1, np.nan, 1e9])
def test_a_rate_that_no_camera_has_is_refused(folder, rate):
    with pytest.raises(VideoError, match="Frames per second"):
        ImageSequence(find_frames(folder), rate)

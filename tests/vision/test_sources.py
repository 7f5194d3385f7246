from pathlib import Path

import pytest
from PIL import Image
from vision_media import draw_frames, write_video

from fer.errors import VideoError
from fer.vision.image_sequences import ImageSequence
from fer.vision.sources import find_sources, name_stem, name_table, open_source
from fer.vision.video import VideoReader


@pytest.fixture
def videos(tmp_path):
    """A folder with two videos, one of them in a folder of its own, and two other files."""
    folder = tmp_path / "videos"
    (folder / "deep").mkdir(parents=True)
    write_video(folder / "a.avi", draw_frames(3))
    write_video(folder / "deep" / "b.MKV", draw_frames(3), format="matroska")
    (folder / "notes.txt").write_text("no video")
    Image.fromarray(draw_frames(1)[0]).save(folder / "photo.png")
    return folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for index, frame in enumerate(draw_frames(3)):
        Image.fromarray(frame).save(folder / f"f_{index:04d}.png")
    return folder


def test_a_folder_of_videos_names_them_and_the_files_left_aside(videos):
    sources = find_sources(str(videos))
    assert sources.videos == [videos / "a.avi", videos / "deep" / "b.MKV"]
    assert sources.is_batch
    assert sources.describe_left_aside() == "Skipped, not videos by their suffix: 2 (notes.txt, photo.png)."


def test_a_folder_of_images_is_one_video(images):
    sources = find_sources(images)
    assert (sources.videos, sources.is_batch) == ([images], False)
    with open_source(images, rate=5.0) as sequence:
        assert isinstance(sequence, ImageSequence)
        assert [frame.seconds for frame in sequence.read()] == [0.0, 0.2, 0.4]


def test_a_pattern_names_videos(videos):
    assert find_sources(str(videos / "**" / "*.[aM]*")).videos == [videos / "a.avi", videos / "deep" / "b.MKV"]


def test_several_inputs_are_a_batch_without_repeats(videos, images):
    sources = find_sources([str(videos / "a.avi"), str(videos / "a.avi"), str(images), "0"])
    assert sources.videos == [videos / "a.avi", images, "0"]
    assert sources.is_batch


def test_a_file_with_brackets_is_no_pattern(videos):
    path = (videos / "a.avi").rename(videos / "[a].avi")
    assert find_sources(str(path)).videos == [path]
    assert not find_sources(str(path)).is_batch


def test_the_home_folder_is_expanded(videos, monkeypatch):
    monkeypatch.setenv("HOME", str(videos))
    assert find_sources("~/a.avi").videos == [videos / "a.avi"]


@pytest.mark.parametrize("source", ["0", 1, "rtsp://camera/1", "http://camera/a.mp4"])
def test_cameras_and_addresses_are_left_as_they_are(source):
    assert find_sources(source).videos == [source]


def test_a_folder_without_video_and_image_is_an_error(tmp_path):
    with pytest.raises(VideoError, match="must hold videos or images"):
        find_sources(str(tmp_path))


def test_no_input_is_an_error():
    with pytest.raises(VideoError, match="At least one video"):
        find_sources([])


def test_a_rate_for_a_video_is_refused(videos):
    with pytest.raises(VideoError, match="--fps"):
        open_source(videos / "a.avi", rate=10.0)


def test_a_video_is_opened_by_the_reader(videos):
    with open_source(videos / "a.avi") as video:
        assert isinstance(video, VideoReader)


@pytest.mark.parametrize(
    ("source", "stem"),
    [
        ("a/talk.one.mp4", "talk.one"),
        ("0", "camera0"),
        ("/dev/video2", "camera2"),
        ("rtsp://c/1", "stream"),
        ("a/frame_%04d.jpg", "frame"),
        ("%d.png", "video"),
    ],
)
def test_the_files_of_a_source_are_named_after_it(source, stem):
    assert name_stem(source) == stem


def test_the_table_is_beside_the_video_or_in_the_working_folder(videos):
    assert name_table(find_sources(str(videos / "a.avi"))) == videos / "a_faces.csv"
    assert name_table(find_sources(str(videos))) == videos / "videos_faces.csv"
    assert name_table(find_sources("0")) == Path("camera0_faces.csv")

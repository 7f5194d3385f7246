import av
import numpy as np
import pytest
from vision_media import draw_frames, write_video

from fer.errors import OutputError, VideoError
from fer.vision.sound import SoundCopier
from fer.vision.video import VideoReader
from fer.vision.video_writer import VideoWriter


def write(path, times, shape=(48, 64, 3), sound=None):
    with VideoWriter(path, 10.0, sound=sound) as writer:
        for index, seconds in enumerate(times):
            writer.write(np.full(shape, 40 + index * 10, np.uint8), seconds)
    return path


def read_sound(path) -> tuple[str, float, float]:
    """Return codec, start and end of a file's sound, from its packets."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.audio
        packets = [packet for packet in container.demux(stream) if packet.size]
        first, last = packets[0], packets[-1]
        return (
            stream.codec_context.name,
            float(first.pts * first.time_base),
            float((last.pts + last.duration) * last.time_base),
        )


def test_an_annotated_video_can_be_read_again(tmp_path):
    path = tmp_path / "deep" / "out.mp4"
    with VideoWriter(path, 20.0) as writer:
        for index in range(10):
            writer.write(np.full((49, 65, 3), index * 20, np.uint8), index / 20)
    with VideoReader(path) as reader:
        frames = [frame.image for frame in reader.read()]
    assert len(frames) == 10
    assert frames[0].shape == (48, 64, 3)
    np.testing.assert_allclose([frame.mean() for frame in frames], np.arange(10) * 20, atol=6)


def test_the_file_is_what_browsers_play(tmp_path):
    """H.264 in yuv420p, with the table of frames before the frames, so that it plays while it is loaded."""
    path = write(tmp_path / "o.mp4", [0.0, 0.1, 0.2])
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_each_frame_is_written_once_at_its_own_time(tmp_path):
    times = [0.0, 0.1, 0.5, 0.51, 0.6, 5.0, 5.1]
    with VideoReader(write(tmp_path / "o.mp4", times)) as reader:
        np.testing.assert_allclose([frame.seconds for frame in reader.read()], times, atol=1e-4)


def test_the_last_frame_is_shown_for_its_duration(tmp_path):
    with VideoWriter(tmp_path / "o.mp4", 10.0) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.0, 0.5)
        writer.write(np.zeros((48, 64, 3), np.uint8), 0.5, 2.0)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert container.duration / 1e6 == pytest.approx(2.5, abs=0.01)


def test_frames_without_time_follow_the_rate(tmp_path):
    with VideoReader(write(tmp_path / "o.mp4", [None] * 4)) as reader:
        np.testing.assert_allclose([frame.seconds for frame in reader.read()], [0, 0.1, 0.2, 0.3], atol=1e-4)


def test_a_frame_of_another_size_is_resized_to_the_first_one(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 10.0) as writer:
        for shape in ((48, 64, 3), (96, 128, 3), (20, 30, 3), (49, 65, 3)):
            writer.write(np.full(shape, 90, np.uint8))
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert {frame.image.shape for frame in reader.read()} == {(48, 64, 3)}
        assert reader.num_read == 4


def test_an_annotated_video_must_be_mp4(tmp_path):
    with pytest.raises(VideoError, match=r"\.mp4"):
        VideoWriter(tmp_path / "out.avi", 20.0)


@pytest.mark.parametrize("name", ["concat:a.mp4", "a%03d.mp4", "[a].mp4", "ü.mp4"])
def test_the_name_of_the_file_is_literal(tmp_path, name):
    write(tmp_path / name, [0.0])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_file_that_cannot_be_written_is_an_output_error_of_one_line(tmp_path):
    (tmp_path / "o.mp4").mkdir()
    with pytest.raises(OutputError, match=r"o\.mp4") as caught:
        write(tmp_path / "o.mp4", [0.0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "codec", "written"),
    [
        ("s.mp4", "aac", "aac"),
        ("s.mkv", "aac", "aac"),
        ("s.ts", "aac", "aac"),
        ("s.mkv", "libopus", "opus"),
        ("s.mkv", "pcm_s16le", "aac"),
        ("s.mkv", "ac3", "aac"),
        ("s.avi", "mp2", "aac"),
    ],
)
def test_the_sound_is_copied_or_encoded_as_aac(tmp_path, name, codec, written):
    video = "mpeg4" if name == "s.avi" else "libx264"
    source = write_video(tmp_path / name, draw_frames(40), codec=video, sound=2.0, sound_codec=codec)
    with VideoReader(source) as reader:
        sound = SoundCopier(source, lambda: reader.start)
        with VideoWriter(tmp_path / "o.mp4", 20.0, sound=sound) as writer:
            for frame in reader.read():
                writer.write(frame.image, frame.seconds)
    name, start, end = read_sound(tmp_path / "o.mp4")
    assert name == written
    assert start == pytest.approx(0.0, abs=0.1)
    assert end == pytest.approx(2.0, abs=0.15)
    assert sound.num_faults == 0
    with VideoReader(tmp_path / "o.mp4") as copy:
        assert sum(1 for _ in copy.read()) == 40


def test_a_video_without_sound_has_a_silent_copy(tmp_path):
    source = write_video(tmp_path / "s.mp4", draw_frames(5), codec="libx264")
    write(tmp_path / "o.mp4", [0.0, 0.1], sound=SoundCopier(source))
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert len(container.streams) == 1


def test_the_sound_of_a_video_that_is_not_written_to_its_end_stops_with_it(tmp_path):
    source = write_video(tmp_path / "s.mp4", draw_frames(60), codec="libx264", sound=3.0)
    writer = VideoWriter(tmp_path / "o.mp4", 20.0, sound=SoundCopier(source))
    for index in range(20):
        writer.write(np.zeros((48, 64, 3), np.uint8), index / 20)
    writer.close(is_whole=False)
    assert read_sound(tmp_path / "o.mp4")[2] == pytest.approx(1.0, abs=0.1)


def test_another_suffix_is_refused_in_one_line(tmp_path):
    with pytest.raises(VideoError, match=r"two\\nlines\.avi") as caught:
        VideoWriter(tmp_path / "two\nlines.avi", 10.0)
    assert "\n" not in str(caught.value)

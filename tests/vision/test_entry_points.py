import itertools
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from vision_media import write_video

from fer.vision.entry_points import _Groups, _IrregularFileError, find_entry
from fer.vision.frame_clock import FrameClock
from fer.vision.video import VideoReader

RATE = 10.0
#: Of key frames every 15 frames, with frames between that refer to later ones.
REORDERED = {"codec": "libx264", "codec_options": {"g": "15", "bf": "2", "sc_threshold": "0"}}
OPEN_GROUPS = {
    "codec": "libx265",
    "codec_options": {"x265-params": "keyint=15:min-keyint=15:bframes=3:open-gop=1:log-level=none"},
}
WITH_ENTRIES = [
    ("a.avi", {}),
    ("a.mp4", REORDERED),
    ("a.mkv", REORDERED),
    ("a.mp4", OPEN_GROUPS),
    ("a.mkv", OPEN_GROUPS),
]


def draw_moving(count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 255, (64, 96, 3)).astype(np.uint8)
    return [np.roll(image, 3 * index, axis=1) for index in range(count)]


def read(path, begin=0.0, every=1, until=None):
    with VideoReader(path) as video:
        video.limit(begin, until)
        frames = list(video.read(every))
        return frames, video


def assert_is_the_end_of_all(path, begin, every=1):
    """Compare the frames from a time on with those of the whole video, to the last bit."""
    frames, video = read(path, begin, every)
    whole, reference = read(path, every=every)
    expected = [frame for frame in whole if frame.seconds >= begin]
    assert [(frame.index, frame.seconds) for frame in frames] == [(frame.index, frame.seconds) for frame in expected]
    assert all(np.array_equal(one.image, other.image) for one, other in zip(frames, expected, strict=True))
    assert (video.num_read, video.start, video.ended_early) == (
        reference.num_read,
        reference.start,
        reference.ended_early,
    )
    return frames


@pytest.mark.parametrize(("name", "options"), WITH_ENTRIES)
@pytest.mark.parametrize(("begin", "every"), [(5.0, 1), (7.3, 1), (7.3, 4)])
def test_frames_from_a_time_on_are_those_of_the_whole_video(tmp_path, name, options, begin, every):
    path = write_video(tmp_path / name, draw_moving(100), RATE, **options)
    assert assert_is_the_end_of_all(path, begin, every)
    entry = find_entry(path, begin, RATE)
    assert entry.index > 0
    assert entry.timestamp - entry.start <= begin


@pytest.mark.parametrize(("name", "options"), [("a.mp4", REORDERED), ("a.ts", REORDERED), ("a.avi", {})])
def test_two_ranges_have_each_frame_once(tmp_path, name, options):
    path = write_video(tmp_path / name, draw_moving(100), RATE, **options)
    frames = [frame for begin, until in ((0.0, 6.0), (6.0, None)) for frame in read(path, begin, until=until)[0]]
    assert [(frame.index, frame.seconds) for frame in frames] == [
        (frame.index, frame.seconds) for frame in read(path)[0]
    ]


def test_frames_before_the_entry_point_are_not_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", draw_moving(100), RATE, **REORDERED)
    decoded = []
    original = VideoReader._decode_packet
    monkeypatch.setattr(
        VideoReader, "_decode_packet", lambda reader, packet: decoded.append(packet) or original(reader, packet)
    )
    frames, _ = read(path, 8.0)
    assert len(frames) == 20
    assert len(decoded) < 30


def test_times_of_a_variable_rate_are_kept(tmp_path):
    times = list(itertools.accumulate(np.random.default_rng(1).uniform(0.02, 0.3, 120).tolist()))
    path = write_video(tmp_path / "a.mkv", draw_moving(120), RATE, times=times, **REORDERED)
    assert find_entry(path, times[80], RATE).index > 50
    assert_is_the_end_of_all(path, times[80])


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "mpeg2video")])
def test_interlaced_frames_are_those_of_the_whole_video(tmp_path, name, codec):
    """But for the first one, whose missing lines are taken from the frames on both sides."""
    options = {"g": "12", "flags": "+ilme+ildct"} | ({"x264opts": "tff=1"} if codec == "libx264" else {})
    path = write_video(tmp_path / name, draw_moving(60), 25.0, codec=codec, codec_options=options)
    assert find_entry(path, 1.5, 25.0).index > 20
    frames, _ = read(path, 1.5)
    expected = [frame for frame in read(path)[0] if frame.seconds >= 1.5]
    assert [(frame.index, frame.seconds) for frame in frames] == [(frame.index, frame.seconds) for frame in expected]
    assert all(np.array_equal(one.image, other.image) for one, other in zip(frames[1:], expected[1:], strict=True))


def test_a_time_before_the_second_key_frame_or_a_single_group_has_no_entry_point(tmp_path):
    path = write_video(tmp_path / "a.mp4", draw_moving(60), RATE, **REORDERED)
    assert find_entry(path, 1.0, RATE) is None
    assert_is_the_end_of_all(path, 1.0)
    path = write_video(tmp_path / "b.mp4", draw_moving(60), RATE, codec="libx264", codec_options={"g": "999"})
    assert find_entry(path, 5.0, RATE) is None
    assert_is_the_end_of_all(path, 5.0)


def test_a_time_after_the_end_gives_no_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", draw_moving(60), RATE, **REORDERED)
    assert assert_is_the_end_of_all(path, 100.0) == []


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "libx264"), ("a.webm", "libvpx"), ("a.h264", "libx264")])
def test_a_file_whose_packets_may_be_no_frames_is_decoded_from_the_start(tmp_path, name, codec):
    path = write_video(tmp_path / name, draw_moving(60), RATE, codec=codec, codec_options={"g": "15"})
    assert find_entry(path, 2.0, RATE) is None
    assert assert_is_the_end_of_all(path, 2.0)


def test_timestamps_that_begin_anew_leave_no_entry_point():
    groups = _Groups(SimpleNamespace(time_base=Fraction(1, 10)), FrameClock(10.0), 15, 15, 14)
    entry, seconds = groups.add([18, 15, 16, 17, 19])
    assert (entry.num_packets, entry.index, entry.timestamp, groups.index) == (15, 18, 1.8, 20)
    assert seconds == pytest.approx(0.3)
    with pytest.raises(_IrregularFileError):
        groups.add([0, 1, 2])
    with pytest.raises(_IrregularFileError):
        groups.add([20, 21, 21])


def test_a_key_frame_that_cannot_be_decoded_leads_to_decoding_from_the_start(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_moving(100), RATE)
    content = path.read_bytes()
    starts = [index for index in range(len(content) - 8) if content[index : index + 4] == b"00dc"]
    damaged = bytearray(content)
    # An image without its tables.
    damaged[starts[50] + 8 : starts[50] + 40] = bytes(32)
    path.write_bytes(damaged)
    entry = find_entry(path, 5.0, RATE)
    assert entry.index == 50
    frames = assert_is_the_end_of_all(path, 5.0)
    assert frames[0].index == 50

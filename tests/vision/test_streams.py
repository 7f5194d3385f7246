import threading

import numpy as np
import pytest
from stream_media import write_irregular_video
from vision_media import draw_frames, write_video

from fer.errors import VideoError
from fer.vision.streams import Limits, Stream
from fer.vision.video import VideoReader


@pytest.fixture
def video(tmp_path):
    with VideoReader(write_video(tmp_path / "a.avi", draw_frames(10), rate=10.0)) as reader:
        yield reader


def read_indices(stream: Stream) -> list[int]:
    return [frame.index for frame, _ in stream]


def test_a_duration_is_the_time_until_the_next_frame(tmp_path):
    with VideoReader(write_irregular_video(tmp_path / "a.mkv")) as video:
        durations = [duration for _, duration in Stream(video)]
    np.testing.assert_allclose(durations, [0.1, 0.1, 1.0, 0.1, 0.1, 0.1], atol=1e-9)


def test_durations_bridge_the_frames_that_are_left_out(video):
    items = [(frame.index, duration) for frame, duration in Stream(video, every=4)]
    assert [index for index, _ in items] == [0, 4, 8]
    np.testing.assert_allclose([duration for _, duration in items], [0.4, 0.4, 0.2])
    assert sum(duration for _, duration in items) == pytest.approx(1.0)


def test_a_stream_without_limits_ends_with_the_video(video):
    stream = Stream(video)
    assert stream.ending is None
    assert read_indices(stream) == list(range(10))
    assert stream.ending == "end"


@pytest.mark.parametrize(
    ("limits", "count"),
    [(Limits(seconds=0.75), 8), (Limits(seconds=0.8), 8), (Limits(frames=3), 3), (Limits(seconds=0.2, frames=3), 2)],
)
def test_a_stream_ends_at_the_first_limit(video, limits, count):
    stream = Stream(video, limits=limits)
    assert read_indices(stream) == list(range(count))
    assert stream.ending == "limit"


@pytest.mark.parametrize("limits", [Limits(frames=10), Limits(seconds=1.0), Limits(pixels=64 * 48)])
def test_a_video_that_just_fits_its_limits_ends_by_itself(video, limits):
    stream = Stream(video, limits=limits)
    assert len(read_indices(stream)) == 10
    assert stream.ending == "end"


def test_the_limit_of_frames_counts_only_frames_that_are_given(video):
    assert read_indices(Stream(video, every=3, limits=Limits(frames=2))) == [0, 3]


def test_a_frame_with_too_many_pixels_is_an_error(video):
    with pytest.raises(VideoError, match="64x48"):
        read_indices(Stream(video, limits=Limits(pixels=64 * 48 - 1)))


def test_a_stream_stops_after_the_current_frame(video):
    stop = threading.Event()
    stream = Stream(video, stop=stop)
    indices = []
    for frame, _ in stream:
        indices.append(frame.index)
        if frame.index == 4:
            stop.set()
    assert indices == [0, 1, 2, 3, 4]
    assert stream.ending == "stopped"


def test_a_stream_that_is_stopped_before_it_starts_gives_no_frame(video):
    stop = threading.Event()
    stop.set()
    stream = Stream(video, stop=stop)
    assert read_indices(stream) == []
    assert stream.ending == "stopped"

import numpy as np
import pytest
from PIL import Image
from vision_media import StubClassifier, StubDetector, draw_frames, write_video

from fer.analysis import Analyzer
from fer.errors import ImageError, SettingsError, VideoError
from fer.reports.baselines import learn_baseline, limit_to, read_baseline
from fer.vision.baseline import Baseline
from fer.vision.streams import Limits, Stream
from fer.vision.tracking import Tracker
from fer.vision.video import VideoReader


@pytest.mark.parametrize(
    ("value", "times"),
    [
        ("0:00-0:05", (0, 5)),
        ("1:02:03 - 1:02:04.5", (3723, 3724.5)),
        ("90-91", (90, 91)),
        ("0.5–1", (0.5, 1)),
        ((2, 3.5), (2, 3.5)),
    ],
)
def test_a_range_is_read(value, times):
    source = read_baseline(value)
    assert (source.start, source.end, source.photo) == (*times, None)


def test_no_baseline_is_none():
    assert read_baseline(None) is None


@pytest.mark.parametrize("value", ["0:05-0:05", "0:05-0:01", (3, 1), (-1, 2), (0, float("nan")), (1,), 5.0, ("a", "b")])
def test_a_range_must_begin_before_it_ends(value):
    with pytest.raises(SettingsError, match=r"before the second\. Received: .* Remedy") as caught:
        read_baseline(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["0:75-2:00", "1:60:00-2:00:00", "1:2:3:4-9:00", ".-3", "1..2-3"])
def test_a_time_has_fewer_than_sixty_seconds_and_minutes(value):
    with pytest.raises(SettingsError, match="h:mm:ss"):
        read_baseline(value)


@pytest.mark.parametrize("value", ["0:05", "-0:05", "0:00-", "neutral.jpg", ""])
def test_anything_else_must_be_a_file(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="existing photo"):
        read_baseline(value)


def test_an_existing_file_is_a_photo(tmp_path):
    (tmp_path / "neutral-1.jpg").write_bytes(b"x")
    assert read_baseline(str(tmp_path / "neutral-1.jpg")).photo == tmp_path / "neutral-1.jpg"


@pytest.mark.parametrize("count", [0, 2])
def test_a_photo_must_show_one_face(tmp_path, count):
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "n.png")
    analyzer = Analyzer(StubClassifier(), StubDetector([(0.0, 0.0, 30.0, 30.0)] * count))
    with pytest.raises(ImageError, match=f"exactly one face.*{count} faces"):
        read_baseline(tmp_path / "n.png").build(analyzer)


def test_the_limits_of_a_stream_stay_where_they_are_lower():
    baseline = Baseline(1.0, 5.0)
    assert limit_to(baseline, Limits(frames=7)) == Limits(seconds=5.0, frames=7)
    assert limit_to(baseline, Limits(seconds=0.0)).seconds == 0.0


def test_a_range_after_the_end_of_the_video_is_an_error(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_frames(12), rate=10.0)
    baseline, analyzer = Baseline(2.0, 3.0), Analyzer(StubClassifier(), StubDetector([]))
    with VideoReader(path) as video, pytest.raises(VideoError, match=r"2 to 3 s of .*1\.2 s are read"):
        learn_baseline(baseline, analyzer, Stream(video, limits=limit_to(baseline, Limits())), Tracker())

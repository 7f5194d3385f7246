import numpy as np
import pytest
from vision_media import StubClassifier, StubDetector, draw_frames, write_video

from fer.analysis import Analyzer
from fer.reports.timeline import MOST_BINS, PersonTime, Timeline
from fer.vision.streams import Stream
from fer.vision.video import VideoReader

HAPPY = np.eye(7)[3]
SAD = np.eye(7)[4]


def test_time_on_screen_is_summed_by_label():
    timeline = Timeline()
    timeline.add_person(1, HAPPY, 0.0, 0.5)
    timeline.add_person(1, SAD, 0.5, 1.5)
    timeline.add_person(2, SAD, 0.5, 1.5)
    assert timeline.people[1].seconds == 2.0
    assert timeline.people[1].shares["happy"] == 0.25
    assert timeline.people[1].shares["sad"] == 0.75
    assert timeline.end == 2.0


def test_a_bin_holds_the_mean_of_its_frames():
    timeline = Timeline()
    for index in range(4):
        timeline.add_person(1, HAPPY if index % 2 else SAD, 0.02 * index, 0.02)
    ((times, means),) = timeline.read_stretches(1)
    np.testing.assert_allclose(times, [0.05])
    np.testing.assert_allclose(means, [(HAPPY + SAD) / 2])


def test_an_absence_cuts_the_curve_in_two():
    timeline = Timeline()
    for seconds in (0.0, 0.12, 5.0, 5.12):
        timeline.add_person(1, HAPPY, seconds, 0.1)
    stretches = timeline.read_stretches(1)
    np.testing.assert_allclose([times for times, _ in stretches], [[0.05, 0.15], [5.05, 5.15]])
    np.testing.assert_allclose([means for _, means in stretches], [[HAPPY, HAPPY]] * 2)


def test_shares_are_described_in_falling_order():
    person = PersonTime(np.array([0.0, 0.0, 0.01, 1.0, 3.0, 0.0, 0.0]))
    assert person.describe_shares() == "sad 75 %, happy 25 %"


def test_a_frame_adds_each_of_its_people(tmp_path):
    analyzer = Analyzer(StubClassifier(), StubDetector([(5.0, 5.0, 25.0, 40.0), (35.0, 5.0, 60.0, 40.0)]))
    timeline = Timeline()
    with VideoReader(write_video(tmp_path / "a.avi", draw_frames(5), rate=10.0)) as video:
        for analyzed in analyzer.analyze_stream(Stream(video)):
            timeline.add(analyzed)
    assert {track_id: round(person.seconds, 3) for track_id, person in timeline.people.items()} == {1: 0.5, 2: 0.5}


def test_memory_does_not_grow_with_the_length():
    timeline = Timeline()
    for index in range(20_000):
        timeline.add_person(1, HAPPY, index * 0.5, 0.5)
    ((times, means),) = timeline.read_stretches(1)
    assert len(times) <= MOST_BINS
    assert times[-1] == pytest.approx(9999.5, abs=timeline.bin_seconds)
    np.testing.assert_allclose(means, np.tile(HAPPY, (len(means), 1)))
    assert timeline.people[1].seconds == pytest.approx(10_000)

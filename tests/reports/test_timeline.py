import numpy as np
import pytest

from fer.reports.timeline import MOST_BINS, Timeline
from fer.reports.timeline_plot import plot_timeline
from fer.vision.images import decode_image

HAPPY = np.eye(7)[3]
SAD = np.eye(7)[4]


def test_time_on_screen_is_counted_by_label():
    timeline = Timeline()
    timeline.add(1, HAPPY, 0.0, 0.5)
    timeline.add(1, SAD, 0.5, 1.5)
    timeline.add(2, SAD, 0.5, 1.5)
    assert timeline.people[1].seconds == 2.0
    assert timeline.people[1].shares["happy"] == 0.25
    assert timeline.people[1].shares["sad"] == 0.75
    assert timeline.people[2].first == 0.5
    assert timeline.end == 2.0


def test_a_bin_holds_the_mean_of_its_frames():
    timeline = Timeline()
    for index in range(4):
        timeline.add(1, HAPPY if index % 2 else SAD, 0.02 * index, 0.02)
    times, rows = timeline.read_person(1)
    np.testing.assert_allclose(times, [0.05])
    np.testing.assert_allclose(rows, [(HAPPY + SAD) / 2])


def test_an_absence_is_a_gap_in_the_curve():
    timeline = Timeline()
    for seconds in (0.0, 0.12, 5.0, 5.12):
        timeline.add(1, HAPPY, seconds, 0.1)
    times, rows = timeline.read_person(1)
    assert (np.diff(times) > 0).all()
    assert np.isnan(rows).all(axis=1).tolist() == [False, False, True, False, False]


def test_memory_does_not_grow_with_the_length():
    timeline = Timeline()
    for index in range(20_000):
        timeline.add(1, HAPPY, index * 0.5, 0.5)
    times, rows = timeline.read_person(1)
    assert len(times) <= MOST_BINS
    assert times[-1] == pytest.approx(9999.5, abs=timeline.bin_seconds)
    np.testing.assert_allclose(rows, np.tile(HAPPY, (len(rows), 1)))
    assert timeline.people[1].seconds == pytest.approx(10_000)


@pytest.mark.parametrize("people", [0, 1, 11])
def test_the_plot_is_a_picture(tmp_path, people):
    timeline = Timeline()
    for number in range(1, people + 1):
        for index in range(5 if number > 1 else 1):
            timeline.add(number, HAPPY, index * 0.3, 0.3)
    path = tmp_path / "plots" / "plot.png"
    plot_timeline(timeline, path, title="a video")
    image = decode_image(path)
    assert image.shape[1] > 800
    # The colour of happy, #E69F00, fills an area wherever there is a person.
    assert ((image == (0xE6, 0x9F, 0x00)).all(-1).sum() > 500) == (people > 0)

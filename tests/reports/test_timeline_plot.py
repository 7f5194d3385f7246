import numpy as np
import pytest

from fer.reports.timeline import Timeline
from fer.reports.timeline_plot import plot_timeline
from fer.vision.images import decode_image

HAPPY = np.eye(7)[3]
#: The colour of "happy", #E69F00.
ORANGE = (0xE6, 0x9F, 0x00)


def count_orange(path) -> int:
    return int((decode_image(path) == ORANGE).all(-1).sum())


@pytest.mark.parametrize("people", [0, 1, 11])
def test_the_plot_has_an_area_for_each_expression_that_occurs(tmp_path, people):
    timeline = Timeline()
    for track_id in range(1, people + 1):
        for index in range(5 if track_id > 1 else 1):
            timeline.add_person(track_id, HAPPY, index * 0.3, 0.3)
    path = tmp_path / "plots" / "plot.png"
    plot_timeline(timeline, path, title="a video")
    assert decode_image(path).shape[1] > 800
    assert (count_orange(path) > 500) == (people > 0)


def test_a_single_bin_after_an_absence_is_drawn(tmp_path):
    areas = []
    for last in ((), (5.05,)):
        timeline = Timeline()
        for seconds in (0.0, 0.15, *last):
            timeline.add_person(1, HAPPY, seconds, 0.15)
        timeline.end = 10.0
        plot_timeline(timeline, tmp_path / "plot.png")
        areas.append(count_orange(tmp_path / "plot.png"))
    assert areas[1] > 1.2 * areas[0]

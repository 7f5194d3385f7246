import re
import xml.etree.ElementTree

import numpy as np
import pytest

from fer.app.pages import charts
from fer.labels import COLORS, EXPRESSIONS


def read_paths(shapes):
    return [path.attrib for path in xml.etree.ElementTree.fromstring(f"<svg>{shapes}</svg>")]


def test_a_line_goes_up_with_its_values():
    (path,) = read_paths(charts.draw_line([0, 0.5, 1], [0, 0.25, 1], "fer-line-1", dashes="2 3"))
    assert path["d"] == "M0,1000 500,750 1000,0"
    assert path["class"] == "fer-line fer-line-1"
    assert path["style"] == "stroke-dasharray:2 3"


def test_a_chart_escapes_its_texts():
    words = {"x_ticks": {0: "<b>"}, "y_ticks": {1: "<i>"}, "x_label": "<u>", "y_label": "<s>"}
    html = charts.render_chart("", title="<script>", description="<svg>", **words)
    assert set(re.findall(r"<(\w+)", html)) == {"div", "p", "svg", "title", "desc", "path", "span"}


def test_labels_are_text_of_the_page():
    html = charts.render_chart("", title="a", description="b", x_ticks={0.5: "5"}, y_ticks={0.25: "1 %"})
    assert '<span class="fer-x" style="left:50.0%">5</span>' in html
    assert '<span class="fer-y" style="bottom:25.0%">1 %</span>' in html
    assert 'd="M0,750H1000M500,0V1000"' in html


def test_stacked_areas_reach_from_the_bottom_to_the_sum_of_the_lower_ones():
    means = np.array([[0.5, 0.5, 0, 0, 0, 0, 0], [0.25, 0.75, 0, 0, 0, 0, 0]])
    paths = read_paths(charts.draw_stretches([(np.array([0.0, 2.0]), means)], 0.0, 4.0, 1.0))
    areas = {path["fill"]: path["d"] for path in paths}
    assert areas[COLORS["angry"]] == "M0,1000L0,500 500,750L500,1000Z"
    assert areas[COLORS["disgust"]] == "M0,1000L0,0 500,0L500,1000Z"
    # The lowest one is drawn last, over the others.
    assert [path["fill"] for path in paths] == [COLORS[name] for name in reversed(EXPRESSIONS)]


@pytest.mark.parametrize("time", [0.0, 3.0])
def test_a_single_bin_is_as_wide_as_a_bin(time):
    (path, *_) = read_paths(charts.draw_stretches([(np.array([time]), np.eye(7)[:1])], -1.0, 4.0, 1.0))
    left, right = int(path["d"].split(",")[0][1:]), int(path["d"].split("L")[-1].split(",")[0])
    assert right - left == 200

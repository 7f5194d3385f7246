import re

import numpy as np

from fer.app.pages import video
from fer.labels import EXPRESSIONS
from fer.reports.timeline import Timeline


def build_timeline(people, seconds=12.0):
    """Return a timeline of people who are sad in its first half and happy in the second."""
    timeline = Timeline()
    for time in np.arange(0.0, seconds, 0.1):
        name = "sad" if time < seconds / 2 else "happy"
        for person in range(1, people + 1):
            timeline.add_person(person, np.eye(7)[EXPRESSIONS.index(name)], time, 0.1)
    return timeline


def test_the_timeline_names_each_person_and_tells_the_changes():
    html = video.render_timeline(build_timeline(2))
    assert re.findall(r"<title>(.*?)</title>", html) == [f"Person {n}, expressions over time" for n in (1, 2)]
    assert re.findall(r"<span>(#\d)</span>", html) == ["#1", "#2"]
    assert re.findall(r"<desc>(sad from 0\.\d s, happy from 6\.\d s)\.</desc>", html)


def test_the_timeline_counts_the_people_that_it_does_not_draw():
    html = video.render_timeline(build_timeline(video.MOST_PEOPLE + 3))
    assert html.count("<svg") == video.MOST_PEOPLE
    assert "and 3 more in the table" in html


def test_a_video_without_people_has_no_timeline():
    assert video.render_timeline(Timeline()) == ""


def test_labels_of_the_time_are_few_and_round():
    for seconds in (0.4, 3.0, 12.0, 59.0, 119.9):
        labels = video.list_ticks(seconds)
        assert 1 <= len(labels) <= 7
        assert all(0 <= position < 1 for position in labels)
    assert list(video.list_ticks(12.0).values()) == ["0", "2 s", "4 s", "6 s", "8 s", "10 s"]


def test_many_changes_are_counted():
    rows = np.eye(7)[[index % 7 for index in range(40)]]
    text = video.describe_changes([(np.arange(40.0), rows)])
    assert text.startswith("angry from 0.0 s, disgust from 1.0 s")
    assert text.endswith(f"and {40 - 12} more changes")

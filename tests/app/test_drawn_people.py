import itertools

import numpy as np
import pytest

from fer import Analyzer
from fer.app import drawn_people
from fer.app.examples import FILM
from fer.labels import EXPRESSIONS
from fer.vision.streams import Stream
from fer.vision.video import VideoReader


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer()


def test_every_person_of_the_group_is_answered_rightly(analyzer):
    faces = analyzer.analyze(drawn_people.draw_group())
    rows = sorted(faces, key=lambda face: (face.box[1] > 250, face.box[0]))
    assert [face.label for face in rows] == [name for name, _ in drawn_people.GROUP]
    assert {face.label for face in faces} == set(EXPRESSIONS)
    assert not any(face.uncertain for face in faces)


def test_the_film_is_what_its_code_draws():
    # H.264 changes flat drawings by little.
    with VideoReader(FILM) as video:
        assert video.rate == drawn_people.RATE
        shown = [frame.image for frame in video.read()]
    assert FILM.stat().st_size < 300_000
    frames = list(drawn_people.draw_film())
    assert len(shown) == len(frames)
    for index in range(0, len(frames), 20):
        difference = np.abs(shown[index].astype(int) - frames[index].astype(int))
        assert difference.mean() < 4


def test_an_expression_of_the_film_blends_into_the_next():
    frames = list(itertools.islice(drawn_people.draw_film(), round(4 * drawn_people.RATE)))
    before, during, after = (frames[round(seconds * drawn_people.RATE)].astype(int) for seconds in (2.9, 3.2, 3.8))
    assert 0 < np.abs(during - before).mean() < np.abs(after - before).mean()


def test_the_people_of_the_film_are_answered_rightly_in_every_scene(analyzer):
    length = drawn_people.SCENE_SECONDS
    counts = np.zeros((len(drawn_people.SCENES), 2), int)
    with VideoReader(FILM) as video:
        for analyzed in analyzer.analyze_stream(Stream(video)):
            scene, seconds = divmod(analyzed.frame.seconds, length)
            people = sorted(analyzed.faces, key=lambda face: face.box[0])
            assert len(people) == 2
            assert people[0].track_id != people[1].track_id
            if seconds > 2:
                for index, name in enumerate(drawn_people.SCENES[int(scene)]):
                    assert people[index].label == name
                    assert not people[index].uncertain
                    counts[int(scene), index] += 1
    assert counts.min() > 8

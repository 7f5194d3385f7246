import numpy as np

from fer import Analyzer
from fer.app import examples
from fer.app.drawn_people import draw_group
from fer.vision.images import decode_image


def test_examples_are_two_people_a_drawn_group_and_a_film(tmp_path):
    people, group = examples.write_examples(tmp_path / "examples")
    film = examples.write_film(tmp_path / "examples")
    assert {path.parent for path in (people, group, film)} == {tmp_path / "examples"}
    assert decode_image(people).shape == examples.build_portraits().shape
    np.testing.assert_array_equal(decode_image(group), draw_group())
    assert film.read_bytes() == examples.FILM.read_bytes()


def test_the_portrait_comes_with_matplotlib():
    assert "mpl-data" in examples.find_portrait().parts


def test_without_the_portrait_the_astronaut_is_alone(monkeypatch):
    monkeypatch.setattr(examples, "find_portrait", lambda: None)
    np.testing.assert_array_equal(examples.build_portraits(), decode_image(examples.ASTRONAUT))


def test_the_two_people_have_different_certain_answers():
    faces = Analyzer().analyze(examples.build_portraits())
    assert {face.label for face in faces} == {"happy", "neutral"}
    assert not any(face.uncertain for face in faces)

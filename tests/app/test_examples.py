import numpy as np

from fer import Analyzer
from fer.app import examples
from fer.vision.images import decode_image


def test_examples_are_two_people_and_a_drawn_sheet(tmp_path):
    people, sheet = examples.write_examples(tmp_path / "examples")
    assert people.parent == sheet.parent == tmp_path / "examples"
    assert decode_image(people).shape == examples.build_group().shape
    np.testing.assert_array_equal(decode_image(sheet), examples.draw_sheet())


def test_the_portrait_comes_with_matplotlib():
    assert "mpl-data" in examples.find_portrait().parts


def test_without_the_portrait_the_astronaut_is_alone(monkeypatch):
    monkeypatch.setattr(examples, "find_portrait", lambda: None)
    np.testing.assert_array_equal(examples.build_group(), decode_image(examples.ASTRONAUT))


def test_the_two_people_have_different_certain_answers():
    faces = Analyzer().analyze(examples.build_group())
    assert {face.label for face in faces} == {"happy", "neutral"}
    assert not any(face.uncertain for face in faces)


def test_every_drawn_face_is_answered_rightly():
    faces = Analyzer().analyze(examples.draw_sheet())
    columns = sorted(faces, key=lambda face: (face.box[1] > 200, face.box[0]))
    assert [face.label for face in columns] == [name for name, _ in examples.DRAWN_FACES]
    assert not any(face.uncertain for face in faces)

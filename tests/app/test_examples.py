import numpy as np

from fer.app import examples
from fer.vision.images import decode_image


def test_examples_are_a_portrait_and_a_drawn_sheet(tmp_path):
    portrait, sheet = examples.write_examples(tmp_path / "examples")
    assert portrait.parent == sheet.parent == tmp_path / "examples"
    assert portrait.read_bytes() == examples.find_portrait().read_bytes()
    np.testing.assert_array_equal(decode_image(sheet), examples.draw_sheet())


def test_the_portrait_comes_with_matplotlib():
    assert "mpl-data" in examples.find_portrait().parts


def test_a_missing_portrait_leaves_the_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "find_portrait", lambda: None)
    (sheet,) = examples.write_examples(tmp_path)
    assert sheet.is_file()

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

from fer.errors import SettingsError
from fer.labels import COLORS, EXPRESSIONS
from fer.vision.annotation import describe_face, draw, draw_activation, draw_faces
from fer.vision.faces import Face


def make_face(box, label="happy", confidence=0.9, uncertain=False, track_id=None):
    probabilities = np.full(7, 0.1 / 6, np.float32)
    probabilities[EXPRESSIONS.index(label)] = confidence
    return SimpleNamespace(
        box=box, label=label, confidence=confidence, uncertain=uncertain, track_id=track_id, probabilities=probabilities
    )


def find_color(image: np.ndarray, label: str) -> np.ndarray:
    return (image == ImageColor.getrgb(COLORS[label])).all(-1)


def test_a_box_has_the_colour_of_its_label():
    image = np.full((200, 300, 3), 90, np.uint8)
    drawn = draw_faces(image, [make_face((100, 80, 160, 150), "surprise")], bars=False)
    marked = find_color(drawn, "surprise")
    assert marked[115, 98:103].any()
    assert marked[115, 158:163].any()
    assert not marked[90:140, 105:155].any()


def test_the_given_image_is_unchanged():
    image = np.full((200, 300, 3), 90, np.uint8)
    draw_faces(image, [make_face((50, 40, 150, 150))])
    assert (image == 90).all()


@pytest.mark.parametrize("label", EXPRESSIONS)
def test_the_longest_bar_is_that_of_the_label(label):
    image = np.zeros((400, 600, 3), np.uint8)
    drawn = draw_faces(image, [make_face((100, 80, 260, 280), label, 0.9)])[:, 275:]
    lengths = {name: _count_near(drawn, ImageColor.getrgb(COLORS[name])) for name in EXPRESSIONS}
    assert max(lengths, key=lengths.get) == label


def _count_near(image: np.ndarray, color: tuple[int, ...]) -> int:
    # The panel is blended with a fifth of the image, which is black here.
    return int((np.abs(image.astype(int) - np.array(color) * 0.8).max(-1) <= 2).sum())


def test_only_a_large_face_gets_bars():
    image = np.zeros((400, 600, 3), np.uint8)
    small, large = make_face((100, 80, 140, 130)), make_face((100, 80, 260, 280))
    np.testing.assert_array_equal(draw_faces(image, [small]), draw_faces(image, [small], bars=False))
    assert (draw_faces(image, [large]) != draw_faces(image, [large], bars=False)).any()


def test_captions_and_bars_do_not_cover_other_faces_if_they_fit_beside_them():
    image = np.zeros((600, 900, 3), np.uint8)
    faces = [make_face((100, 300, 220, 440)), make_face((260, 300, 380, 440), "sad")]
    drawn = draw_faces(image, faces)
    for face in faces:
        x_min, y_min, x_max, y_max = face.box
        assert (drawn[y_min + 8 : y_max - 8, x_min + 8 : x_max - 8] == 0).all()


def test_a_caption_has_label_and_confidence():
    assert describe_face(make_face((0, 0, 1, 1))) == "happy 90 %"


def test_a_caption_has_track_number_and_question_mark_of_an_uncertain_face():
    assert describe_face(make_face((0, 0, 1, 1), "fear", 0.314, True, 2)) == "#2 fear? 31 %"


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(st.tuples(*[st.floats(-100, 300) for _ in range(4)]), max_size=4),
)
def test_any_box_can_be_drawn_in_any_image(height, width, boxes):
    image = np.zeros((height, width, 3), np.uint8)
    faces = [make_face((min(a, c), min(b, d), max(a, c), max(b, d)), "fear", 0.5, True, 9) for a, b, c, d in boxes]
    drawn = draw_faces(image, faces)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert not image.any()


def test_the_activation_map_colours_only_active_pixels():
    crop = np.full((48, 48), 120, np.uint8)
    activation = np.zeros((48, 48), np.float32)
    activation[:12, :12] = 1.0
    drawn = draw_activation(crop, activation, side=96)
    assert drawn.shape == (96, 192, 3)
    assert (drawn[:, :96] == 120).all()
    assert (drawn[60:, 96 + 60 :] == 120).all()
    active = drawn[5, 96 + 5].astype(int)
    assert active[0] > active[2] + 50


FACE = Face((20.0, 60.0, 100.0, 140.0), 0.9, None, np.eye(7, dtype=np.float32)[3], "happy", 1.0, False)


def test_draw_takes_a_file_and_draws_as_on_its_pixels(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "photo.png")
    np.testing.assert_array_equal(draw(tmp_path / "photo.png", [FACE]), draw_faces(image, [FACE]))
    assert not np.array_equal(draw(image, [FACE], bars=False), image)


@pytest.mark.parametrize("faces", [FACE, (FACE,), iter([FACE])])
def test_draw_takes_one_face_or_several(faces):
    image = np.zeros((200, 200, 3), np.uint8)
    np.testing.assert_array_equal(draw(image, faces), draw_faces(image, [FACE]))


@pytest.mark.parametrize("faces", [None, "photo.jpg", [[FACE]], [FACE, FACE.to_dict()], np.zeros((2, 4))])
def test_draw_refuses_what_is_no_face_in_one_line(faces):
    with pytest.raises(SettingsError, match=r"fer\.Face .* Received: .* Remedy: .*fer\.Analyzer\.analyze") as caught:
        draw(np.zeros((200, 200, 3), np.uint8), faces)
    assert "\n" not in str(caught.value)

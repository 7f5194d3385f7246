import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from app_media import build_stub_analyzer
from PIL import Image

from fer.app.pages.photo import MOST_CARDS, SHOWN_SIDE, draw_photo, render_photo, sort_faces


def render(image, boxes, name="photo.png"):
    return render_photo(image, build_stub_analyzer(boxes).analyze(image), (), name)


def read_link(html, media_type):
    link = html.split(f"data:{media_type};base64,")[1].split('"')[0]
    return base64.b64decode(link)


@pytest.fixture(scope="module")
def large_photo():
    return np.full((1600, 3200, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def large_update(large_photo):
    return render(large_photo, [(320, 320, 640, 640)])


def test_a_large_photo_is_drawn_smaller(large_photo):
    annotated = draw_photo(large_photo, build_stub_analyzer([(320, 320, 640, 640)]).analyze(large_photo))
    assert annotated.shape == (SHOWN_SIDE // 2, SHOWN_SIDE, 3)
    columns = np.flatnonzero((annotated != 90).any(axis=(0, 2)))
    assert columns.min() == pytest.approx(160, abs=6), "the box is drawn at half the size"


def test_the_table_of_a_large_photo_has_its_original_pixels(large_update):
    table = pd.read_csv(io.BytesIO(read_link(large_update.downloads, "text/csv")))
    assert table["x_min"].tolist() == [320.0]


def test_the_saved_image_is_as_large_as_the_one_shown(large_update):
    saved = Image.open(io.BytesIO(read_link(large_update.downloads, "image/jpeg")))
    assert saved.size == (SHOWN_SIDE, SHOWN_SIDE // 2)


def test_boxes_and_cards_carry_the_same_numbers(large_photo):
    boxes = [(320, 320, 640, 640), (1600, 320, 1920, 640)]
    update = render(large_photo, boxes)
    places = re.findall(r"left:([\d.]+)%;top:([\d.]+)%;width:([\d.]+)%;height:([\d.]+)%.*?<b>(\d+)</b>", update.image)
    assert [tuple(map(float, place)) for place in places] == [(10, 20, 10, 20, 1), (50, 20, 10, 20, 2)]
    assert re.findall(r"Face (\d+)</span>", update.cards) == ["1", "2"]


def test_faces_are_numbered_from_left_to_right(large_photo):
    boxes = [(1600, 320, 1920, 640), (320, 320, 640, 640)]
    faces = sort_faces(build_stub_analyzer(boxes).analyze(large_photo))
    assert [face.box[0] for face in faces] == [320, 1600]


@pytest.fixture(scope="module")
def crowd_update():
    boxes = [(20 * (i % 10), 20 * (i // 10), 20 * (i % 10) + 18, 20 * (i // 10) + 18) for i in range(MOST_CARDS + 5)]
    return render(np.full((140, 200, 3), 90, np.uint8), boxes)


def test_a_crowd_gets_sixty_cards(crowd_update):
    assert crowd_update.cards.count("<article") == MOST_CARDS == 60
    assert "and 5 more in the table" in crowd_update.cards


def test_the_table_of_a_crowd_has_every_face(crowd_update):
    assert len(pd.read_csv(io.BytesIO(read_link(crowd_update.downloads, "text/csv")))) == MOST_CARDS + 5

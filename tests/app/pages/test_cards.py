import re
from dataclasses import replace

import numpy as np
import pytest
from app_media import build_stub_analyzer
from skimage.color import deltaE_ciede2000, rgb2lab

from fer.app.live import LiveFrame, LiveSession, RollingTimeline
from fer.app.pages import cards
from fer.errors import ImageError
from fer.labels import COLORS, EXPRESSIONS
from fer.vision.images import decode_image


@pytest.fixture(scope="module")
def face():
    return build_stub_analyzer().analyze(np.full((64, 64, 3), 90, np.uint8))[0]


def test_a_data_address_brings_the_picture_back():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    np.testing.assert_array_equal(decode_image(cards.read_data_url(cards.encode_data_url(image, kind="PNG"))), image)


@pytest.mark.parametrize(
    "url",
    ["", "https://a.example/x.jpg", "data:text/html;base64,AAAA", "data:image/png;base64,?!", "file:///etc/passwd"],
)
def test_only_data_addresses_of_pictures_are_read(url):
    with pytest.raises(ImageError, match=r"data address.*Remedy: reload the page"):
        cards.read_data_url(url)


def test_texts_from_outside_are_escaped():
    assert "<script>" not in cards.render_notice("<script>", kind="error")
    assert 'role="alert"' in cards.render_notice("x", kind="error")
    assert "alert" not in cards.render_notice("x")


def test_a_card_says_what_speaks_against_the_answer(face):
    doubtful = replace(face, uncertain=True, warnings=("small", "profile"))
    shown = cards.render_card(doubtful, 1)
    assert f"{face.label}?" in shown
    for text in ("uncertain", "small face", "turned away"):
        assert f">{text}</b>" in shown
    plain = cards.render_card(replace(face, uncertain=False, warnings=()), 1)
    assert "fer-chip" not in plain
    assert f"{face.label}?" not in plain


def test_seven_bars_have_the_package_colours_and_the_strongest_is_marked(face):
    bars = cards.render_bars(face.probabilities)
    assert re.findall(r"background:(#\w+)", bars) == [COLORS[name] for name in EXPRESSIONS]
    (top,) = re.findall(r'fer-top"><th scope=row>(\w+)', bars)
    assert top == face.label
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", bars)]
    assert widths == pytest.approx([100 * value for value in face.probabilities], abs=0.06)


#: How linear RGB looks to dichromats: Vienot, Brettel and Mollon (1999) for red and green, Machado (2009) for blue.
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    "tritanopia": [[1.25553, -0.07675, -0.17878], [-0.07841, 0.93081, 0.14760], [0.00473, 0.69137, 0.30390]],
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_colours_stay_apart_for_the_colour_blind(sight):
    rgb = np.array([[int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)] for code in COLORS.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHTS[sight]).T, 0, 1)
    lab = rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)[None])[0]
    distances = [deltaE_ciede2000(a, b) for i, a in enumerate(lab) for b in lab[:i]]
    # 2.3 is just noticed side by side.
    assert min(distances) > 3 * 2.3


def test_nobody_is_said_in_photos_and_live():
    assert "No face was found" in cards.render_cards([])
    nobody = LiveFrame(np.zeros((8, 8, 3), np.uint8), [], [], 3, 9.96, False)
    assert "No face in view" in cards.render_live(nobody)
    status = cards.render_status(nobody, 12.34)
    assert "no face" in status
    assert 'data-frame="3"' in status
    assert "<b>10.0</b> frames/s" in status
    assert "<b>12</b> ms" in status


def test_a_map_stands_beside_the_crop(face):
    assert cards.render_card(face, 1).count("<img") == 1
    assert cards.render_card(face, 1, np.ones((48, 48), np.float32)).count("<img") == 2
    with pytest.raises(ValueError, match="zip"):
        cards.render_cards([face, face], [np.ones((48, 48), np.float32)])


def test_the_timeline_draws_four_people_and_counts_the_rest():
    assert "last 30 seconds" in cards.render_timeline(RollingTimeline())
    boxes = [(60 * i, 8, 60 * i + 32, 40) for i in range(6)]
    session = LiveSession(build_stub_analyzer(boxes), lambda: 1.0)
    session.process(np.full((64, 400, 3), 90, np.uint8))
    shown = cards.render_timeline(session.timeline)
    assert shown.count("<svg") == cards.MOST_PEOPLE == 4
    assert "and 2 more" in shown
    assert all(COLORS[name] in shown for name in EXPRESSIONS)

import re
from dataclasses import replace

import numpy as np
import pytest
from app_media import build_stub_analyzer
from skimage.color import deltaE_ciede2000, rgb2lab

from fer.app.live import LiveFrame, LiveSession, RollingTimeline
from fer.app.pages import cards
from fer.labels import COLORS, EXPRESSIONS
from fer.wording import format_probability


@pytest.fixture(scope="module")
def face():
    return build_stub_analyzer().analyze(np.full((64, 64, 3), 90, np.uint8))[0]


def test_a_notice_escapes_its_text():
    assert "<script>" not in cards.render_notice("<script>")


def test_only_an_error_is_announced_by_screen_readers():
    assert 'role="alert"' in cards.render_notice("x", kind="error")
    assert "alert" not in cards.render_notice("x")


def test_a_card_shows_uncertainty_and_warnings(face):
    card = cards.render_card(replace(face, uncertain=True, warnings=("small", "profile")), 1)
    assert f"{face.label}?" in card
    assert '<p class="fer-unsure">Unsure: ' in card
    for text in ("small face", "turned away"):
        assert f">{text}</b>" in card


def set_probabilities(face, **options):
    shares = np.array([options.pop(name, 0.0) for name in EXPRESSIONS])
    index = int(shares.argmax())
    options = {"uncertain": False, "warnings": ()} | options
    return replace(face, probabilities=shares, label=EXPRESSIONS[index], confidence=shares[index], **options)


def test_a_card_leads_with_the_answer_then_the_runner_up(face):
    card = cards.render_card(set_probabilities(face, happy=0.995, sad=0.004, fear=0.001), 3)
    text = re.sub(r"<[^>]+>", " ", card)
    assert re.search(r"Face 3\s+happy\s+&gt; 99 %\s+then sad, &lt; 1 %\s+angry", text)


@pytest.mark.parametrize(
    ("options", "doubt"),
    [
        ({"sad": 0.4, "neutral": 0.35, "fear": 0.25}, "neutral is nearly as likely"),
        (
            {"sad": 0.4, "neutral": 0.15, "fear": 0.15, "angry": 0.15, "happy": 0.15},
            "several expressions share the rest",
        ),
        ({"sad": 0.9, "neutral": 0.1, "warnings": ("dark",)}, "the face is nearly black"),
    ],
)
def test_a_card_says_why_its_answer_is_uncertain(face, options, doubt):
    assert f"Unsure: {doubt}." in cards.render_card(set_probabilities(face, uncertain=True, **options), 1)


def test_a_card_without_warnings_has_no_chips(face):
    card = cards.render_card(replace(face, uncertain=False, warnings=()), 1)
    assert "fer-chip" not in card
    assert "Unsure" not in card
    assert f"{face.label}?" not in card


def test_a_card_shows_both_answers(face):
    row = np.roll(face.probabilities, 1)
    card = cards.render_card(replace(face, baseline_probabilities=row), 1)
    label = EXPRESSIONS[int(row.argmax())]
    assert f"relative to the neutral face: <b>{label}</b> {format_probability(row.max())}" in card
    assert card.count("fer-bars") == 2
    assert "neutral face" not in cards.render_card(face, 1)


def test_bars_have_the_colours_of_the_expressions(face):
    bars = cards.render_bars(face.probabilities)
    assert re.findall(r"background:(#\w+)", bars) == [COLORS[name] for name in EXPRESSIONS]


def test_bars_are_as_wide_as_the_probabilities(face):
    widths = [float(width) for width in re.findall(r"width:([\d.]+)%", cards.render_bars(face.probabilities))]
    assert widths == pytest.approx([100 * value for value in face.probabilities], abs=0.06)


def test_the_most_probable_bar_is_marked(face):
    (top,) = re.findall(r'fer-top"><th scope=row>(\w+)', cards.render_bars(face.probabilities))
    assert top == face.label


#: Linear RGB as dichromats see it: Vienot, Brettel and Mollon (1999) for red and green, Machado (2009) for blue.
VISIONS = {
    "trichromacy": np.eye(3),
    "protanopia": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    "deuteranopia": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    "tritanopia": [[1.25553, -0.07675, -0.17878], [-0.07841, 0.93081, 0.14760], [0.00473, 0.69137, 0.30390]],
}


@pytest.mark.parametrize("vision", VISIONS)
def test_the_colours_differ_for_the_colour_blind(vision):
    rgb = np.array([[int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)] for code in COLORS.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    perceived = np.clip(linear @ np.array(VISIONS[vision]).T, 0, 1)
    lab = rgb2lab(np.where(perceived <= 0.0031308, perceived * 12.92, 1.055 * perceived ** (1 / 2.4) - 0.055)[None])[0]
    distances = [deltaE_ciede2000(a, b) for i, a in enumerate(lab) for b in lab[:i]]
    # 2.3 is the just noticeable difference.
    assert min(distances) > 3 * 2.3


def test_a_photo_without_faces_gives_a_notice():
    assert "No face was found" in cards.render_cards([])


@pytest.fixture
def empty_frame():
    return LiveFrame(np.zeros((8, 8, 3), np.uint8), [], [], 3, 9.96, False)


def test_a_frame_without_faces_gives_a_notice(empty_frame):
    assert "No face in view" in cards.render_live(empty_frame)


def test_the_status_shows_frame_rate_latency_and_faces(empty_frame):
    status = cards.render_status(empty_frame, 12.34)
    assert "no face" in status
    assert 'data-frame="3"' in status
    assert "<b>10.0</b> frames/s" in status
    assert "<b>12</b> ms" in status


def test_an_activation_map_is_a_second_image_of_the_card(face):
    assert cards.render_card(face, 1).count("<img") == 1
    assert cards.render_card(face, 1, np.ones((48, 48), np.float32)).count("<img") == 2


def test_cards_need_an_activation_map_for_each_face(face):
    with pytest.raises(ValueError, match="zip"):
        cards.render_cards([face, face], [np.ones((48, 48), np.float32)])


def test_an_empty_timeline_gives_a_notice():
    assert "last 30 seconds" in cards.render_timeline(RollingTimeline())


def test_the_timeline_draws_four_people_and_counts_the_rest():
    boxes = [(60 * i, 8, 60 * i + 32, 40) for i in range(6)]
    session = LiveSession(build_stub_analyzer(boxes), lambda: 1.0)
    session.process(np.full((64, 400, 3), 90, np.uint8))
    timeline = cards.render_timeline(session.timeline)
    assert timeline.count("<svg") == cards.MOST_PEOPLE == 4
    assert "and 2 more" in timeline
    assert all(COLORS[name] in timeline for name in EXPRESSIONS)

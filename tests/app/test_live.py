import numpy as np
import pytest
from app_media import build_stub_analyzer

from fer.app.live import (
    BASELINE_SECONDS,
    BIN_SECONDS,
    LEAST_TEXT,
    MOST_FRAME_SIDE,
    WINDOW_SECONDS,
    LiveSession,
    RollingTimeline,
    choose_text_size,
)
from fer.errors import ImageError
from fer.labels import EXPRESSIONS


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def build_session(**options):
    clock = Clock()
    return LiveSession(build_stub_analyzer(**options), clock), clock


def draw_frame(grey=90, side=64):
    return np.full((side, side, 3), grey, np.uint8)


def test_a_person_keeps_the_number_and_frames_are_counted():
    session, clock = build_session()
    for _ in range(12):
        shown = session.process(draw_frame())
        clock.now += 0.1
    assert [face.track_id for face in shown.faces] == [1]
    assert shown.number == 12
    assert shown.rate == pytest.approx(10.0)


def test_a_mirrored_view_shows_the_box_on_the_other_side_and_renumbers_nobody():
    session, clock = build_session()
    shown = []
    for mirror in (False, True, False):
        shown.append(session.process(draw_frame(), mirror=mirror))
        clock.now += 0.1
    assert [[face.track_id for face in each.faces] for each in shown] == [[1]] * 3
    columns = [np.flatnonzero((each.image != 90).any(axis=(0, 2))) for each in shown]
    assert columns[1].mean() == pytest.approx(63 - columns[0].mean(), abs=2)


def test_the_first_frame_has_no_rate():
    session, _ = build_session()
    assert session.process(draw_frame()).rate == 0.0


def test_the_timeline_is_drawn_twice_a_second():
    session, clock = build_session()
    drawn = []
    for _ in range(20):
        drawn.append(session.process(draw_frame()).draw_timeline)
        clock.now += 0.1
    assert sum(drawn) == 4


def test_two_sessions_share_nothing_but_the_analyzer():
    analyzer = build_stub_analyzer()
    one, other = LiveSession(analyzer, Clock()), LiveSession(analyzer, Clock())
    for _ in range(3):
        one.process(draw_frame(10))
    assert other.process(draw_frame(200)).number == 1
    assert one.timeline.read_people().keys() == {1}
    np.testing.assert_allclose(
        other.timeline.read_people()[1][0][1][0], other.process(draw_frame(200)).faces[0].probabilities, atol=1e-6
    )


def test_a_bin_of_the_timeline_has_the_mean_of_its_frames():
    session, _ = build_session()
    rows = [session.process(draw_frame(grey)).faces[0].probabilities for grey in (10, 60)]
    ((times, means),) = session.timeline.read_people()[1]
    np.testing.assert_allclose(means, [np.mean(rows, axis=0)], atol=1e-6)
    assert times.tolist() == [0.0]


def test_the_timeline_drops_what_is_older_than_its_window():
    session, clock = build_session()
    session.process(draw_frame())
    clock.now += WINDOW_SECONDS + 2 * BIN_SECONDS
    session.timeline.add(clock.now - 100.0, [])
    assert session.timeline.read_people() == {}


def test_an_absence_cuts_the_curve_in_two():
    timeline = RollingTimeline()
    session, _ = build_session()
    face = session.process(draw_frame()).faces[0]
    for seconds in (0.0, 0.5, 3.0):
        timeline.add(seconds, [face])
    stretches = timeline.read_people()[1]
    assert [times.tolist() for times, _ in stretches] == [[-3.0, -2.5], [0.0]]


def test_a_frame_without_faces_is_shown():
    session, _ = build_session(find=())
    assert session.process(draw_frame()).faces == []


def test_a_large_frame_is_reduced_in_size():
    session, _ = build_session(find=())
    assert max(session.process(np.zeros((1000, 2 * MOST_FRAME_SIDE, 3), np.uint8)).image.shape) == MOST_FRAME_SIDE


def test_a_broken_frame_is_an_error_and_is_not_counted():
    session, _ = build_session()
    with pytest.raises(ImageError):
        session.process(b"no image")
    assert session.num_frames == 0


def test_activation_maps_are_computed_on_request():
    session, _ = build_session()
    assert session.process(draw_frame()).activations == []
    (activation,) = session.process(draw_frame(), explain=True).activations
    assert activation.shape == (48, 48)


def run_session(session, clock, seconds, grey=90):
    """Process ten frames a second and return the last one."""
    for _ in range(round(seconds * 10)):
        clock.now += 0.1
        shown = session.process(draw_frame(grey))
    return shown


def test_a_neutral_face_is_learnt_for_some_seconds_and_then_taken_off():
    session, clock = build_session()
    run_session(session, clock, 1.0)
    session.start_baseline()
    shown = run_session(session, clock, 1.5)
    assert "2 s" in shown.notice
    assert shown.faces[0].baseline_probabilities is None
    shown = run_session(session, clock, BASELINE_SECONDS)
    assert shown.notice == ""
    assert shown.faces[0].baseline_label in EXPRESSIONS
    assert (shown.faces[0].baseline_probabilities != shown.faces[0].probabilities).any()


def test_a_neutral_face_is_forgotten_on_request():
    session, clock = build_session()
    session.start_baseline()
    run_session(session, clock, BASELINE_SECONDS + 1)
    session.clear_baseline()
    shown = run_session(session, clock, 0.1)
    assert (shown.faces[0].baseline_probabilities, shown.notice) == (None, "")


def test_a_neutral_face_that_was_not_seen_is_asked_for_again():
    session, clock = build_session(find=())
    session.start_baseline()
    assert "No face was seen" in run_session(session, clock, BASELINE_SECONDS + 1).notice


def test_a_neutral_face_does_not_count_for_another_person():
    session, clock = build_session()
    session.start_baseline()
    run_session(session, clock, BASELINE_SECONDS + 1)
    session.analyzer.detector.list_boxes = lambda image: [(30, 40, 62, 62)]
    shown = run_session(session, clock, 0.2)
    assert shown.faces[0].baseline_probabilities is None
    assert "left the view" in shown.notice


def test_a_neutral_face_belongs_to_one_visitor():
    analyzer, clock = build_stub_analyzer(), Clock()
    one, other = LiveSession(analyzer, clock), LiveSession(analyzer, clock)
    one.start_baseline()
    run_session(one, clock, BASELINE_SECONDS + 1)
    assert other.process(draw_frame()).faces[0].baseline_probabilities is None


@pytest.mark.parametrize(("width", "shown_width"), [(640, 358.0), (640, 1280.0), (1280, 358.0)])
def test_captions_have_the_least_size_on_the_screen(width, shown_width):
    size = choose_text_size(width, shown_width)
    assert LEAST_TEXT <= size * shown_width / width < LEAST_TEXT + 2 * shown_width / width


@pytest.mark.parametrize("shown_width", [None, 0, -5, float("nan")])
def test_an_unknown_width_gives_captions_for_a_frame_shown_as_it_is(shown_width):
    assert choose_text_size(640, shown_width) == LEAST_TEXT


def test_a_frame_on_a_narrow_screen_has_larger_captions():
    frame = np.full((240, 320, 3), 90, np.uint8)
    session = LiveSession(build_stub_analyzer(((100, 100, 150, 150),)))
    wide, narrow = (session.process(frame, shown_width=width).image for width in (640, 160))
    changed = [np.flatnonzero((image[:95] != 90).any(axis=(1, 2))).size for image in (wide, narrow)]
    assert changed[1] > changed[0] > 0

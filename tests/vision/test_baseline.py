import numpy as np
import pytest
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.calibration import NEUTRAL_LOG_ODDS, compute_log_odds
from fer.labels import EXPRESSIONS
from fer.vision.baseline import PSEUDO_SECONDS, Baseline, RestingFace

NEUTRAL = np.array(NEUTRAL_LOG_ODDS)
SAD, NEUTRAL_INDEX = EXPRESSIONS.index("sad"), EXPRESSIONS.index("neutral")


def build_row(name, share=0.7):
    row = np.full(7, (1 - share) / 6, np.float32)
    row[EXPRESSIONS.index(name)] = share
    return row


def rest(row, seconds):
    resting = RestingFace()
    resting.add(row, seconds)
    return resting


@pytest.fixture
def faces():
    """Two people, of whom the first has the number 1."""
    analyzer = Analyzer(StubClassifier(), StubDetector([(0.0, 0.0, 30.0, 30.0), (60.0, 0.0, 90.0, 30.0)]))
    image = np.full((40, 100, 3), 30, np.uint8)
    return [face.smooth(number, face.probabilities, 0.5) for number, face in enumerate(analyzer.analyze(image), 1)]


def test_a_person_who_looks_sad_at_rest_is_neutral_at_rest():
    row = build_row("sad")
    answer = rest(row, 1000.0).subtract(row, NEUTRAL)
    assert answer.argmax() == NEUTRAL_INDEX
    np.testing.assert_allclose(compute_log_odds(answer), NEUTRAL, atol=0.2)


def test_an_expression_that_is_unlike_the_resting_face_stays():
    assert rest(build_row("sad"), 5.0).subtract(build_row("happy", 0.95), NEUTRAL).argmax() == EXPRESSIONS.index(
        "happy"
    )


def test_a_typical_neutral_face_takes_nothing_off():
    row = np.exp(NEUTRAL) / np.exp(NEUTRAL).sum()
    resting = rest(row, 5.0)
    answer = resting.subtract(build_row("fear"), compute_log_odds(row))
    np.testing.assert_allclose(answer, build_row("fear"), atol=1e-6)


def test_few_frames_change_little_and_many_change_all():
    row = build_row("sad")
    sadness = [float(rest(row, seconds).subtract(row, NEUTRAL)[SAD]) for seconds in (1e-3, 0.04, 1.0, 5.0, 100.0)]
    assert sadness == sorted(sadness, reverse=True)
    assert sadness[0] == pytest.approx(row[SAD], abs=0.01)
    assert sadness[1] > 0.6
    assert sadness[-1] < 0.2


def test_the_pseudo_count_halves_the_offset():
    assert rest(build_row("sad"), PSEUDO_SECONDS).weight == 0.5
    assert RestingFace().weight == 0.0


def test_a_face_that_was_never_seen_takes_nothing_off():
    row = build_row("sad")
    assert RestingFace().subtract(row, NEUTRAL) is row


def test_the_order_and_number_of_frames_do_not_matter_but_the_seconds_do():
    once, often = rest(build_row("sad"), 2.0), RestingFace()
    for _ in range(50):
        often.add(build_row("sad"), 0.04)
    np.testing.assert_allclose(
        once.subtract(build_row("fear"), NEUTRAL), often.subtract(build_row("fear"), NEUTRAL), atol=1e-6
    )


@pytest.mark.parametrize("share", [1.0, 0.0])
def test_certain_answers_stay_finite(share):
    answer = rest(build_row("sad", share), 5.0).subtract(build_row("sad", 1 - share), NEUTRAL)
    assert np.isfinite(answer).all()
    assert answer.sum() == pytest.approx(1.0, abs=1e-6)
    assert answer.dtype == np.float32


def test_a_baseline_answers_only_after_its_range(faces):
    baseline = Baseline(1.0, 2.0)
    answers = [baseline.update(faces, seconds, 0.5, NEUTRAL) for seconds in (0.5, 1.0, 1.5, 2.0)]
    assert [face.baseline_probabilities is not None for frame in answers for face in frame] == [False] * 6 + [True] * 2
    assert baseline.num_frames == 2
    assert baseline.people[1].seconds == pytest.approx(1.0)


def test_a_person_outside_the_range_has_no_answer(faces):
    baseline = Baseline(0.0, 1.0)
    baseline.update(faces[:1], 0.0, 0.5, NEUTRAL)
    first, second = baseline.update(faces, 1.0, 0.5, NEUTRAL)
    assert first.baseline_label in EXPRESSIONS
    assert (second.baseline_probabilities, second.baseline_label) == (None, None)


def test_the_plain_answer_stays(faces):
    baseline = Baseline(photo=faces[0])
    for before, after in zip(faces, baseline.update(faces, 0.0, 0.1, NEUTRAL), strict=True):
        assert (after.label, after.confidence, after.track_id) == (before.label, before.confidence, before.track_id)
        np.testing.assert_array_equal(after.probabilities, before.probabilities)


def test_a_photo_counts_for_everybody_from_the_first_frame(faces):
    baseline = Baseline(photo=faces[0])
    assert baseline.is_known
    assert baseline.is_photo
    assert all(face.baseline_label for face in baseline.update(faces, 0.0, 0.1, NEUTRAL))


def test_a_baseline_learns_from_single_frames_and_is_applied_to_smoothed_ones(faces):
    (face, _), smoothed = faces, build_row("fear")
    baseline = Baseline(0.0, 1.0)
    baseline.update([face], 0.0, 2.0, NEUTRAL)
    (after,) = baseline.update([face.smooth(1, smoothed, 0.5)], 1.0, 0.1, NEUTRAL)
    expected = rest(face.raw_probabilities, 2.0).subtract(smoothed, NEUTRAL)
    np.testing.assert_allclose(after.baseline_probabilities, expected)

import numpy as np
import pytest
import scipy.special

from fer.calibration import (
    NEUTRAL_LOG_ODDS,
    Calibration,
    apply_calibration,
    apply_temperature,
    calibrate,
    choose_threshold,
    compute_log_loss,
    compute_log_odds,
    compute_softmax,
    fit_neutral_log_odds,
    fit_smoothing,
    fit_temperature,
    remove_smoothing,
)
from fer.evaluation.metrics import compute_reliability
from fer.labels import EXPRESSIONS


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_applying_a_temperature_equals_dividing_the_logits():
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 3
    np.testing.assert_allclose(apply_temperature(softmax(logits), 1.7), softmax(logits / 1.7), atol=1e-6)


def test_a_temperature_of_one_changes_nothing():
    probabilities = softmax(np.random.default_rng(1).normal(size=(20, 7)))
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), probabilities, atol=1e-6)


def test_rows_sum_to_one_after_a_temperature():
    np.testing.assert_allclose(apply_temperature(np.eye(7), 3.0).sum(axis=1), 1.0, atol=1e-6)


def test_the_fitted_temperature_recovers_the_one_that_made_the_labels():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(20_000, 7)) * 2
    y_true = np.array([rng.choice(7, p=row) for row in softmax(logits)])
    assert fit_temperature(softmax(logits * 2.5), y_true) == pytest.approx(2.5, rel=0.05)


def test_removing_smoothing_restores_the_probabilities():
    probabilities = np.random.default_rng(7).dirichlet(np.full(7, 2.0), 200)
    smoothed = 0.9 * probabilities + 0.1 / 7
    np.testing.assert_allclose(remove_smoothing(smoothed, 0.1), probabilities, atol=2e-3)


def test_removing_no_smoothing_changes_nothing():
    probabilities = np.random.default_rng(7).dirichlet(np.full(7, 2.0), 200)
    np.testing.assert_array_equal(remove_smoothing(probabilities, 0.0), probabilities)


def test_probabilities_below_the_uniform_share_stay_above_zero_and_in_order():
    rows = remove_smoothing(np.array([[0.7, 0.2, 0.06, 0.03, 0.006, 0.003, 0.001]]), 0.2)
    assert (np.diff(rows[0]) < 0).all()
    assert rows.min() > 0
    assert rows.sum() == pytest.approx(1.0)


def draw_smoothed_predictions(smoothing):
    rng = np.random.default_rng(8)
    probabilities = softmax(rng.normal(size=(20_000, 7)) * 2)
    y_true = (probabilities.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    return (1 - smoothing) * probabilities + smoothing / 7, y_true


@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.12])
def test_the_fitted_smoothing_recovers_the_one_of_the_data(smoothing):
    probabilities, y_true = draw_smoothed_predictions(smoothing)
    assert fit_smoothing(probabilities, y_true) == pytest.approx(smoothing, abs=0.02)


def test_removing_smoothing_calibrates_better_than_a_temperature_alone():
    probabilities, y_true = draw_smoothed_predictions(0.12)
    alone = apply_temperature(probabilities, fit_temperature(probabilities, y_true))
    calibrated = apply_calibration(probabilities, calibrate(probabilities, y_true))
    assert compute_reliability(calibrated, y_true).ece < 0.012 < 0.02 < compute_reliability(alone, y_true).ece


def test_calibration_adds_the_offsets_then_divides_by_the_temperature():
    logits, offsets = np.random.default_rng(5).normal(size=(50, 7)), np.linspace(-1, 1, 7)
    calibration = Calibration(offsets=tuple(offsets), temperature=1.7)
    expected = softmax((logits + offsets) / 1.7)
    np.testing.assert_allclose(apply_calibration(softmax(logits), calibration), expected, atol=1e-6)


def test_the_default_calibration_changes_nothing():
    probabilities = softmax(np.random.default_rng(5).normal(size=(50, 7)))
    np.testing.assert_allclose(apply_calibration(probabilities, Calibration()), probabilities, atol=1e-6)


def test_log_loss_of_a_hand_worked_case():
    assert compute_log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])) == pytest.approx(
        -(np.log(0.5) + np.log(0.75)) / 2
    )


def test_weights_weigh_the_rows_of_the_log_loss():
    probabilities, y_true = np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])
    weighted = compute_log_loss(probabilities, y_true, np.array([3.0, 1.0]))
    assert weighted == pytest.approx(-(3 * np.log(0.5) + np.log(0.75)) / 4)


def test_equal_weights_give_the_threshold_without_weights():
    probabilities = softmax(np.random.default_rng(3).normal(size=(1000, 7)))
    weighted = choose_threshold(probabilities, 0.8, np.ones(1000))
    assert weighted == pytest.approx(choose_threshold(probabilities, 0.8), abs=2e-3)


@pytest.mark.parametrize("num_rows", [1, 3, 7, 50])
def test_no_coverage_gives_the_highest_confidence(num_rows):
    rng = np.random.default_rng(num_rows)
    probabilities, weights = rng.dirichlet(np.ones(7), num_rows), rng.random(num_rows)
    assert choose_threshold(probabilities, 0.0, weights) == probabilities.max()


def test_the_threshold_is_reached_by_the_given_share():
    probabilities = softmax(np.random.default_rng(3).normal(size=(1000, 7)))
    threshold = choose_threshold(probabilities, 0.8)
    assert (probabilities.max(axis=1) >= threshold).mean() == pytest.approx(0.8, abs=0.002)


@pytest.fixture(scope="module")
def underconfident():
    """Probabilities (500, 7) whose largest is always right."""
    return softmax(np.random.default_rng(4).normal(size=(500, 7)))


def test_underconfident_probabilities_are_sharpened(underconfident):
    assert 0 < calibrate(underconfident, underconfident.argmax(axis=1)).temperature < 1


def test_the_coverage_is_part_of_the_calibration(underconfident):
    assert calibrate(underconfident, underconfident.argmax(axis=1), coverage=0.75).coverage == 0.75


def test_the_threshold_applies_to_calibrated_probabilities(underconfident):
    calibration = calibrate(underconfident, underconfident.argmax(axis=1), coverage=0.75)
    certain = apply_calibration(underconfident, calibration).max(axis=1) >= calibration.uncertain_below
    assert certain.mean() == pytest.approx(0.75, abs=0.01)
    assert 1 / 7 < calibration.uncertain_below < 1


def test_log_odds_of_a_row_sum_to_zero_and_a_tiny_probability_has_no_extreme_ones():
    log_odds = compute_log_odds(np.array([[0.9, 0.1, 0.0], [0.9, 0.099, 1e-3]]))
    np.testing.assert_allclose(log_odds.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(log_odds[0], log_odds[1], atol=0.15)


def test_the_neutral_log_odds_are_the_mean_of_the_calibrated_neutral_faces(underconfident):
    y_true = underconfident.argmax(axis=1)
    calibration = calibrate(underconfident, y_true)
    neutral = apply_calibration(underconfident, calibration)[y_true == EXPRESSIONS.index("neutral")]
    np.testing.assert_allclose(calibration.neutral_log_odds, compute_log_odds(neutral).mean(axis=0))
    assert calibration.neutral_log_odds != NEUTRAL_LOG_ODDS


def test_without_a_neutral_face_the_neutral_log_odds_are_the_usual_ones(underconfident):
    assert fit_neutral_log_odds(underconfident, np.zeros(500, int)) == NEUTRAL_LOG_ODDS


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_softmax_equals_scipys(scale):
    logits = scale * np.random.default_rng(0).normal(size=(4, 2, 7))
    np.testing.assert_allclose(compute_softmax(logits), scipy.special.softmax(logits, axis=-1), atol=1e-12)

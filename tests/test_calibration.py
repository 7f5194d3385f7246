import numpy as np
import pytest

from fer.calibration import apply_temperature, calibrate, choose_threshold, compute_log_loss, fit_temperature


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_applying_a_temperature_equals_dividing_the_logits():
    logits = np.random.default_rng(0).normal(size=(50, 7)) * 3
    np.testing.assert_allclose(apply_temperature(softmax(logits), 1.7), softmax(logits / 1.7), atol=1e-6)


def test_a_temperature_of_one_changes_nothing_and_rows_sum_to_one():
    probabilities = softmax(np.random.default_rng(1).normal(size=(20, 7)))
    np.testing.assert_allclose(apply_temperature(probabilities, 1.0), probabilities, atol=1e-6)
    np.testing.assert_allclose(apply_temperature(np.eye(7), 3.0).sum(axis=1), 1.0, atol=1e-6)


def test_the_fitted_temperature_recovers_the_one_that_made_the_labels():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(20_000, 7)) * 2
    y_true = np.array([rng.choice(7, p=row) for row in softmax(logits)])
    assert fit_temperature(softmax(logits * 2.5), y_true) == pytest.approx(2.5, rel=0.05)


def test_log_loss_of_a_hand_worked_case():
    assert compute_log_loss(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 1])) == pytest.approx(
        -(np.log(0.5) + np.log(0.75)) / 2
    )


def test_the_threshold_leaves_the_stated_share_certain():
    probabilities = softmax(np.random.default_rng(3).normal(size=(1000, 7)))
    threshold = choose_threshold(probabilities, 0.8)
    assert (probabilities.max(axis=1) >= threshold).mean() == pytest.approx(0.8, abs=0.002)


def test_calibration_holds_both_choices():
    probabilities = softmax(np.random.default_rng(4).normal(size=(500, 7)))
    result = calibrate(probabilities, probabilities.argmax(axis=1), coverage=0.75)
    assert result.coverage == 0.75
    assert 0 < result.temperature < 1
    assert 1 / 7 < result.uncertain_below < 1

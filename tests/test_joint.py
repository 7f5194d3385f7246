import numpy as np
import pytest

from fer.calibration import Calibration, compute_log_odds
from fer.errors import SettingsError
from fer.joint import (
    EXPRESSION_WEIGHTS,
    HEAD_WEIGHTS,
    PRIOR_POWER,
    JointCalibration,
    OperatingPoint,
    apply_joint,
    check_prior,
    combine_heads,
    compute_balanced_weights,
    fit_joint,
)
from fer.labels import EXPRESSIONS

HEADS = ("labels", "votes")
EQUAL = dict.fromkeys(HEADS, (1 / 7,) * 7)
WEIGHTS = np.array([EXPRESSION_WEIGHTS[expression] for expression in EXPRESSIONS])
#: Most faces are neutral, few are disgusted.
SKEWED = dict.fromkeys(HEADS, (0.1, 0.02, 0.08, 0.2, 0.1, 0.1, 0.4))


def draw_probabilities(num_faces, num_heads=2, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(7), (num_faces, num_heads)).astype(np.float32)


def draw_faces(shares, num_faces, seed=0):
    """Classes drawn by their shares, and the exact posteriors of a noisy feature, (N, 2, 7)."""
    rng = np.random.default_rng(seed)
    y_true = rng.choice(7, num_faces, p=shares)
    features = 1.2 * np.eye(7)[y_true] + rng.normal(size=(num_faces, 7))
    likelihoods = np.exp(1.2 * features)
    posteriors = likelihoods * np.array(shares)
    posteriors /= posteriors.sum(axis=1, keepdims=True)
    return np.stack([posteriors, posteriors], axis=1), y_true


def test_equal_shares_give_the_weighted_mean_of_the_heads():
    probabilities = draw_probabilities(20)
    expected = HEAD_WEIGHTS["labels"] * probabilities[:, 0] + HEAD_WEIGHTS["votes"] * probabilities[:, 1]
    np.testing.assert_allclose(combine_heads(probabilities, HEADS, {}, EQUAL, "dataset"), expected, atol=1e-6)


def test_the_weights_of_the_expressions_count_under_every_prior_but_that_of_the_dataset():
    probabilities = draw_probabilities(20, num_heads=1)
    weighted = probabilities[:, 0] * WEIGHTS
    weighted /= weighted.sum(axis=1, keepdims=True)
    for prior in ("balanced", (1 / 7,) * 7):
        np.testing.assert_allclose(combine_heads(probabilities, ("labels",), {}, EQUAL, prior), weighted, atol=1e-6)


def test_the_dataset_prior_ignores_the_shares():
    probabilities = draw_probabilities(20)
    skewed = combine_heads(probabilities, HEADS, {}, SKEWED, "dataset")
    np.testing.assert_allclose(skewed, combine_heads(probabilities, HEADS, {}, EQUAL, "dataset"), atol=1e-9)


def test_one_head_answers_alone():
    probabilities = draw_probabilities(20, num_heads=1)
    np.testing.assert_allclose(
        combine_heads(probabilities, ("votes",), {}, SKEWED, "dataset"), probabilities[:, 0], atol=1e-6
    )


def test_the_balanced_prior_divides_by_the_power_of_the_shares():
    probabilities = draw_probabilities(20, num_heads=1)
    expected = WEIGHTS * probabilities[:, 0] / np.array(SKEWED["labels"]) ** PRIOR_POWER
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(combine_heads(probabilities, ("labels",), {}, SKEWED), expected, atol=1e-6)


def test_seven_equal_numbers_are_the_balanced_prior():
    probabilities = draw_probabilities(20)
    numbers = combine_heads(probabilities, HEADS, {}, SKEWED, (1 / 7,) * 7)
    np.testing.assert_allclose(numbers, combine_heads(probabilities, HEADS, {}, SKEWED, "balanced"), atol=1e-9)


def test_the_shares_of_the_training_data_as_a_prior_leave_the_weights_of_the_expressions():
    probabilities = draw_probabilities(20)
    numbers = combine_heads(probabilities, HEADS, {}, SKEWED, SKEWED["labels"])
    np.testing.assert_allclose(numbers, combine_heads(probabilities, HEADS, {}, EQUAL, "balanced"), atol=1e-9)


def test_smoothing_is_removed_from_each_head():
    probabilities = draw_probabilities(20)
    smoothed = 0.9 * probabilities + 0.1 / 7
    calibrations = {head: Calibration(smoothing=0.1) for head in HEADS}
    np.testing.assert_allclose(
        combine_heads(smoothed, HEADS, calibrations, EQUAL), combine_heads(probabilities, HEADS, {}, EQUAL), atol=2e-2
    )


def test_rows_sum_to_one():
    joint = JointCalibration(class_shares=SKEWED, balanced=OperatingPoint(temperature=1.7))
    answers = apply_joint(draw_probabilities(50), HEADS, {}, joint)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, atol=1e-5)


def test_the_balanced_prior_raises_the_mean_recall_of_skewed_data():
    probabilities, y_true = draw_faces(SKEWED["labels"], 20_000)

    def measure(prior):
        y_pred = combine_heads(probabilities, HEADS, {}, SKEWED, prior).argmax(axis=1)
        return np.mean([(y_pred[y_true == label] == label).mean() for label in range(7)])

    assert measure("balanced") > measure("dataset") + 0.05


def test_the_fit_gives_each_prior_its_coverage():
    probabilities, y_true = draw_faces(SKEWED["labels"], 20_000)
    joint = fit_joint(probabilities, y_true, HEADS, {}, SKEWED, coverage=0.8)
    for prior, weights in (("balanced", compute_balanced_weights(y_true)), ("dataset", None)):
        answers = apply_joint(probabilities, HEADS, {}, joint, prior)
        certain = answers.max(axis=1) >= joint.choose_point(prior).uncertain_below
        assert np.average(certain, weights=weights) == pytest.approx(0.8, abs=0.01)


def test_the_dataset_prior_of_exact_posteriors_needs_no_temperature():
    probabilities, y_true = draw_faces(SKEWED["labels"], 40_000)
    # The feature's likelihood is exact up to the scale 1.2 * 1.2 against its variance of 1.
    assert fit_joint(probabilities, y_true, HEADS, {}, SKEWED).dataset.temperature == pytest.approx(1.0, abs=0.05)


def test_the_class_shares_are_kept():
    probabilities, y_true = draw_faces(SKEWED["labels"], 500)
    assert fit_joint(probabilities, y_true, HEADS, {}, SKEWED).class_shares == SKEWED


def test_balanced_weights_give_every_class_the_same_sum():
    y_true = np.array([0, 0, 0, 1, 2, 2])
    weights = compute_balanced_weights(y_true)
    assert weights.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(np.bincount(y_true, weights), 2.0)


@pytest.mark.parametrize("prior", ["balanced", "dataset"])
def test_a_named_prior_is_accepted(prior):
    assert check_prior(prior) == prior


def test_seven_numbers_become_shares():
    assert check_prior([2, 1, 1, 1, 1, 1, 1]) == pytest.approx((0.25, *(0.125,) * 6))


@pytest.mark.parametrize(
    "prior",
    [
        "uniform",
        (1.0,) * 6,
        (0.0,) * 7,
        (float("nan"),) * 7,
        (-1.0, *(1.0,) * 6),
        (-1.0,) * 7,
        3.0,
        ["much"] * 7,
        [[1], [1, 2], 3, 4, 5, 6, 7],
        (10**400,) * 7,
        (1e308,) * 7,
        (1e-200, 1e200, *(1.0,) * 5),
        [0] * 7,
        None,
        3,
        True,
        {"happy": 1},
        [True] * 7,
        ["1"] * 7,
        [1, 1, 1, 1, 1, 1, "1"],
        b"balanced",
        np.ones(7, complex),
        np.full(7, "2020-01-01", "datetime64[D]"),
    ],
    ids=str,
)
def test_another_prior_is_refused_in_one_line(prior):
    with pytest.raises(SettingsError, match="seven positive numbers") as caught:
        check_prior(prior)
    assert "\n" not in str(caught.value)
    assert "Remedy" in str(caught.value)
    assert EXPRESSIONS[0] in str(caught.value)


def test_a_class_without_training_faces_does_not_become_the_answer():
    shares = {"labels": (0.0, 0.0, 0.0, 0.5, 0.3, 0.0, 0.2)}
    probabilities = np.array([[[0.001, 0.001, 0.001, 0.9, 0.05, 0.001, 0.046]]])
    answer = combine_heads(probabilities, ("labels",), {}, shares)[0]
    assert EXPRESSIONS[answer.argmax()] == "happy"
    assert answer[:3].sum() < 0.01


def test_each_prior_has_its_own_neutral_log_odds():
    probabilities, y_true = draw_faces(SKEWED["labels"], 5000)
    joint = fit_joint(probabilities, y_true, HEADS, {}, SKEWED)
    neutral = EXPRESSIONS.index("neutral")
    for prior in ("balanced", "dataset"):
        answers = apply_joint(probabilities, HEADS, {}, joint, prior)[y_true == neutral]
        fitted = joint.choose_point(prior).neutral_log_odds
        np.testing.assert_allclose(fitted, compute_log_odds(answers).mean(axis=0), atol=1e-5)
    # Without the large share of neutral faces, fewer answers are neutral.
    assert joint.balanced.neutral_log_odds[neutral] < joint.dataset.neutral_log_odds[neutral]

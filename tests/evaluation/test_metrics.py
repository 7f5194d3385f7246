"""Figures against hand-worked cases, scikit-learn and plain resampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, balanced_accuracy_score, classification_report, f1_score

from fer.errors import DataError
from fer.evaluation import metrics
from fer.labels import EXPRESSIONS

# Six faces, worked by hand: rows 0, 1, 2 and 5 are correct, so accuracy is 4/6. Confidences .9 .8 .6 .6 .5 .35 are in
# bins 13, 11, 8, 8, 7 and 5 of fifteen. Gaps: |1-.9|, |1-.8|, bin 8 |1/2 - .6| twice, |0-.5|, |1-.35|.
CONFIDENCES = (0.9, 0.8, 0.6, 0.6, 0.5, 0.35)
PREDICTED = (0, 3, 3, 3, 6, 1)
Y_TRUE = np.array((0, 3, 3, 0, 4, 1))
HAND_ECE = (0.1 + 0.2 + 2 * 0.1 + 0.5 + 0.65) / 6
# With classes of equal weight, rows 1 and 2 of happy and rows 0 and 3 of angry weigh 1/2, rows 4 and 5 weigh 1: 4 in
# all. Bin 8 holds one right and one wrong row of the same weight, so its gap is still |1/2 - .6|.
HAND_ECE_BALANCED = (0.5 * 0.1 + 0.5 * 0.2 + 1.0 * 0.1 + 1.0 * 0.5 + 1.0 * 0.65) / 4


def make_probabilities(confidences, predicted):
    rows = np.repeat((1.0 - np.asarray(confidences))[:, None] / 6, 7, axis=1)
    rows[np.arange(len(rows)), list(predicted)] = confidences
    return rows


def draw_predictions(n=500, seed=1):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 7, n)
    logits = rng.normal(size=(n, 7)) + 1.5 * np.eye(7)[y_true]
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), y_true


def test_summary_of_the_hand_worked_case():
    summary = metrics.summarize(make_probabilities(CONFIDENCES, PREDICTED), Y_TRUE)
    assert summary["n"] == 6
    assert summary["accuracy"] == pytest.approx(4 / 6)
    assert summary["ece"] == pytest.approx(HAND_ECE)
    assert summary["ece_balanced"] == pytest.approx(HAND_ECE_BALANCED)
    # Over the four classes that have faces: angry 1/2, happy 1, sad 0, disgust 1.
    assert summary["mean_recall"] == pytest.approx(2.5 / 4)
    assert summary["per_class"]["angry"] == {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert summary["per_class"]["happy"] == {
        "precision": pytest.approx(2 / 3),
        "recall": 1.0,
        "f1": pytest.approx(0.8),
        "support": 2,
    }
    assert summary["macro_f1"] == pytest.approx((2 / 3 + 1.0 + 0.8 + 0.0) / 4)


@pytest.mark.parametrize("classes", [(0, 1, 2, 3, 4, 5), (3, 4, 6), (6,)])
def test_perfect_predictions_of_fewer_classes_have_means_of_one(classes):
    y_true = np.repeat(classes, 5)
    summary = metrics.summarize(np.eye(7, dtype=np.float32)[y_true], y_true)
    assert (summary["macro_f1"], summary["mean_recall"]) == (1.0, 1.0)
    assert metrics.list_absent(summary["per_class"]) == [
        name for index, name in enumerate(EXPRESSIONS) if index not in classes
    ]


def test_predictions_of_absent_classes_lower_the_recall_of_the_true_ones():
    y_true = np.array([3, 3, 4, 4])
    summary = metrics.summarize(np.eye(7, dtype=np.float32)[[3, 0, 4, 4]], y_true)
    # happy: precision 1, recall 1/2; sad: 1, 1.
    assert summary["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert summary["mean_recall"] == pytest.approx(3 / 4)


def test_summary_has_exactly_the_keys_of_the_protocol():
    plain, y_true = draw_predictions()
    summary = metrics.summarize_views(plain, plain[::-1], y_true)
    figures = ["n", "accuracy", "accuracy_ci95", "mean_recall", "macro_f1", "ece", "ece_balanced", "per_class"]
    assert list(summary) == [*figures, "flip"]
    assert list(summary["flip"]) == figures
    assert tuple(summary["per_class"]) == EXPRESSIONS
    assert all(list(row) == ["precision", "recall", "f1", "support"] for row in summary["per_class"].values())


def test_flip_block_measures_the_flip_averaged_rows():
    plain, y_true = draw_predictions()
    perfect = np.eye(7, dtype=np.float32)[y_true]
    summary = metrics.summarize_views(plain, perfect, y_true)
    assert summary["flip"]["accuracy"] == 1.0 > summary["accuracy"]


def test_figures_equal_those_of_scikit_learn():
    probabilities, y_true = draw_predictions()
    y_pred = probabilities.argmax(axis=1)
    summary = metrics.summarize(probabilities, y_true)
    report = classification_report(y_true, y_pred, target_names=EXPRESSIONS, output_dict=True)
    assert summary["accuracy"] == pytest.approx(accuracy_score(y_true, y_pred))
    assert summary["macro_f1"] == pytest.approx(f1_score(y_true, y_pred, average="macro"))
    assert summary["mean_recall"] == pytest.approx(balanced_accuracy_score(y_true, y_pred))
    for name in EXPRESSIONS:
        row = summary["per_class"][name]
        assert row["f1"] == pytest.approx(report[name]["f1-score"])
        assert row["precision"] == pytest.approx(report[name]["precision"])
        assert row["recall"] == pytest.approx(report[name]["recall"])
        assert row["support"] == report[name]["support"]


def test_reliability_equals_scikit_learns_calibration_curve():
    probabilities, y_true = draw_predictions(2000)
    reliability = metrics.compute_reliability(probabilities, y_true)
    correct = probabilities.argmax(axis=1) == y_true
    accuracy, confidence = calibration_curve(correct, probabilities.max(axis=1), n_bins=15)
    filled = reliability.counts > 0
    np.testing.assert_allclose(reliability.accuracy[filled], accuracy)
    np.testing.assert_allclose(reliability.confidence[filled], confidence, rtol=1e-6)
    assert reliability.counts.sum() == 2000


def test_a_weight_counts_a_row_as_often():
    probabilities, y_true = draw_predictions()
    repeats = np.random.default_rng(0).integers(0, 4, len(y_true))
    weighted = metrics.compute_reliability(probabilities, y_true, weights=repeats.astype(float))
    repeated = metrics.compute_reliability(probabilities.repeat(repeats, axis=0), y_true.repeat(repeats))
    np.testing.assert_allclose(weighted.counts, repeated.counts)
    np.testing.assert_allclose(weighted.confidence, repeated.confidence)
    np.testing.assert_allclose(weighted.accuracy, repeated.accuracy)
    assert weighted.ece == pytest.approx(repeated.ece)
    assert weighted.ece != pytest.approx(metrics.compute_reliability(probabilities, y_true).ece)


def test_the_scale_of_the_weights_does_not_matter():
    probabilities, y_true = draw_predictions()
    weights = np.random.default_rng(0).random(len(y_true))
    one, thousand = (
        metrics.compute_reliability(probabilities, y_true, weights=scale * weights) for scale in (1.0, 1000.0)
    )
    assert one.ece == pytest.approx(thousand.ece)


def test_a_bin_without_weight_is_empty():
    probabilities = make_probabilities(CONFIDENCES, PREDICTED)
    reliability = metrics.compute_reliability(probabilities, Y_TRUE, weights=np.array([1.0, 0, 0, 0, 0, 0]))
    assert np.flatnonzero(reliability.counts).tolist() == [13]
    assert np.flatnonzero(reliability.confidence).tolist() == [13]
    assert reliability.ece == pytest.approx(0.1)


def test_balanced_ece_gives_a_rare_class_the_weight_of_a_frequent_one():
    # Nine happy faces are right and one disgusted face is wrong, all with confidence 0.9.
    y_true = np.array([3] * 9 + [1])
    summary = metrics.summarize(make_probabilities([0.9] * 10, [3] * 10), y_true)
    assert summary["ece"] == pytest.approx(0.0)
    assert summary["ece_balanced"] == pytest.approx(0.4)


def test_balanced_ece_of_equally_frequent_classes_is_the_ece():
    probabilities, _ = draw_predictions(700)
    summary = metrics.summarize(probabilities, np.arange(700) % 7)
    assert summary["ece_balanced"] == pytest.approx(summary["ece"])


def test_confidence_one_falls_into_the_last_bin():
    reliability = metrics.compute_reliability(np.eye(7), np.arange(7))
    assert reliability.counts[-1] == 7
    assert reliability.ece == 0.0


def test_interval_equals_that_of_resampled_rows():
    correct = np.arange(200) < 130
    rng = np.random.default_rng(0)
    means = correct[rng.integers(0, 200, (20_000, 200))].mean(axis=1)
    expected = np.quantile(means, [0.025, 0.975])
    np.testing.assert_allclose(metrics.compute_accuracy_interval(0.65, 200), expected, atol=0.0051)


def test_interval_for_private_test_is_close_to_the_normal_approximation():
    low, high = metrics.compute_accuracy_interval(0.66, 3589)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.66 * 0.34 / 3589), rel=0.05)


def test_interval_is_determined_by_the_seed():
    assert metrics.compute_accuracy_interval(0.7, 99, seed=3) == metrics.compute_accuracy_interval(0.7, 99, seed=3)
    assert metrics.compute_accuracy_interval(0.7, 3589, seed=3) != metrics.compute_accuracy_interval(0.7, 3589, seed=4)


@settings(deadline=None)
@given(correct=st.integers(0, 40), n=st.integers(40, 60), seed=st.integers(0, 9))
def test_interval_contains_the_accuracy_and_stays_in_range(correct, n, seed):
    low, high = metrics.compute_accuracy_interval(correct / n, n, num_resamples=1000, seed=seed)
    assert 0.0 <= low <= correct / n <= high <= 1.0


def test_class_without_rows_scores_zero_without_a_warning():
    probabilities, y_true = draw_predictions()
    kept = y_true != 1
    summary = metrics.summarize(probabilities[kept], y_true[kept])
    assert summary["per_class"]["disgust"]["support"] == 0
    assert summary["per_class"]["disgust"]["recall"] == 0.0
    shares = metrics.normalize_confusion(metrics.compute_confusion(probabilities[kept], y_true[kept]))
    assert shares[1].sum() == 0.0
    np.testing.assert_allclose(np.delete(shares.sum(axis=1), 1), 1.0)


def test_worst_recall_leaves_out_classes_without_faces():
    assert metrics.compute_worst_recall(make_probabilities(CONFIDENCES, PREDICTED), Y_TRUE) == 0.0
    kept = Y_TRUE != 4
    assert metrics.compute_worst_recall(make_probabilities(CONFIDENCES, PREDICTED)[kept], Y_TRUE[kept]) == 0.5


def test_confusion_has_true_classes_in_rows():
    counts = metrics.compute_confusion(make_probabilities([0.9], [3]), np.array([6]))
    assert counts[6, 3] == 1
    assert counts.sum() == 1


@pytest.mark.parametrize("shape", [(0, 7), (3, 6), (2, 7)])
def test_rows_that_do_not_match_are_a_data_error(shape):
    y_true = np.zeros(min(shape[0], 3), int) if shape != (2, 7) else np.zeros(3, int)
    with pytest.raises(DataError):
        metrics.summarize(np.ones(shape), y_true)


def test_ece_by_chance_is_the_ece_of_perfectly_calibrated_predictions():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.full(7, 0.4), 3000)
    y_true = (probabilities.cumsum(axis=1) > rng.random((3000, 1))).argmax(axis=1)
    by_chance = metrics.compute_ece_by_chance(probabilities)
    assert 0.005 < by_chance < 0.03
    assert metrics.compute_reliability(probabilities, y_true).ece == pytest.approx(by_chance, abs=0.01)
    assert metrics.compute_ece_by_chance(np.tile(probabilities, (16, 1))) == pytest.approx(by_chance / 4, rel=0.2)


def test_wilsons_interval_is_that_of_the_paper():
    # Wilson's interval of 7 among 20, from its closed form with z = 1.96.
    z, n, p = 1.959964, 20, 7 / 20
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    expected = np.array([centre - half, centre + half]) / (1 + z**2 / n)
    np.testing.assert_allclose(metrics.compute_wilson_interval(7, 20), expected, atol=1e-6)

from dataclasses import replace

import numpy as np
import pytest

from fer.data import draw_sample
from fer.data.ferplus import FERPLUS_COLUMN_OF_EXPRESSION, compute_ferplus_majority
from fer.errors import DataError
from fer.joint import fit_joint
from fer.training.validation import Validation

BOTH = ("labels", "votes")


def make_part(shift):
    """Return the sample's validation split, with votes for the label plus ``shift``, and none for every third face."""
    part = draw_sample(140, seed=1).part("validation")
    votes = np.zeros((len(part), 10), np.uint8)
    votes[np.arange(len(part)), np.array(FERPLUS_COLUMN_OF_EXPRESSION)[(part.labels + shift) % 7]] = 10
    votes[::3] = 0
    return replace(part, votes=votes)


def predict(classes, confidence=0.7):
    """Return probabilities that predict the given classes with one confidence, float32 (N, 7)."""
    probabilities = np.full((len(classes), 7), (1 - confidence) / 6, np.float32)
    probabilities[np.arange(len(classes)), classes] = confidence
    return probabilities


def test_each_head_is_measured_on_its_own_classes():
    part = make_part(shift=1)
    validation = Validation.build(part, BOTH)
    right = np.stack([predict(part.labels), predict((part.labels + 1) % 7)], axis=1)
    measured = validation.measure(right)
    assert measured["validation_accuracy"] == measured["validation_accuracy_votes"] == measured["validation_score"] == 1
    swapped = validation.measure(right[:, ::-1])
    assert swapped["validation_accuracy"] == swapped["validation_accuracy_votes"] == 0.0


def test_the_loss_is_that_of_the_first_head():
    part = make_part(shift=1)
    outputs = np.stack([predict(part.labels), predict(part.labels, 0.1)], axis=1)
    assert Validation.build(part, BOTH).measure(outputs)["validation_loss"] == pytest.approx(-np.log(0.7), abs=1e-5)


def test_the_score_is_the_mean_over_the_heads():
    part = make_part(shift=0)
    validation = Validation.build(part, BOTH)
    half = part.labels.copy()
    half[: len(half) // 2] = (half[: len(half) // 2] + 1) % 7
    measured = validation.measure(np.stack([predict(part.labels), predict(half)], axis=1))
    rows = np.flatnonzero(compute_ferplus_majority(part.votes) >= 0)
    expected = (half == part.labels)[rows].mean()
    assert measured["validation_accuracy_votes"] == pytest.approx(expected)
    assert measured["validation_score"] == pytest.approx((1 + expected) / 2)


def test_a_single_head_has_no_further_columns():
    part = make_part(shift=0)
    measured = Validation.build(part, ("labels",)).measure(predict(part.labels)[:, None])
    assert set(measured) == {"validation_loss", "validation_accuracy", "validation_score"}


def test_each_head_is_calibrated_on_its_own_rows():
    part = make_part(shift=0)
    wrong = part.labels.copy()
    wrong[::2] = (wrong[::2] + 1) % 7
    outputs = np.stack([predict(part.labels, 0.99), predict(wrong, 0.99)], axis=1)
    calibrations, joint = Validation.build(part, BOTH).calibrate(outputs, dict.fromkeys(BOTH, (1 / 7,) * 7))
    assert set(calibrations) == {"labels", "votes"}
    assert calibrations["labels"].temperature < 1 < calibrations["votes"].temperature
    assert set(joint.class_shares) == {"labels", "votes"}


def test_all_heads_together_are_calibrated_on_the_rows_of_the_first():
    part, shares = make_part(shift=0), dict.fromkeys(BOTH, (1 / 7,) * 7)
    outputs = np.stack([predict(part.labels, 0.9), predict(part.labels, 0.5)], axis=1)
    calibrations, joint = Validation.build(part, BOTH).calibrate(outputs, shares)
    assert joint == fit_joint(outputs, part.labels, BOTH, calibrations, shares)


def test_the_head_votes_without_votes_is_refused():
    part = make_part(shift=0)
    with pytest.raises(DataError, match="needs FER\\+ votes"):
        Validation.build(replace(part, votes=np.zeros_like(part.votes)), BOTH)

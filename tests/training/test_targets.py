from dataclasses import replace

import numpy as np
import pytest

from fer.config import DataConfig
from fer.data import draw_sample
from fer.errors import DataError
from fer.training.targets import (
    build_head_targets,
    build_targets,
    compute_class_shares,
    compute_row_weights,
    select_training_rows,
)

# Columns: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF.
NO_VOTES = [0] * 10
SAD_OR_NEUTRAL = [4, 0, 0, 6, 0, 0, 0, 0, 0, 0]
NOT_A_FACE = [0, 0, 0, 0, 0, 0, 0, 0, 1, 9]


def test_without_votes_the_target_is_the_label():
    targets = build_targets(np.array([3]), np.array([NO_VOTES], np.uint8), DataConfig(ferplus_weight=0.5))
    np.testing.assert_allclose(targets, [[0, 0, 0, 1, 0, 0, 0]])


def test_votes_and_label_are_blended_by_their_weight():
    blended = build_targets(np.array([2]), np.array([SAD_OR_NEUTRAL], np.uint8), DataConfig(ferplus_weight=0.25))
    np.testing.assert_allclose(blended, [[0, 0, 0.75, 0, 0.15, 0, 0.1]], atol=1e-6)


def test_blended_targets_are_smoothed():
    config = DataConfig(ferplus_weight=0.25, label_smoothing=0.1)
    smoothed = build_targets(np.array([2]), np.array([SAD_OR_NEUTRAL], np.uint8), config)
    np.testing.assert_allclose(smoothed, 0.9 * np.array([[0, 0, 0.75, 0, 0.15, 0, 0.1]]) + 0.1 / 7, atol=1e-6)


HEAD_CONFIG = DataConfig(ferplus_weight=0.25, label_smoothing=0.1)
HEAD_LABELS, HEAD_VOTES = np.array([2, 3]), np.array([SAD_OR_NEUTRAL, NO_VOTES], np.uint8)


def test_the_head_labels_has_the_blended_targets():
    targets = build_head_targets(HEAD_LABELS, HEAD_VOTES, HEAD_CONFIG, ("labels", "votes"))
    assert targets.shape == (2, 2, 7)
    np.testing.assert_array_equal(targets[:, 0], build_targets(HEAD_LABELS, HEAD_VOTES, HEAD_CONFIG))


def test_the_head_votes_has_the_smoothed_votes_as_targets():
    targets = build_head_targets(HEAD_LABELS, HEAD_VOTES, HEAD_CONFIG, ("labels", "votes"))
    np.testing.assert_allclose(targets[0, 1], 0.9 * np.array([0, 0, 0, 0, 0.6, 0, 0.4]) + 0.1 / 7, atol=1e-6)


def test_a_face_without_votes_has_its_label_for_both_heads():
    targets = build_head_targets(HEAD_LABELS, HEAD_VOTES, HEAD_CONFIG, ("labels", "votes"))
    np.testing.assert_allclose(targets[1, 1], targets[1, 0], atol=1e-6)


def test_a_single_head_has_its_own_targets():
    both = build_head_targets(HEAD_LABELS, HEAD_VOTES, HEAD_CONFIG, ("labels", "votes"))
    np.testing.assert_array_equal(build_head_targets(HEAD_LABELS, HEAD_VOTES, HEAD_CONFIG, ("votes",)), both[:, 1:])


def test_targets_sum_to_one():
    votes = np.random.default_rng(0).multinomial(10, [0.1] * 10, 300).astype(np.uint8)
    targets = build_targets(np.arange(300) % 7, votes, DataConfig(ferplus_weight=1.0, label_smoothing=0.2))
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-5)


def test_at_power_zero_row_weights_are_one():
    assert (compute_row_weights(np.repeat([0, 1], [90, 10]), DataConfig()) == 1.0).all()


def test_at_power_one_row_weights_balance_the_classes_with_mean_one():
    labels = np.repeat([0, 1], [90, 10])
    weights = compute_row_weights(labels, DataConfig(class_weight_power=1.0))
    assert weights.mean() == pytest.approx(1.0)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "dropped"),
    [
        ({"drop_not_face": False}, set()),
        ({}, {"not a face"}),
        ({"drop_not_face": False, "drop_leaked": True}, {"leaked"}),
        ({"drop_leaked": True}, {"not a face", "leaked"}),
    ],
)
def test_training_rows_are_dropped_as_set(settings, dropped):
    dataset = draw_sample(140)
    votes, clean, rows = dataset.votes.copy(), dataset.clean.copy(), np.flatnonzero(dataset.is_in("train"))
    votes[rows[0]], clean[rows[1]] = NOT_A_FACE, False
    selected = select_training_rows(replace(dataset, votes=votes, clean=clean), DataConfig(**settings))
    row_of = {"not a face": rows[0], "leaked": rows[1]}
    assert set(rows) - set(selected) == {row_of[reason] for reason in dropped}
    assert set(selected) <= set(rows)


def test_an_empty_training_split_is_refused():
    dataset = draw_sample(140)
    with pytest.raises(DataError, match="must have faces"):
        select_training_rows(replace(dataset, clean=np.zeros(len(dataset), bool)), DataConfig(drop_leaked=True))


def test_class_shares_are_those_of_labels_and_of_usable_votes_with_one_face_of_each_class_added():
    labels, votes = np.array([2, 3]), np.array([SAD_OR_NEUTRAL, NO_VOTES], np.uint8)
    shares = compute_class_shares(labels, votes, ("labels", "votes"))
    np.testing.assert_allclose(shares["labels"], np.array([1, 1, 2, 2, 1, 1, 1]) / 9)
    np.testing.assert_allclose(shares["votes"], np.array([1, 1, 1, 1, 1.6, 1, 1.4]) / 8, atol=1e-6)


def test_class_shares_without_votes_are_those_of_the_labels():
    shares = compute_class_shares(np.array([2, 3]), np.array([NO_VOTES, NO_VOTES], np.uint8), ("votes",))
    np.testing.assert_allclose(shares["votes"], np.array([1, 1, 2, 2, 1, 1, 1]) / 9)

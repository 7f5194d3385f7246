from dataclasses import replace

import numpy as np
import pytest

from fer.config import DataConfig
from fer.data import draw_sample
from fer.errors import DataError
from fer.training.targets import build_head_targets, build_targets, compute_row_weights, select_training_rows

# Columns: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF.
NO_VOTES = [0] * 10
SAD_OR_NEUTRAL = [4, 0, 0, 6, 0, 0, 0, 0, 0, 0]
NOT_A_FACE = [0, 0, 0, 0, 0, 0, 0, 0, 1, 9]


def test_a_target_is_the_label_where_there_are_no_votes():
    targets = build_targets(np.array([3]), np.array([NO_VOTES], np.uint8), DataConfig(ferplus_weight=0.5))
    np.testing.assert_allclose(targets, [[0, 0, 0, 1, 0, 0, 0]])


def test_votes_and_label_are_blended_by_the_setting_then_smoothed():
    votes = np.array([SAD_OR_NEUTRAL], np.uint8)
    blended = build_targets(np.array([2]), votes, DataConfig(ferplus_weight=0.25))
    np.testing.assert_allclose(blended, [[0, 0, 0.75, 0, 0.15, 0, 0.1]], atol=1e-6)
    smoothed = build_targets(np.array([2]), votes, DataConfig(ferplus_weight=0.25, label_smoothing=0.1))
    np.testing.assert_allclose(smoothed, 0.9 * blended + 0.1 / 7, atol=1e-6)


def test_each_head_has_its_own_target():
    labels, votes = np.array([2, 3]), np.array([SAD_OR_NEUTRAL, NO_VOTES], np.uint8)
    config = DataConfig(ferplus_weight=0.25, label_smoothing=0.1)
    targets = build_head_targets(labels, votes, config, ("labels", "votes"))
    assert targets.shape == (2, 2, 7)
    np.testing.assert_array_equal(targets[:, 0], build_targets(labels, votes, config))
    np.testing.assert_allclose(targets[0, 1], 0.9 * np.array([0, 0, 0, 0, 0.6, 0, 0.4]) + 0.1 / 7, atol=1e-6)
    np.testing.assert_allclose(targets[1, 1], targets[1, 0], atol=1e-6)
    np.testing.assert_array_equal(build_head_targets(labels, votes, config, ("votes",)), targets[:, 1:])


def test_every_target_sums_to_one():
    votes = np.random.default_rng(0).multinomial(10, [0.1] * 10, 300).astype(np.uint8)
    targets = build_targets(np.arange(300) % 7, votes, DataConfig(ferplus_weight=1.0, label_smoothing=0.2))
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-5)


def test_row_weights_have_mean_one_and_balance_the_classes_at_power_one():
    labels = np.repeat([0, 1], [90, 10])
    assert (compute_row_weights(labels, DataConfig()) == 1.0).all()
    weights = compute_row_weights(labels, DataConfig(class_weight_power=1.0))
    assert weights.mean() == pytest.approx(1.0)
    assert weights[labels == 0].sum() == pytest.approx(weights[labels == 1].sum(), rel=1e-4)


def test_only_kept_training_rows_are_selected():
    dataset = draw_sample(140)
    votes, clean = dataset.votes.copy(), dataset.clean.copy()
    first, second = np.flatnonzero(dataset.split == 0)[:2]
    votes[first], clean[second] = NOT_A_FACE, False
    changed = replace(dataset, votes=votes, clean=clean)
    everything = select_training_rows(changed, DataConfig(drop_not_face=False))
    assert (changed.split[everything] == 0).all()
    assert len(everything) == (changed.split == 0).sum()
    assert set(everything) - set(select_training_rows(changed, DataConfig())) == {first}
    assert set(everything) - set(select_training_rows(changed, DataConfig(drop_leaked=True))) == {first, second}


def test_an_empty_training_part_is_refused():
    dataset = draw_sample(140)
    with pytest.raises(DataError, match="must have faces"):
        select_training_rows(replace(dataset, clean=np.zeros(len(dataset), bool)), DataConfig(drop_leaked=True))

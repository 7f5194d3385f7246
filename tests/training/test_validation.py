from dataclasses import replace

import numpy as np
import pytest

from fer.config import load_config
from fer.data import draw_sample
from fer.data.ferplus import FERPLUS_COLUMN_OF_EXPRESSION, compute_ferplus_majority
from fer.errors import DataError, SettingsError
from fer.training.loop import train
from fer.training.validation import Validation

BOTH = ("labels", "votes")


def make_part(shift):
    """The sample's validation split, with votes ``shift`` classes further on, and none for every third face."""
    part = draw_sample(140, seed=1).part("validation")
    votes = np.zeros((len(part), 10), np.uint8)
    votes[np.arange(len(part)), np.array(FERPLUS_COLUMN_OF_EXPRESSION)[(part.labels + shift) % 7]] = 10
    votes[::3] = 0
    return replace(part, votes=votes)


def answer(classes, confidence=0.7):
    probabilities = np.full((len(classes), 7), (1 - confidence) / 6, np.float32)
    probabilities[np.arange(len(classes)), classes] = confidence
    return probabilities


def test_each_head_is_measured_on_its_own_classes():
    part = make_part(shift=1)
    validation = Validation.build(part, BOTH)
    right = np.stack([answer(part.labels), answer((part.labels + 1) % 7)], axis=1)
    measured = validation.measure(right)
    assert measured["validation_accuracy"] == measured["validation_accuracy_votes"] == measured["validation_score"] == 1
    assert measured["validation_loss"] == pytest.approx(-np.log(0.7), abs=1e-5)
    swapped = validation.measure(right[:, ::-1])
    assert swapped["validation_accuracy"] == swapped["validation_accuracy_votes"] == 0.0


def test_the_score_is_the_mean_over_the_heads():
    part = make_part(shift=0)
    validation = Validation.build(part, BOTH)
    half = part.labels.copy()
    half[: len(half) // 2] = (half[: len(half) // 2] + 1) % 7
    measured = validation.measure(np.stack([answer(part.labels), answer(half)], axis=1))
    rows = np.flatnonzero(compute_ferplus_majority(part.votes) >= 0)
    expected = (half == part.labels)[rows].mean()
    assert measured["validation_accuracy_votes"] == pytest.approx(expected)
    assert measured["validation_score"] == pytest.approx((1 + expected) / 2)


def test_one_head_has_only_its_own_columns():
    part = make_part(shift=0)
    measured = Validation.build(part, ("labels",)).measure(answer(part.labels)[:, None])
    assert set(measured) == {"validation_loss", "validation_accuracy", "validation_score"}


def test_each_head_is_calibrated_on_its_own_rows():
    part = make_part(shift=0)
    wrong = part.labels.copy()
    wrong[::2] = (wrong[::2] + 1) % 7
    outputs = np.stack([answer(part.labels, 0.99), answer(wrong, 0.99)], axis=1)
    chosen = Validation.build(part, BOTH).calibrate(outputs)
    assert set(chosen) == {"labels", "votes"}
    assert chosen["labels"].temperature < 1 < chosen["votes"].temperature


def test_a_head_for_votes_without_votes_is_refused():
    part = make_part(shift=0)
    with pytest.raises(DataError, match="needs FER\\+ votes"):
        Validation.build(replace(part, votes=np.zeros_like(part.votes)), BOTH)


def test_a_network_with_two_heads_is_trained_and_measured_by_head(tmp_path):
    dataset = draw_sample(140, seed=1)
    votes = np.zeros((len(dataset), 10), np.uint8)
    votes[np.arange(len(dataset)), np.array(FERPLUS_COLUMN_OF_EXPRESSION)[dataset.labels]] = 10
    phases = '[{"name": "main", "epochs": 2, "learning_rate": 0.002}]'
    settings = ['model.heads=["labels","votes"]', f"training.phases={phases}", "augmentation.mixup=0.2"]
    config = load_config("sample", overrides=[*settings, "data.class_weight_power=0.5"])
    run = train(replace(dataset, votes=votes), config, tmp_path / "run", progress=False)
    assert {"validation_accuracy", "validation_accuracy_votes", "validation_score"} <= set(run.history.columns)
    mean = run.history[["validation_accuracy", "validation_accuracy_votes"]].mean(axis=1)
    np.testing.assert_allclose(run.history["validation_score"], mean, atol=1e-9)


def test_without_votes_the_head_labels_is_trained_alone_with_a_message(tmp_path):
    dataset = draw_sample(140, seed=1)
    phases = 'training.phases=[{"name": "main", "epochs": 1, "learning_rate": 0.002}]'
    config = load_config("sample", overrides=['model.heads=["labels","votes"]', phases])
    lines = []
    run = train(dataset, config, tmp_path / "run", progress=False, log=lines.append)
    assert "no FER+ votes" in lines[0]
    assert load_config("sample", run.folder / "config.json").model.heads == ("labels",)
    alone = load_config("sample", overrides=['model.heads=["votes"]', phases])
    with pytest.raises(DataError, match="needs FER\\+ votes"):
        train(dataset, alone, tmp_path / "votes", progress=False)
    assert not (tmp_path / "votes").exists()


@pytest.mark.parametrize("heads", ['["votes","labels"]', '["labels","labels"]', "[]", '["other"]'])
def test_heads_must_be_in_order_and_unique(heads):
    with pytest.raises(SettingsError, match=r"model\.heads"):
        load_config("sample", overrides=[f"model.heads={heads}"])

"""The curves of a training run show its history."""

import numpy as np
import pandas as pd
import pytest

from fer import plotting
from fer.training import curves


def make_history(epochs=6, second_phase=4):
    epoch = np.arange(1, epochs + 1)
    history = pd.DataFrame(
        {
            "epoch": epoch,
            "phase": ["main" if number <= second_phase else "fine-tune" for number in epoch],
            "learning_rate": 1e-3 / epoch,
            "train_loss": 2.0 / epoch,
            "train_accuracy": 1 - 0.7 / epoch,
            "validation_loss": 2.1 / epoch,
            "validation_accuracy": [*np.linspace(0.2, 0.6, epochs - 1), 0.5] if epochs > 1 else [0.2],
        }
    )
    return history.assign(validation_score=history["validation_accuracy"])


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved."""
    caught = []

    def save(figure, path):
        caught.append(figure)
        plotting.save_figure(figure, path)

    monkeypatch.setattr(curves, "save_figure", save)
    return caught


def test_learning_rates_near_zero_are_cut_off(drawn, tmp_path):
    history = make_history()
    history.loc[history.index[-1], "learning_rate"] = 1e-12
    curves.plot_history(history, tmp_path / "curves.png")
    bottom, top = drawn[0].axes[2].get_ylim()
    assert 1e-7 < bottom < 1e-6
    assert top > history["learning_rate"].max()


@pytest.mark.parametrize("smallest", [1e-5, 4e-4])
def test_learning_rates_are_no_formulas(drawn, tmp_path, smallest):
    history = make_history()
    curves.plot_history(
        history.assign(learning_rate=np.linspace(1e-3, smallest, len(history))), tmp_path / "curves.png"
    )
    labels = [label.get_text() for label in drawn[0].axes[2].get_yticklabels(which="both")]
    assert any(labels)
    assert not any("$" in label for label in labels)


@pytest.mark.parametrize(("epochs", "marker"), [(60, "."), (61, "")])
def test_dots_do_not_hide_the_curves_of_many_epochs(drawn, tmp_path, epochs, marker):
    curves.plot_history(make_history(epochs), tmp_path / "curves.png")
    accuracy, loss, rate = drawn[0].axes
    lines = [*accuracy.get_lines()[:2], *loss.get_lines(), *rate.get_lines()]
    assert {line.get_marker() for line in lines} == {marker}


def test_history_marks_phases_and_the_best_epoch(drawn, tmp_path):
    curves.plot_history(make_history(), tmp_path / "curves.png")
    accuracy, loss, rate = drawn[0].axes
    assert accuracy.get_title() == "Accuracy: best on validation 0.600 in epoch 5"
    assert [text.get_text() for text in rate.texts] == ["main", "fine-tune"]
    for axes in (accuracy, loss, rate):
        assert [(patch.get_x(), patch.get_width()) for patch in axes.patches] == [(4.5, 2.0)]


def test_history_of_two_heads_draws_both_and_marks_the_best_score(drawn, tmp_path):
    history = make_history().assign(validation_accuracy_votes=0.7, validation_score=[0.1, 0.9, 0.2, 0.2, 0.2, 0.2])
    curves.plot_history(history, tmp_path / "curves.png")
    accuracy, loss, _ = drawn[0].axes
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == [
        "training",
        "validation",
        "validation, votes",
    ]
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]
    assert accuracy.get_title().endswith("in epoch 2")


def test_history_of_one_epoch_is_drawn_as_points(drawn, tmp_path):
    history = make_history(1)
    curves.plot_history(history, tmp_path / "curves.png")
    accuracy = drawn[0].axes[0]
    points = [(line.get_label(), *line.get_xydata().tolist()) for line in accuracy.get_lines()[:2]]
    assert points == [("training", [1, history["train_accuracy"][0]]), ("validation", [1, 0.2])]
    assert accuracy.get_xlim() == (0.5, 1.5)


def test_history_is_drawn_whole(drawn, tmp_path):
    history = make_history()
    curves.plot_history(history, tmp_path / "curves.png")
    accuracy, loss, rate = drawn[0].axes
    for axes, names in (
        (accuracy, ("train_accuracy", "validation_accuracy")),
        (loss, ("train_loss", "validation_loss")),
        (rate, ("learning_rate",)),
    ):
        for line, name in zip(axes.get_lines(), names, strict=False):
            np.testing.assert_array_equal(line.get_xydata(), history[["epoch", name]])

"""Each plot is written whole, repeats bit for bit, and holds what it says."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fer import plotting
from fer.calibration import apply_temperature
from fer.evaluation import plots
from fer.labels import COLORS, EXPRESSIONS
from fer.training import curves


def draw_predictions(n=120, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 7, n)
    probabilities = rng.dirichlet(np.ones(7), n).astype(np.float32)
    return probabilities, y_true


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
    """Catch each figure on its way to the file."""
    caught = []

    def save(figure, path):
        caught.append(figure)
        plotting.save_figure(figure, path)

    monkeypatch.setattr(plots, "save_figure", save)
    monkeypatch.setattr(curves, "save_figure", save)
    return caught


def get_legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("plot", [plots.plot_confusion_matrix, plots.plot_roc, plots.plot_precision_recall])
def test_plot_is_a_png_that_repeats_bit_for_bit(plot, tmp_path):
    for name in ("a.png", "b.png"):
        plot(*draw_predictions(), tmp_path / name, title="test part")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert min(image.size) > 600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_confusion_matrix_shows_rates_and_counts(drawn, tmp_path):
    y_true = np.array([0, 0, 0, 6])
    plots.plot_confusion_matrix(np.eye(7)[[0, 0, 3, 6]], y_true, tmp_path / "m.png")
    texts = {text.get_position(): text.get_text() for text in drawn[0].axes[0].texts}
    assert texts[(0, 0)] == "0.67\n2"
    assert texts[(3, 0)] == "0.33\n1"  # x is the predicted class, y the true one
    assert texts[(6, 6)] == "1.00\n1"


def test_curves_keep_the_colour_of_their_expression(drawn, tmp_path):
    plots.plot_roc(*draw_predictions(), tmp_path / "roc.png")
    lines = drawn[0].axes[0].get_lines()[: len(EXPRESSIONS)]
    assert [line.get_color() for line in lines] == [COLORS[name] for name in EXPRESSIONS]
    assert len({str(line._dash_pattern) for line in lines}) == len(EXPRESSIONS)


@pytest.mark.parametrize("plot", [plots.plot_roc, plots.plot_precision_recall])
def test_expression_without_faces_is_named_in_the_legend(plot, drawn, tmp_path):
    probabilities, y_true = draw_predictions()
    kept = y_true != 1
    plot(probabilities[kept], y_true[kept], tmp_path / "curve.png")
    legend = get_legend(drawn[0])
    assert legend[1].startswith("disgust: not defined (0 of")
    assert all("not defined" not in text for index, text in enumerate(legend) if index != 1)


def test_reliability_tells_before_from_after(drawn, tmp_path):
    probabilities, y_true = draw_predictions()
    sharp = apply_temperature(probabilities, 0.3)
    plots.plot_reliability(sharp, probabilities, y_true, tmp_path / "r.png")
    titles = [axes.get_title() for axes in drawn[0].axes]
    assert titles[0].startswith("Before calibration: ECE 0.")
    assert titles[2].startswith("After calibration: ECE 0.")
    assert titles[0].split()[-1] > titles[2].split()[-1]


def test_mistakes_are_sorted_by_confidence_and_are_wrong(drawn, tmp_path):
    probabilities, y_true = draw_predictions()
    faces = np.broadcast_to(np.arange(len(y_true), dtype=np.uint8)[:, None, None], (len(y_true), 48, 48))
    plots.plot_mistakes(faces, probabilities, y_true, tmp_path / "m.png", rows=2, columns=3)
    shown = [int(axes.images[0].get_array()[0, 0]) for axes in drawn[0].axes]
    assert len(shown) == 6
    assert all(probabilities[row].argmax() != y_true[row] for row in shown)
    confidences = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != y_true
    np.testing.assert_array_equal(confidences[shown], np.sort(confidences[wrong])[::-1][:6])


def test_mistakes_of_a_perfect_network(drawn, tmp_path):
    y_true = np.arange(7)
    plots.plot_mistakes(np.zeros((7, 48, 48), np.uint8), np.eye(7), y_true, tmp_path / "m.png")
    assert drawn[0].get_suptitle().startswith("The 0 most confident of 0 mistakes")


def test_a_rate_that_ends_near_zero_does_not_flatten_the_others(drawn, tmp_path):
    history = make_history()
    history.loc[history.index[-1], "learning_rate"] = 1e-12
    curves.plot_history(history, tmp_path / "curves.png")
    bottom, top = drawn[0].axes[2].get_ylim()
    assert 1e-7 < bottom < 1e-6
    assert top > history["learning_rate"].max()


def test_history_marks_phases_and_the_best_epoch(drawn, tmp_path):
    curves.plot_history(make_history(), tmp_path / "curves.png")
    accuracy, loss, rate = drawn[0].axes
    assert accuracy.get_title() == "Accuracy: best on validation 0.600 in epoch 5"
    assert [text.get_text() for text in rate.texts] == ["main", "fine-tune"]
    for axes in (accuracy, loss, rate):
        assert [(patch.get_x(), patch.get_width()) for patch in axes.patches] == [(4.5, 2.0)]


def test_history_draws_each_further_head_and_marks_the_best_score(drawn, tmp_path):
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


def test_history_of_one_epoch(tmp_path):
    curves.plot_history(make_history(1), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 0


def test_import_sets_nothing():
    code = "import sys, fer.evaluation.plots, fer.training.curves; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Plots are deterministic PNG files that show what their titles and legends say."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from fer import plotting
from fer.calibration import apply_temperature
from fer.evaluation import plots
from fer.evaluation.metrics import compute_reliability
from fer.labels import COLORS, EXPRESSIONS


def draw_predictions(n=120, seed=0):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 7, n)
    probabilities = rng.dirichlet(np.ones(7), n).astype(np.float32)
    return probabilities, y_true


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved."""
    caught = []

    def save(figure, path):
        caught.append(figure)
        plotting.save_figure(figure, path)

    monkeypatch.setattr(plots, "save_figure", save)
    return caught


def get_legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("plot", [plots.plot_confusion_matrix, plots.plot_roc, plots.plot_precision_recall])
def test_plot_is_a_deterministic_png(plot, tmp_path):
    for name in ("a.png", "b.png"):
        plot(*draw_predictions(), tmp_path / name, title="test split")
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
    assert texts[(3, 0)] == "0.33\n1"  # x is the predicted class, y the true class
    assert texts[(6, 6)] == "1.00\n1"


def test_curves_have_the_colour_of_their_expression_and_different_line_styles(drawn, tmp_path):
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


def test_reliability_shows_the_ece_before_and_after_calibration(drawn, tmp_path):
    probabilities, y_true = draw_predictions()
    sharp = apply_temperature(probabilities, 0.3)
    plots.plot_reliability(sharp, probabilities, y_true, tmp_path / "r.png")
    titles = [axes.get_title() for axes in drawn[0].axes]
    assert titles[0].startswith("Before calibration: ECE 0.")
    assert titles[2].startswith("After calibration: ECE 0.")
    assert titles[0].split()[-1] > titles[2].split()[-1]


@pytest.mark.parametrize(
    ("plot", "quantity"), [(plots.plot_roc, "area"), (plots.plot_precision_recall, "average precision")]
)
def test_legend_gives_the_area_under_each_drawn_curve(plot, quantity, drawn, tmp_path):
    plot(*draw_predictions(2000), tmp_path / "curve.png")
    legend = get_legend(drawn[0])
    for line, text in zip(drawn[0].axes[0].get_lines(), legend, strict=False):
        area = abs(np.trapezoid(*reversed(line.get_data())))
        assert text.split(":")[0] in EXPRESSIONS
        assert float(re.search(rf"{quantity} ([\d.]+)", text)[1]) == pytest.approx(area, abs=0.01)


def test_curves_name_their_axes(drawn, tmp_path):
    plots.plot_roc(*draw_predictions(), tmp_path / "roc.png", title="120 faces")
    plots.plot_precision_recall(*draw_predictions(), tmp_path / "pr.png", title="120 faces")
    axes = [figure.axes[0] for figure in drawn]
    assert [(axis.get_xlabel(), axis.get_ylabel()) for axis in axes] == [
        ("false positive rate", "true positive rate"),
        ("recall", "precision"),
    ]
    assert all(axis.get_title().endswith(": 120 faces") for axis in axes)


def test_reliability_draws_the_accuracy_of_each_bin(drawn, tmp_path):
    probabilities, y_true = draw_predictions(500)
    plots.plot_reliability(probabilities, probabilities, y_true, tmp_path / "r.png")
    accuracy, shares = drawn[0].axes[:2]
    reliability = compute_reliability(probabilities, y_true)
    np.testing.assert_allclose([bar.get_height() for bar in accuracy.patches], reliability.accuracy)
    np.testing.assert_allclose([bar.get_height() for bar in shares.patches], reliability.counts / 500)


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


def test_import_does_not_load_pyplot():
    code = "import sys, fer.evaluation.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

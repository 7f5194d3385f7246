import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score

from fer.evaluation import plot_points
from fer.evaluation.metrics import compute_reliability
from fer.evaluation.predictions import Predictions
from fer.joint import OperatingPoint
from fer.labels import EXPRESSIONS
from fer.runs import Run


@pytest.fixture(scope="module")
def test_split():
    rng = np.random.default_rng(0)
    y_true = rng.integers(0, 6, 300)  # no neutral face
    raw, plain = rng.dirichlet(np.ones(7), (2, 300)).astype(np.float32)
    point = OperatingPoint(temperature=1.0, uncertain_below=0.4)
    return Predictions(y_true, raw, plain, plain, point)


def test_a_thin_curve_keeps_its_ends_and_its_area(test_split):
    curve = plot_points.compute_roc(test_split.plain, test_split.y_true, 0)
    thin = plot_points.thin_curve(curve)
    assert len(thin.x) == len(thin.y) == plot_points.NUM_POINTS
    assert (thin.x[0], thin.y[0], thin.x[-1], thin.y[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert auc(thin.x, thin.y) == pytest.approx(roc_auc_score(test_split.y_true == 0, test_split.plain[:, 0]), abs=0.01)


@pytest.mark.parametrize("compute", [plot_points.compute_roc, plot_points.compute_precision_recall])
@pytest.mark.parametrize("label", [0, 1])
def test_an_expression_without_faces_or_without_others_has_no_curve(compute, label):
    assert compute(np.full((3, 7), 1 / 7), np.zeros(3, int), label) is None


def test_the_file_has_the_points_of_the_three_plots(test_split, tmp_path):
    run = Run(tmp_path)
    plot_points.write_plot_points(run, test_split, "abc")
    points = plot_points.read_plot_points(run, "abc")
    assert points["n"] == 300
    for name, rows in (("before", test_split.raw), ("after", test_split.plain)):
        expected = compute_reliability(rows, test_split.y_true)
        block = points["reliability"][name]
        assert block["ece"] == pytest.approx(expected.ece, abs=1e-6)
        np.testing.assert_allclose(block["accuracy"], expected.accuracy, atol=1e-6)
        assert sum(block["counts"]) == 300
    assert list(points["roc"]) == list(points["precision_recall"]) == list(EXPRESSIONS[:6])


def test_the_points_of_another_network_are_not_read(test_split, tmp_path):
    plot_points.write_plot_points(Run(tmp_path), test_split, "abc")
    assert plot_points.read_plot_points(Run(tmp_path), "def") is None
    assert plot_points.read_plot_points(Run(tmp_path / "none"), "abc") is None

"""The plot of an audit: a row per group, sorted by accuracy."""

import numpy as np
import pytest

from fer import plotting
from fer.evaluation import audit_plot as module
from fer.evaluation.audit import ALL, Audit, compute_group
from fer.plotting import BLUE, LIGHT_BLUE


@pytest.fixture
def axes(tmp_path, monkeypatch):
    caught = []

    def save(figure, path):
        caught.append(figure)
        plotting.save_figure(figure, path)

    monkeypatch.setattr(module, "save_figure", save)
    y_true = np.repeat(3, 60)
    groups = (compute_group("good", y_true, y_true), compute_group("poor", y_true[:20], np.zeros(20, int)))
    module.plot_audit(Audit(compute_group(ALL, y_true, y_true), groups), tmp_path / "a.png", title="t")
    return caught[0].axes


def test_the_worst_group_is_lowest(axes):
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["poor  (n = 20)", "good  (n = 60)"]


def test_each_group_has_its_interval_and_its_value(axes):
    interval, point = axes[0].get_lines()[2:4]
    assert point.get_xdata()[0] == 1.0
    assert interval.get_xdata()[0] == pytest.approx(0.9398, abs=1e-3)


def test_groups_of_few_faces_are_pale(axes):
    poor, good = axes[0].get_lines()[1], axes[0].get_lines()[3]
    assert (poor.get_color(), good.get_color()) == (LIGHT_BLUE, BLUE)


def test_names_are_no_formulas_and_are_shortened(tmp_path):
    y_true = np.repeat(3, 60)
    groups = tuple(compute_group(name, y_true, y_true) for name in ("$\\no$", "x" * 3000))
    figures = Audit(compute_group(ALL, y_true, y_true), groups)
    module.plot_audit(figures, tmp_path / "a.png", title="$\\no$.csv")
    assert (tmp_path / "a.png").is_file()

"""The plot of a robustness report: a panel per corruption and one for all."""

import numpy as np
import pytest

from fer import plotting
from fer.evaluation import robustness_plot as module
from fer.vision.corruptions import CORRUPTIONS


def make_figures(accuracy=0.5):
    corruptions = {
        name: {
            "title": corruption.title,
            "unit": corruption.unit,
            "values": list(corruption.values),
            "default": {"accuracy": [accuracy, 0.4, 0.3, 0.2, 0.1]},
        }
        for name, corruption in CORRUPTIONS.items()
    }
    means = {"clean": {"default": {"accuracy": 0.65}}, "mean": {"default": {"accuracy": 0.3}}}
    return {"model": "small", "n": 3589, "part": "validation", "data": "mine", "corruptions": corruptions} | means


@pytest.fixture
def panels(tmp_path, monkeypatch):
    caught = []

    def save(figure, path):
        caught.append(figure)
        plotting.save_figure(figure, path)

    monkeypatch.setattr(module, "save_figure", save)
    module.plot_robustness(make_figures(), tmp_path / "a.png")
    return caught[0].axes


def test_each_corruption_and_the_mean_have_a_panel_with_their_curve(panels):
    titles = [axes.texts[1].get_text() for axes in panels]
    assert titles == [corruption.title for corruption in CORRUPTIONS.values()] + ["All corruptions"]
    for axes in panels:
        np.testing.assert_allclose(axes.get_lines()[-1].get_ydata(), [0.65, 0.5, 0.4, 0.3, 0.2, 0.1])


def test_the_clean_accuracy_is_the_reference_of_every_panel(panels):
    assert all(axes.get_lines()[0].get_ydata() == [0.65, 0.65] for axes in panels)


def test_faces_show_every_severity_and_ticks_give_its_value(panels):
    for axes, corruption in zip(panels, CORRUPTIONS.values(), strict=False):
        assert len(axes.child_axes[0].get_images()) == 6
        ticks = [text.get_text() for text in axes.get_xticklabels()]
        assert ticks == ["clean", *(f"{value:g}" for value in corruption.values)]


def test_the_plot_is_deterministic_and_shows_its_figures(tmp_path):
    for name, accuracy in (("a", 0.5), ("b", 0.5), ("c", 0.6)):
        module.plot_robustness(make_figures(accuracy), tmp_path / f"{name}.png")
    first, same, other = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert first == same != other

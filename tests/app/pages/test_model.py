import html
import json
import re
import shutil

import pytest

from fer.app.pages.model import build_model_page
from fer.evaluation.metrics_file import read_metrics
from fer.runs import SHIPPED_RUNS, Run

SHIPPED = Run(SHIPPED_RUNS[-1])


@pytest.fixture(scope="module")
def shipped_page():
    return build_model_page(SHIPPED)


@pytest.fixture(scope="module")
def shipped_metrics():
    return read_metrics(SHIPPED.folder)


def test_the_headline_shows_accuracy_and_size(shipped_page, shipped_metrics):
    assert f"{shipped_metrics['test']['accuracy'] * 100:.1f} %" in shipped_page.headline
    assert f"{shipped_metrics['params']:,}" in shipped_page.headline


def test_the_figures_show_the_accuracy(shipped_page, shipped_metrics):
    assert f"{shipped_metrics['test']['accuracy']:.3f}" in shipped_page.figures


def test_the_confusion_matrix_has_a_cell_for_each_pair(shipped_page):
    assert shipped_page.confusion.count("<td") == 1 + 7 * 7


def test_every_plot_is_shown(shipped_page):
    captions = re.findall(r"<figcaption>(\w+)", shipped_page.plots)
    assert captions == ["Reliability", "Precision", "True", "Training"]
    assert shipped_page.plots.count("data:image/png;base64,") == 4


def test_the_card_has_the_sections_that_are_not_figures(shipped_page):
    headings = re.findall(r"(?m)^#+ \w+", shipped_page.card)
    assert headings == ["### Protocol", "### Data", "### Training", "### Limits", "### Origin"]


def read_tiles(headline):
    return dict(re.findall(r"<div><b>(.*?)</b><span>(.*?)</span></div>", headline))


@pytest.fixture
def run(tmp_path):
    """A copy of the shipped run without its network."""
    shutil.copytree(SHIPPED.folder, tmp_path / "run", ignore=shutil.ignore_patterns("model.keras", "state"))
    return Run(tmp_path / "run")


@pytest.fixture
def two_heads(shipped_metrics):
    """Figures of a network with two heads."""
    metrics = json.loads(json.dumps(shipped_metrics))
    assert metrics["heads"] == ["labels", "votes"]
    metrics["test"] |= {"accuracy": 0.7123}
    metrics["ferplus_test"] |= {"accuracy": 0.8456, "accuracy_ci95": [0.832, 0.859], "n": 3137}
    return metrics


def build_page(run, metrics):
    run.metrics.write_text(json.dumps(metrics))
    return build_model_page(run)


def test_every_tile_of_a_network_with_two_heads_names_its_head(run, two_heads):
    tiles = read_tiles(build_page(run, two_heads).headline)
    assert "test faces under FER2013's labels" in html.unescape(tiles["71.2 %"])
    assert tiles["84.6 %"] == (
        "accuracy on 3,137 test faces under the FER+ majority, 95 % interval 0.832-0.859, head votes"
    )
    measured = [text for text in tiles.values() if text != "parameters"]
    assert sorted(text.rsplit(", head ")[1] for text in measured) == ["labels"] * 4 + ["votes"]


def test_the_headline_of_a_network_with_two_heads_names_the_one_that_answers(run, two_heads):
    assert "The app answers with the head votes" in build_page(run, two_heads).headline


def test_tables_and_plots_of_a_network_with_two_heads_name_the_head(run, two_heads):
    page = build_page(run, two_heads)
    assert "test split, head labels: one row" in page.confusion
    assert "### Per expression, test split, head labels" in page.figures
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page.plots)
    assert [caption.endswith(", head labels") for caption in captions] == [True, True, True, False]


def test_a_head_without_figures_has_no_tile(run, two_heads):
    assert len(read_tiles(build_page(run, two_heads | {"ferplus_test": None}).headline)) == 5


def test_a_network_with_one_head_names_no_head(run, two_heads):
    metrics = two_heads | {"heads": ["labels"], "calibration": {"labels": two_heads["calibration"]["labels"]}}
    page = build_page(run, metrics)
    captions = "".join(re.findall(r"<figcaption>.*?</figcaption>", page.plots))
    assert "head" not in re.sub(r"</?thead>", "", page.headline + page.confusion + captions + page.figures)
    assert "84.6 %" not in page.headline
    assert len(read_tiles(page.headline)) == 5


def test_a_network_trained_on_drawings_is_marked(run, shipped_metrics):
    assert "drawings" not in build_page(run, shipped_metrics).headline
    assert "drawings" in build_page(run, shipped_metrics | {"is_sample": True}).headline


def test_a_run_without_figures_is_not_evaluated_yet(tmp_path):
    assert "not been evaluated" in build_model_page(Run(tmp_path)).headline


def test_a_missing_matrix_or_plot_names_the_remedy(run):
    run.confusion_matrix.unlink()
    for plot in (run.reliability, run.precision_recall, run.roc, run.curves):
        plot.unlink()
    page = build_model_page(run)
    assert "invoke evaluate" in page.confusion
    assert "invoke evaluate" in page.plots


def test_a_run_without_settings_is_incomplete(run):
    run.config.unlink()
    assert "incomplete" in build_model_page(run).headline


def test_fer_model_names_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path))
    assert "not been evaluated" in build_model_page().headline


def test_fer_model_may_name_a_single_file(monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(SHIPPED.model))
    assert "single file" in build_model_page().headline


def test_a_missing_run_gives_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path / "none"))
    assert 'role="alert"' in build_model_page().headline

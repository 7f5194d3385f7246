import json
import re
import shutil

import pytest

from fer.app.pages.model import build_model_page
from fer.config import read_json
from fer.evaluation.metrics_file import read_metrics
from fer.runs import SHIPPED_RUNS, Run

SHIPPED = Run(SHIPPED_RUNS[-1])


@pytest.fixture(scope="module")
def shipped_page():
    return build_model_page(SHIPPED)


@pytest.fixture(scope="module")
def shipped_metrics():
    return read_metrics(SHIPPED.folder)


def read_tiles(headline):
    """Return the figure and the text of each tile, in order."""
    return re.findall(r"<div><b>(.*?)</b><span>(.*?)</span></div>", headline)


def test_the_headline_shows_the_default_answer_and_the_size(shipped_page, shipped_metrics):
    test, votes = (shipped_metrics["default"][block] for block in ("test", "ferplus_test"))
    shares = test["mean_recall"], test["accuracy"], votes["accuracy"], test["accuracy_certain"]
    figures = [f"{share * 100:.1f} %" for share in shares]
    assert f"{shipped_metrics['params']:,} parameters" in shipped_page.measured
    assert f"{test['ece_balanced'] * 100:.1f} percentage points" in shipped_page.measured
    assert [figure for figure, _ in read_tiles(shipped_page.headline)] == figures


def test_the_figures_show_the_default_answer_and_the_single_heads(shipped_page, shipped_metrics):
    default, heads = shipped_page.figures.split("Single heads")
    assert f"{shipped_metrics['default']['test']['accuracy']:.3f}" in default
    assert f"{shipped_metrics['test']['accuracy']:.3f}" in heads


def test_the_confusion_matrix_has_a_cell_for_each_pair(shipped_page):
    assert shipped_page.confusion.count("<td") == 1 + 7 * 7


def test_the_diagonal_of_the_confusion_matrix_is_the_recall_of_the_default_answer(shipped_page, shipped_metrics):
    rates = re.findall(r'class=fer-right style="--fer-rate:([\d.]+)"', shipped_page.confusion)
    recalls = [row["recall"] for row in shipped_metrics["default"]["test"]["per_class"].values()]
    assert rates == [f"{recall:.3f}" for recall in recalls]


def read_captions(plots):
    return re.findall(r"<figcaption>(\w+)", plots)


def test_every_plot_is_shown(shipped_page):
    assert read_captions(shipped_page.plots) == ["Accuracy", "Reliability", "Precision", "True", "Training"]
    assert "image/png" not in shipped_page.plots


def test_the_robustness_of_the_run_is_shown(shipped_page):
    mean = read_json(SHIPPED.robustness)["mean"]["default"]["accuracy"]
    assert f"### Robustness\n\n**Mean corruption accuracy {mean:.3f}**" in shipped_page.figures


def test_the_robustness_of_another_network_is_not_shown(run, shipped_metrics):
    page = build_page(run, shipped_metrics | {"model_sha256": "0" * 64})
    assert "### Robustness\n\nNot measured" in page.figures
    assert "corruptions" not in page.plots


def test_the_plots_of_another_network_are_not_shown(run, shipped_metrics):
    page = build_page(run, shipped_metrics | {"model_sha256": "0" * 64})
    assert read_captions(page.plots) == ["Training"]
    assert "plots of the test split are missing" in page.plots


def test_the_card_has_the_sections_that_are_not_figures(shipped_page):
    headings = re.findall(r"(?m)^#+ \w+", shipped_page.card)
    assert headings == ["### Protocol", "### Data", "### Training", "### Origin"]
    assert shipped_page.limits.startswith("### Limits")


def test_the_recalls_of_the_default_answer_are_shown_the_best_first(shipped_page, shipped_metrics):
    recalls = {name: row["recall"] for name, row in shipped_metrics["default"]["test"]["per_class"].items()}
    rows = re.findall(r"<th scope=row>(\w+)</th>.*?<td>(\d+ %)</td>", shipped_page.headline)
    assert rows == [(name, f"{recalls[name] * 100:.0f} %") for name in sorted(recalls, key=lambda name: -recalls[name])]


def test_the_most_frequent_mistakes_are_named(run, shipped_metrics):
    rows = run.confusion_matrix.read_text().splitlines()
    names = [name.removesuffix("_rate") for name in rows[0].split(",") if name.endswith("_rate")]
    cells = [f"{1.0 if a == b else 0.0}" for a in names for b in names]
    cells[names.index("fear") * 7 + names.index("sad")] = "0.73"
    lines = [rows[0]]
    for index, name in enumerate(names):
        values = dict.fromkeys(rows[0].split(","), "1") | {"true": name}
        values |= {f"{other}_rate": cells[index * 7 + i] for i, other in enumerate(names)}
        lines.append(",".join(values.values()))
    run.confusion_matrix.write_text("\n".join(lines) + "\n")
    headline = build_page(run, shipped_metrics).headline
    assert re.findall(r"<li>(.*?)</li>", headline) == ["73 % of the <b>fear</b> faces are called <b>sad</b>"]


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
    figures = {"mean_recall": 0.6789, "accuracy": 0.7123, "accuracy_ci95": [0.698, 0.727], "ece_balanced": 0.0432}
    metrics["default"]["test"] |= figures | {"certain": 0.9051, "accuracy_certain": 0.7345}
    metrics["default"]["ferplus_test"] |= {"accuracy": 0.8456, "accuracy_ci95": [0.832, 0.859], "n": 3137}
    return metrics


def build_page(run, metrics):
    run.metrics.write_text(json.dumps(metrics))
    return build_model_page(run)


def test_the_tiles_explain_each_figure(run, two_heads):
    assert dict(read_tiles(build_page(run, two_heads).headline)) == {
        "67.9 %": "of each expression is recognised, on average over the seven (3,589 test faces)",
        "71.2 %": "of all test faces are recognised, 95 % interval 0.698-0.727",
        "84.6 %": "of 3,137 test faces are recognised as most annotators see them, 95 % interval 0.832-0.859",
        "73.5 %": "right among the 90.5 % of certain answers",
    }


def test_the_protocol_of_a_network_with_two_heads_says_that_both_answer(run, two_heads):
    measured = build_page(run, two_heads).measured
    assert "<b>labels</b>" in measured
    assert "<b>votes</b>" in measured
    assert "Their predictions are combined, and every expression is assumed to be equally likely." in measured


def test_the_protocol_without_a_joint_calibration_names_the_head_that_answers(run, two_heads):
    two_heads["default"]["prior"] = None
    measured = build_page(run, two_heads).measured
    assert "The predictions are those of the head <b>votes</b>." in measured
    assert "combined" not in measured


def test_captions_name_no_head(run, two_heads):
    page = build_page(run, two_heads)
    captions = "".join(re.findall(r"<figcaption>.*?</figcaption>", page.plots))
    assert "test split: one row" in page.confusion
    assert "head" not in re.sub(r"</?thead>", "", page.confusion + captions)


def test_an_answer_without_ferplus_faces_has_no_tile_for_them(run, two_heads):
    two_heads["default"]["ferplus_test"] = two_heads["ferplus_test"] = None
    tiles = read_tiles(build_page(run, two_heads).headline)
    assert len(tiles) == 3
    assert not any("annotators" in text for _, text in tiles)


def test_an_answer_that_is_never_certain_has_no_tile_for_it(run, two_heads):
    two_heads["default"]["test"] |= {"certain": 0.0, "accuracy_certain": None}
    tiles = read_tiles(build_page(run, two_heads).headline)
    assert len(tiles) == 3
    assert not any("certain answers" in text for _, text in tiles)


def test_a_network_with_one_head_is_not_said_to_have_two(run, two_heads):
    metrics = two_heads | {"heads": ["labels"], "calibration": {"labels": two_heads["calibration"]["labels"]}}
    page = build_page(run, metrics)
    assert "head" not in page.headline + page.measured
    # The robustness of the kept run is that of both heads.
    figures, *_ = page.figures.partition("### Robustness")
    assert "two heads" not in figures
    assert "`votes`" not in figures
    assert len(read_tiles(page.headline)) == 4


def test_a_network_trained_on_drawings_is_marked(run, shipped_metrics):
    assert "drawings" not in build_page(run, shipped_metrics).headline
    assert "drawings" in build_page(run, shipped_metrics | {"is_sample": True}).headline


def test_a_run_without_figures_is_not_evaluated_yet(tmp_path):
    assert "not been evaluated" in build_model_page(Run(tmp_path)).headline


def test_a_missing_matrix_or_plot_names_the_remedy(run):
    run.confusion_matrix.unlink()
    for path in (run.robustness, run.plot_points, run.history):
        path.unlink()
    page = build_model_page(run)
    assert "invoke evaluate" in page.confusion
    assert "invoke evaluate" in page.plots


def test_a_run_without_settings_is_incomplete(run):
    run.config.unlink()
    assert "incomplete" in build_model_page(run).headline


@pytest.mark.parametrize("name", ["metrics", "robustness", "plot_points"])
def test_a_file_that_lacks_a_key_is_named(run, shipped_metrics, name):
    build_page(run, shipped_metrics)
    path = getattr(run, name)
    keys = {"metrics": "default", "robustness": "clean", "plot_points": "roc"}
    path.write_text(json.dumps({key: value for key, value in read_json(path).items() if key != keys[name]}))
    assert f"{path.name} must have" in build_model_page(run).headline


def test_fer_model_names_the_run(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path))
    assert "not been evaluated" in build_model_page().headline


def test_fer_model_may_name_a_single_file(monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(SHIPPED.model))
    assert "single file" in build_model_page().headline


def test_a_missing_run_gives_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path / "none"))
    assert 'role="alert"' in build_model_page().headline

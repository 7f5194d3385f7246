import csv
import io
import re
import xml.etree.ElementTree

import pytest

from fer.app.pages import model_plots
from fer.config import read_json
from fer.labels import COLORS, EXPRESSIONS
from fer.runs import SHIPPED_RUNS, Run

SHIPPED = Run(SHIPPED_RUNS[-1])
POINTS = read_json(SHIPPED.plot_points)


@pytest.fixture(scope="module")
def robustness():
    return read_json(SHIPPED.robustness)


def read_drawings(html):
    """Return the SVG elements that screen readers see."""
    found = re.findall(r'<svg [^>]*role="img".*?</svg>', html, re.DOTALL)
    return [xml.etree.ElementTree.fromstring(text) for text in found]


def read_texts(html, kind):
    return [drawing.find(kind).text for drawing in read_drawings(html)]


@pytest.fixture(scope="module")
def plots(robustness):
    words = {"caption": "Precision", "quantity": "average precision", "x_label": "recall", "y_label": "precision"}
    return {
        "robustness": model_plots.render_robustness(robustness),
        "reliability": model_plots.render_reliability(POINTS["reliability"]),
        "curves": model_plots.render_class_curves(POINTS["precision_recall"], **words),
        "history": model_plots.render_history(SHIPPED.history),
    }


@pytest.mark.parametrize(("name", "count"), [("robustness", 14), ("reliability", 2), ("curves", 1), ("history", 2)])
def test_every_drawing_has_a_name_and_a_description(plots, name, count):
    assert all(read_texts(plots[name], "title"))
    assert all(read_texts(plots[name], "desc"))
    assert len(read_drawings(plots[name])) == count


def test_a_drawing_has_no_text_that_would_be_stretched(plots):
    for html in plots.values():
        assert all(drawing.find(".//text") is None for drawing in read_drawings(html))


def test_the_description_of_a_corruption_has_its_figures(plots, robustness):
    blur = robustness["corruptions"]["blur"]
    text = read_texts(plots["robustness"], "desc")[0].replace("\xa0", " ")
    for value, accuracy in zip(blur["values"], blur["default"]["accuracy"], strict=True):
        assert f"{value:g} {100 * accuracy:.0f} %" in text


def test_a_curve_of_robustness_is_at_the_height_of_its_figures():
    figures = {"clean": {"default": {"accuracy": 0.4}}, "mean": {"default": {"accuracy": 0.1}}}
    block = {"title": "Blur", "unit": "pixels", "values": [1, 2, 3, 4, 5], "default": {"accuracy": [0.2] * 4 + [0.0]}}
    html = model_plots.render_robustness(figures | {"corruptions": {"blur": block}})
    (line,) = re.findall(r'<path class="fer-line " d="M([^"]*)"', html)
    # The axis ends at 0.8, and the distance is that from the top, in thousandths.
    assert [int(point.split(",")[1]) for point in line.split()] == [500, 750, 750, 750, 750, 1000]


def test_high_accuracies_stay_inside_the_chart():
    block = {"title": "Blur", "unit": "pixels", "values": [1, 2], "default": {"accuracy": [0.95, 0.9]}}
    clean = {"default": {"accuracy": 0.98}}
    html = model_plots.render_robustness({"clean": clean, "mean": clean, "corruptions": {"blur": block}})
    assert "-" not in "".join(re.findall(r' d="([^"]*)"', html))


def test_bars_of_few_faces_are_pale_and_empty_ones_are_left_out():
    block = {"ece": 0.02, "counts": [0, 9, 10], "confidence": [0.0, 0.5, 0.9], "accuracy": [0.0, 0.4, 0.8]}
    html = model_plots.render_reliability({"before": block, "after": block})
    bars = re.findall(r'<path class="fer-bar ([\w-]*)" d="([^"]*)"', html)[:2]
    assert bars == [("", "M667,1000V200H1000V1000Z"), ("fer-pale", "M333,1000V600H667V1000Z")]
    assert "40\N{NO-BREAK SPACE}% right at 50\N{NO-BREAK SPACE}%, 80" in read_texts(html, "desc")[0]


def test_each_expression_has_its_colour_and_its_area(plots):
    items = re.findall(r"<li>(.*?)</li>", plots["curves"])
    assert len(items) == len(EXPRESSIONS)
    for item, name in zip(items, EXPRESSIONS, strict=True):
        assert f"stroke:{COLORS[name]}" in item
        assert item.endswith(f"{name} {POINTS['precision_recall'][name]['area']:.2f}")


def test_the_training_names_the_lines_of_its_table(plots):
    rows = list(csv.DictReader(io.StringIO(SHIPPED.history.read_text())))
    accuracy, loss = read_texts(plots["history"], "desc")
    assert f"validation {float(rows[-1]['validation_accuracy']):.3f}" in accuracy
    assert f"validation, votes {float(rows[-1]['validation_accuracy_votes']):.3f}" in accuracy
    assert f"training {float(rows[-1]['train_loss']):.3f}" in loss
    assert f"{len(rows)} epochs, main" in plots["history"]


def test_the_phases_of_a_training_are_named_in_order(tmp_path):
    header, *rows = SHIPPED.history.read_text().splitlines()
    text = "\n".join([header, *rows[:2], rows[2].replace("main", "fine-tune")])
    (tmp_path / "history.csv").write_text(text + "\n")
    assert "3 epochs, main, then fine-tune" in model_plots.render_history(tmp_path / "history.csv")


def test_a_training_of_one_epoch_is_drawn(tmp_path):
    header, row, *_ = SHIPPED.history.read_text().splitlines()
    (tmp_path / "history.csv").write_text(f"{header}\n{row}\n")
    assert "1 epochs" not in (html := model_plots.render_history(tmp_path / "history.csv"))
    assert len(read_drawings(html)) == 2


def test_the_cells_of_the_confusion_matrix_are_in_percent():
    row = {"true": "sad"} | dict.fromkeys(EXPRESSIONS, "3") | {f"{name}_rate": "0.25" for name in EXPRESSIONS}
    html = model_plots.render_confusion([row])
    assert html.count("<b>25</b><small>3</small>") == len(EXPRESSIONS)
    assert html.count("fer-right") == 1

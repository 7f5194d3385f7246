"""The tables show the figures of metrics.json."""

import numpy as np
import pytest
from evaluation_metrics import leave_out, make_calibration, make_metrics

from fer.evaluation import figures
from fer.evaluation.metrics import summarize_views
from fer.labels import EXPRESSIONS

TITLES = {
    "validation": "validation",
    "test": "test",
    "test_clean": "test, clean",
    "ferplus_test": "test, FER+ majority",
}


def read_rows(text):
    """The rows of each table in a text, as lists of cells, without header."""
    tables = [part.strip().splitlines()[2:] for part in text.split("\n\n") if part.startswith("| ")]
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in rows] for rows in tables]


def find_row(rows, title):
    (row,) = (row for row in rows if row[0] == title)
    return row


def test_the_default_answer_is_the_first_table():
    table = figures.render_figures_table(make_metrics())
    assert table.index("The default answer") < table.index("mean recall") < table.index("Single heads")
    assert [[row[0] for row in rows] for rows in read_rows(table)] == [list(TITLES.values())] * 2


@pytest.mark.parametrize(("name", "title"), TITLES.items())
def test_first_table_shows_the_default_answer(name, title):
    metrics = make_metrics()
    block = metrics["default"][name]
    low, high = block["accuracy_ci95"]
    assert find_row(read_rows(figures.render_figures_table(metrics))[0], title) == [
        title,
        f"{block['n']:,}",
        f"{block['mean_recall']:.3f}",
        f"{block['accuracy']:.3f} ({low:.3f}-{high:.3f})",
        f"{block['flip']['accuracy']:.3f}",
        f"{block['ece_balanced']:.3f}",
        "91 %",
        "0.734",
    ]


def test_a_default_answer_without_certain_faces_shows_a_dash():
    metrics = make_metrics()
    metrics["default"]["test"] |= {"certain": 0.0, "accuracy_certain": None}
    assert find_row(read_rows(figures.render_figures_table(metrics))[0], "test")[-2:] == ["0 %", "-"]


@pytest.mark.parametrize(("name", "title"), TITLES.items())
def test_second_table_has_one_row_per_block_with_intervals(name, title):
    metrics = make_metrics()
    block = metrics[name]
    cells = find_row(read_rows(figures.render_figures_table(metrics))[1], title)
    low, high = block["accuracy_ci95"]
    flip_low, flip_high = block["flip"]["accuracy_ci95"]
    assert cells == [
        title,
        "`labels`",
        f"{block['n']:,}",
        f"{block['accuracy']:.3f} ({low:.3f}-{high:.3f})",
        f"{block['flip']['accuracy']:.3f} ({flip_low:.3f}-{flip_high:.3f})",
        f"{block['macro_f1']:.3f}",
        f"{block['ece']:.3f}",
    ]


def test_second_table_names_the_head_of_each_row():
    rows = read_rows(figures.render_figures_table(make_metrics(heads=["labels", "votes"])))[1]
    assert [row[1] for row in rows] == ["`labels`"] * 3 + ["`votes`"]


def test_table_states_the_ferplus_rule():
    assert figures.FERPLUS_RULE in figures.render_figures_table(make_metrics())


def test_table_gives_the_reason_for_a_missing_block():
    table = figures.render_figures_table(leave_out("ferplus_test", "no votes"))
    assert "| test, FER+ majority |" not in table
    assert "No figure for *test, FER+ majority*: no votes." in table


def test_table_of_drawn_faces_warns_about_them():
    assert "drawings" in figures.render_figures_table(make_metrics(is_sample=True))
    assert "drawings" not in figures.render_figures_table(make_metrics())


def test_class_table_has_one_row_per_expression_in_order():
    metrics = make_metrics()
    rows = figures.render_class_table(metrics).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == list(EXPRESSIONS)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_class_table_shows_the_default_answer(name):
    metrics = make_metrics()
    test, clean = (metrics["default"][block] for block in ("test", "test_clean"))
    row = test["per_class"][name]
    shown = [row["precision"], row["recall"], row["f1"]]
    shown += [block["per_class"][name]["recall"] for block in (test["flip"], clean)]
    (rows,) = read_rows(figures.render_class_table(metrics))
    assert find_row(rows, name) == [name, f"{row['support']:,}", *(f"{figure:.3f}" for figure in shown)]


def test_class_table_without_clean_faces_shows_a_dash():
    table = figures.render_class_table(leave_out("test_clean", "all leaked"))
    assert all(row.endswith("| - |") for row in table.splitlines()[2:])


def test_calibration_table_shows_figures_before_and_after():
    rows = figures.render_calibration_table(make_calibration()).splitlines()[2:]
    assert rows[0] == (
        "| validation | 0.662 → 0.659 | 0.381 → 0.512 | 0.110 → 0.021 | 0.018 | 1.210 → 1.010 | 90.3 % | 0.712 |"
    )
    assert rows[1].endswith("| 90.3 % | - |")


def test_calibrations_of_two_heads_are_named_in_order():
    calibrations = {"labels": make_calibration(1.111), "votes": make_calibration(2.222)}
    text = figures.render_calibrations(make_metrics(heads=["labels", "votes"], calibration=calibrations))
    parts = ["The default answer", "temperature 1.357", "confidence 0.468"]
    parts += ["Head `labels`", "temperature 1.111", "Head `votes`", "temperature 2.222"]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_calibration_of_one_head_names_no_other():
    text = figures.render_calibrations(make_metrics())
    assert text.count("Head `labels`") == 1
    assert "Head `votes`" not in text


def test_calibration_of_a_head_gives_its_smoothing_and_no_offsets():
    text = figures.render_calibrations(make_metrics())
    assert "smoothing 0.041" in text
    assert "offset" not in text


def test_legend_explains_two_heads():
    assert "two heads" in figures.render_figures_table(make_metrics(heads=["labels", "votes"]))
    assert "heads" not in figures.render_figures_table(make_metrics()).replace("Single heads, for", "")


def make_without_joint(heads):
    """Figures of a run without a calibration of all heads together."""
    metrics = make_metrics(heads=heads, calibration={head: make_calibration() for head in heads})
    metrics["default"]["prior"] = None
    return metrics


def test_without_a_joint_calibration_the_table_names_the_head_that_answers():
    table = figures.render_figures_table(make_without_joint(["labels", "votes"]))
    assert table.startswith("The default answer, of the head `votes` alone:")
    assert "answer together" not in table


def test_without_a_joint_calibration_the_head_answers_with_its_own():
    text = figures.render_calibrations(make_without_joint(["labels", "votes"]))
    assert text.startswith("The default answer is that of the head `votes`, with its own calibration.")
    assert "equal weight" not in text


def test_the_only_head_is_not_called_all_heads():
    for metrics in (make_metrics(), make_without_joint(["labels"])):
        assert figures.render_figures_table(metrics).startswith("The default answer:")


def make_metrics_of(*names):
    """Figures whose test split has faces of these expressions only, all predicted correctly."""
    y_true = np.repeat([EXPRESSIONS.index(name) for name in names], 5)
    perfect = np.eye(7, dtype=np.float32)[y_true]
    metrics = make_metrics()
    block = summarize_views(perfect, perfect, y_true)
    metrics["default"]["test"] |= block
    return metrics | {"test": block}


def test_absent_expressions_are_named_with_the_figures():
    text = figures.render_figures_table(make_metrics_of("happy", "sad", "neutral"))
    assert "No face of *test* is angry or disgust or fear or surprise" in text
    assert "means over the 3 other expressions" in text
    assert "mean over the seven" not in text
    assert find_row(read_rows(text)[1], "test")[5] == "1.000"


def test_no_expression_is_called_absent_if_all_have_faces():
    text = figures.render_figures_table(make_metrics())
    assert "No face of" not in text
    assert "Mean recall is the mean over the seven expressions;" in text


def test_an_absent_expression_has_dashes():
    (rows,) = read_rows(figures.render_class_table(make_metrics_of("happy", "sad")))
    assert find_row(rows, "fear")[:6] == ["fear", "0", "-", "-", "-", "-"]
    assert find_row(rows, "happy")[:6] == ["happy", "5", "1.000", "1.000", "1.000", "1.000"]

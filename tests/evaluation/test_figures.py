"""The tables show the figures of metrics.json."""

import pytest
from evaluation_metrics import make_calibration, make_metrics

from fer.evaluation import figures
from fer.labels import EXPRESSIONS


def find_row(table, title):
    return next(line for line in table.splitlines() if line.startswith(f"| {title} |"))


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("validation", "validation"),
        ("test", "test"),
        ("test_clean", "test, clean"),
        ("ferplus_test", "test, FER+ majority"),
    ],
)
def test_table_has_one_row_per_block_with_intervals(name, title):
    metrics = make_metrics()
    block = metrics[name]
    cells = [cell.strip() for cell in find_row(figures.render_figures_table(metrics), title).strip("|").split("|")]
    low, high = block["accuracy_ci95"]
    flip_low, flip_high = block["flip"]["accuracy_ci95"]
    assert cells == [
        title,
        f"{block['n']:,}",
        f"{block['accuracy']:.3f} ({low:.3f}-{high:.3f})",
        f"{block['flip']['accuracy']:.3f} ({flip_low:.3f}-{flip_high:.3f})",
        f"{block['macro_f1']:.3f}",
        f"{block['ece']:.3f}",
    ]


def test_table_states_the_ferplus_rule():
    assert figures.FERPLUS_RULE in figures.render_figures_table(make_metrics())


def test_table_gives_the_reason_for_a_missing_block():
    table = figures.render_figures_table(make_metrics(ferplus_test=None, left_out={"ferplus_test": "no votes"}))
    assert "| test, FER+ majority |" not in table
    assert "No figure for *test, FER+ majority*: no votes." in table


def test_table_of_drawn_faces_warns_about_them():
    assert "drawings" in figures.render_figures_table(make_metrics(is_sample=True))
    assert "drawings" not in figures.render_figures_table(make_metrics())


def test_class_table_has_one_row_per_expression_in_order():
    metrics = make_metrics()
    rows = figures.render_class_table(metrics).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == list(EXPRESSIONS)
    for row, name in zip(rows, EXPRESSIONS, strict=True):
        assert f"{metrics['test']['per_class'][name]['recall']:.3f}" in row
        assert row.endswith(f"{metrics['test_clean']['per_class'][name]['recall']:.3f} |")


def test_class_table_without_clean_faces_shows_a_dash():
    table = figures.render_class_table(make_metrics(test_clean=None, left_out={"test_clean": "all leaked"}))
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
    parts = ["Head `labels`", "temperature 1.111", "Head `votes`", "temperature 2.222"]
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)


def test_calibration_of_one_head_names_no_head():
    text = figures.render_calibrations(make_metrics())
    assert "angry +0.10" in text
    assert "neutral -0.30" in text
    assert "Head" not in text


def test_legend_explains_two_heads():
    assert "two heads" in figures.render_figures_table(make_metrics(heads=["labels", "votes"]))
    assert "two heads" not in figures.render_figures_table(make_metrics())

"""The files of an audit."""

import csv
import io

import numpy as np
import pytest
from evaluation_stubs import GreyClassifier, make_grey_faces

from fer.errors import DataError, OutputError, SettingsError
from fer.evaluation.audit import ALL, Audit, compute_group
from fer.evaluation.audit_report import COLUMNS, render_audit, render_audit_table, report_audit
from fer.vision.images import write_image


def make_audit(correct_of_first=40, n=50):
    """Two groups of happy faces; the second has one right answer in two."""
    y_true = np.full(2 * n, 3)
    y_pred = np.where(np.arange(2 * n) < correct_of_first, 3, 0)
    y_pred[n : n + n // 2] = 3
    first, second = slice(0, n), slice(n, 2 * n)
    groups = tuple(compute_group(name, y_true[rows], y_pred[rows]) for name, rows in (("a", first), ("b", second)))
    return Audit(compute_group(ALL, y_true, y_pred), groups, ("3 rows without a group are left out.",))


def test_the_report_states_the_gap_and_whether_chance_explains_it():
    large, small = render_audit(make_audit(45), title="t"), render_audit(make_audit(27), title="t")
    assert "Largest gap in accuracy: 40.0 points" in large
    assert "between **a** (0.900) and **b** (0.500), larger than chance explains" in large
    assert "4.0 points" in small
    assert "within what chance explains" in small


def test_the_report_has_a_row_per_group_and_one_for_all_and_the_notes():
    text = render_audit(make_audit(), title="faces.csv by age")
    assert text.startswith("# Audit of faces.csv by age\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == ["| a", "| b", "| all"]
    assert "3 rows without a group" in text


def test_small_groups_are_named():
    assert "Fewer than 30 faces: a, b;" in render_audit(make_audit(10, n=20), title="t")
    assert "Fewer than" not in render_audit(make_audit(), title="t")


def test_the_table_has_a_row_per_group_and_figure():
    rows = list(csv.DictReader(io.StringIO(render_audit_table(make_audit()))))
    assert tuple(rows[0]) == COLUMNS
    assert [(row["group"], row["figure"], row["expression"]) for row in rows[:3]] == [
        ("a", "accuracy", ""),
        ("a", "mean_recall", ""),
        ("a", "recall", "happy"),
    ]
    assert [row["group"] for row in rows[-3:]] == [ALL] * 3
    assert (rows[0]["n"], rows[0]["value"]) == ("50", "0.8")


@pytest.fixture
def table(tmp_path):
    """Faces of a table; those of group b show another class than their label."""
    rows = ["label,pixels,group"]
    for group, shown in (("a", 3), ("b", 0)):
        pixels = " ".join(map(str, make_grey_faces([shown])[0].ravel()))
        rows += [f"happy,{pixels},{group}"] * 8
    path = tmp_path / "faces.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_an_audit_writes_table_report_and_plot(table, tmp_path):
    out = tmp_path / "out" / "audit.csv"
    report = report_audit(table, "group", out, classifier=GreyClassifier())
    assert "100.0 points" in report
    assert out.with_suffix(".md").read_text() == report + "\n"
    assert out.read_text().startswith(",".join(COLUMNS))
    plot = out.with_suffix(".png").read_bytes()
    assert plot.startswith(b"\x89PNG")
    report_audit(table, "group", out, classifier=GreyClassifier())
    assert out.with_suffix(".png").read_bytes() == plot


def test_another_suffix_is_refused(table):
    with pytest.raises(SettingsError, match=r"\.csv"):
        report_audit(table, "group", "audit.json", classifier=GreyClassifier())


def test_an_output_that_cannot_be_written_is_refused_before_the_table_is_read(tmp_path):
    (tmp_path / "audit.md").mkdir()
    with pytest.raises(OutputError, match=r"audit\.md"):
        report_audit("missing.csv", "group", tmp_path / "audit.csv", classifier=GreyClassifier())


def test_a_table_without_the_group_writes_nothing(table, tmp_path):
    with pytest.raises(DataError, match="'age'"):
        report_audit(table, "age", tmp_path / "audit.csv", classifier=GreyClassifier())
    assert not (tmp_path / "audit.csv").exists()


def test_an_audit_does_not_replace_its_table(table):
    before = table.read_bytes()
    with pytest.raises(OutputError, match="replace an input"):
        report_audit(table, "group", table, classifier=GreyClassifier())
    assert table.read_bytes() == before


def test_an_audit_does_not_replace_an_image_of_its_table(tmp_path):
    write_image(make_grey_faces([3])[0], tmp_path / "1.png")
    (tmp_path / "t.csv").write_text("image,label,group\n1.png,happy,a\n1.png,happy,b\n")
    before = (tmp_path / "1.png").read_bytes()
    with pytest.raises(OutputError, match="replace an input"):
        report_audit(tmp_path / "t.csv", "group", tmp_path / "1.csv", classifier=GreyClassifier())
    assert (tmp_path / "1.png").read_bytes() == before

"""The files of a check of labels."""

from pathlib import Path

import pandas as pd
import pytest
from evaluation_stubs import GreyClassifier, make_grey_dataset

from fer.errors import OutputError, SettingsError
from fer.evaluation.label_check import COLUMNS
from fer.evaluation.label_report import report_labels

ROOT = Path(__file__).parents[2]
DATASET = make_grey_dataset([3, 3, 4], [3, 4, 4], [3, 4, 4])


def test_a_check_writes_the_suspects_and_a_sheet(tmp_path):
    out = tmp_path / "x.labels.csv"
    report = report_labels(DATASET, GreyClassifier(), out)
    table = pd.read_csv(out)
    assert tuple(table.columns) == COLUMNS
    # The last two faces are equal, with two labels.
    assert table["row"].tolist() == [1, 2]
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    lines = report.splitlines()
    assert lines[0] == "| label | faces | disagreement | not a face | duplicate | most often taken for |"
    assert "| happy | 2 | 1 | 0 | 1 | sad |" in lines
    assert lines[-1] == "| all | 3 | 1 | 0 | 2 |  |"


def test_sheets_are_ignored_by_git():
    assert "*.labels.png" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"\.csv"):
        report_labels(DATASET, GreyClassifier(), tmp_path / "labels.json")


def test_a_sheet_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    (tmp_path / "labels.png").mkdir()
    with pytest.raises(OutputError, match=r"labels\.png"):
        report_labels(DATASET, None, tmp_path / "labels.csv")

"""Records of experiments: their tables, and their agreement with the kept runs."""

import datetime
from pathlib import Path

import pytest

from fer.config import load_config, read_json
from fer.errors import DataError
from fer.evaluation.experiments import render_experiments, render_records
from fer.evaluation.metrics_file import read_metrics
from fer.training.checks import check_combinations

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs" / "experiments" / "records").glob("*.json"))


def test_table_formats_text_counts_figures_lists_and_missing_values():
    rows = [
        {"change": "`a`", "parameters": 57326, "labels": [0.616, 0.62], "loss": None},
        {"change": "b", "parameters": 3, "labels": [0.5], "loss": 1.0},
    ]
    assert render_experiments({"columns": ["change", "parameters", "labels", "loss"], "rows": rows}).splitlines() == [
        "| change | parameters | labels | loss |",
        "| --- | ---: | ---: | ---: |",
        "| `a` | 57,326 | 0.616, 0.620 | - |",
        "| b | 3 | 0.500 | 1.000 |",
    ]


def test_a_folder_without_records_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="without one"):
        render_records(tmp_path)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_gives_source_and_date_of_each_row(path):
    record = read_json(path)
    for row in record["rows"]:
        assert row["source"]
        assert datetime.date.fromisoformat(row["date"])
        assert set(record["columns"]) <= set(row)


def test_rows_of_kept_runs_have_the_figures_of_their_metrics_file():
    rows = [row for row in read_json(ROOT / "docs/experiments/records/seeds.json")["rows"] if "run" in row]
    assert [row["run"] for row in rows] == ["artifacts/xception", "artifacts/mini"]
    for row in rows:
        metrics = read_metrics(ROOT / row["run"])
        test = metrics["test"]
        figures = {
            "labels": test["accuracy"],
            "flip-averaged": test["flip"]["accuracy"],
            "FER+ majority": metrics["ferplus_test"]["accuracy"],
            "ECE, labels": test["ece"],
            "lowest recall": min(per_class["recall"] for per_class in test["per_class"].values()),
        }
        assert {name: row[name] for name in figures} == {name: round(value, 3) for name, value in figures.items()}


@pytest.mark.parametrize(
    ("preset", "name"),
    [("mini", "degradation"), ("mini", "mini-once"), ("mini", "resolution"), ("small", "one-head")],
)
def test_the_settings_of_experiments_fit_their_presets(preset, name):
    config = load_config(preset, ROOT / "docs" / "experiments" / f"{name}.json")
    check_combinations(config)
    # A missing teacher is an error: another one is not trained in its place.
    assert not (config.distillation.teacher and config.distillation.teacher_preset)

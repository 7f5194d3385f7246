"""The figures of a robustness report as Markdown."""

import pytest
from evaluation_stubs import GreyClassifier, make_grey_dataset

from fer.errors import ModelError, SettingsError
from fer.evaluation.robustness import measure_robustness
from fer.evaluation.robustness_figures import NOT_MEASURED, read_robustness, render_robustness
from fer.runs import Run

ORIGIN = {
    "model": "small",
    "model_sha256": "ab" * 32,
    "data": "mine",
    "data_sha256": "cd" * 32,
    "part": "validation",
    "is_sample": False,
}


@pytest.fixture(scope="module")
def figures():
    return ORIGIN | measure_robustness(GreyClassifier(), make_grey_dataset([0, 3, 5], voted=[0, 3, 5]))


def test_the_mean_comes_first_with_its_clean_reference(figures):
    first = render_robustness(figures).splitlines()[0]
    assert first.startswith(f"**Mean corruption accuracy {figures['mean']['default']['accuracy']:.3f}**")
    assert "faces as they are give 1.000" in first
    assert "`labels`" in first
    assert "`votes`" in first


def test_the_table_has_a_row_per_corruption_with_all_its_columns(figures):
    header, _, *rows = [line for line in render_robustness(figures).splitlines() if line.startswith("|")]
    assert len(rows) == 14
    assert {line.count("|") for line in rows} == {header.count("|")}
    dark = figures["corruptions"]["dark"]["default"]["accuracy"]
    assert next(row for row in rows if row.startswith("| Dark | gamma: 1.4, 1.8, 2.4, 3.2, 4.5 |")).split(" | ")[
        2:7
    ] == [f"{accuracy:.3f}" for accuracy in dark]


def test_the_legend_names_data_network_and_detection(figures):
    text = render_robustness(figures)
    assert "`mine`, validation, 3 faces" in text
    assert "`abababababab`" in text
    assert "Under yaw, an answer is right only if the face is also detected: 0, 0, 0, 0, 0 %" in text
    assert "drawings" not in text
    assert "drawings" in render_robustness(figures | {"is_sample": True})


def test_a_run_without_figures_names_the_task(tmp_path):
    assert read_robustness(Run(tmp_path), "ab" * 32) is None
    assert render_robustness(None) == NOT_MEASURED
    assert "invoke robustness" in NOT_MEASURED


def test_a_damaged_file_is_a_settings_error(tmp_path):
    Run(tmp_path).robustness.write_text("{")
    with pytest.raises(SettingsError, match=r"robustness\.json"):
        read_robustness(Run(tmp_path), "ab" * 32)


def test_a_file_without_the_digest_of_its_network_is_one_line(tmp_path):
    Run(tmp_path).robustness.write_text("{}")
    with pytest.raises(ModelError, match=r"robustness\.json must have 'model_sha256'.*invoke robustness"):
        read_robustness(Run(tmp_path), "ab" * 32)

import json

import pytest
from training_runs import SHORT, ignore

from fer import commands
from fer.data import draw_sample, save_dataset
from fer.errors import DataError, ModelError, OutputError, SettingsError
from fer.runs import Run


@pytest.mark.parametrize("command", [commands.evaluate, commands.photos, commands.robustness])
@pytest.mark.usefixtures("folder")
def test_a_missing_run_names_the_task_that_trains_it(command):
    with pytest.raises(ModelError, match="invoke train"):
        command("none")


def test_the_photo_check_writes_its_figures_into_the_run_and_a_document(folder):
    save_dataset(draw_sample(140))
    commands.train("sample", set=SHORT, quiet=True, log=ignore)
    document = folder / "page.md"
    marks = "<!-- photos:sample:begin -->", "<!-- photos:sample:end -->"
    document.write_text("before\n{}\nold\n{}\nafter\n".format(*marks))
    lines = []
    figures = commands.photos("sample", limit=5, document=str(document), quiet=True, log=lines.append)
    assert figures["n"] == 5
    assert figures == json.loads((folder / "artifacts" / "sample" / "photo_check.json").read_text())
    assert document.read_text() == f"before\n{marks[0]}\n{lines[0]}\n{marks[1]}\nafter\n"
    assert "photo_check.json" in lines[1]
    # Without a document, the figures are the same.
    assert commands.photos("sample", limit=5, quiet=True, log=ignore) == figures


def test_evaluate_replaces_the_marked_sections_of_the_run_in_a_document(folder):
    save_dataset(draw_sample(140))
    commands.train("sample", set=SHORT, quiet=True, log=ignore)
    document = folder / "page.md"
    document.write_text("before\n<!-- figures:sample:begin -->\nold\n<!-- figures:sample:end -->\nafter\n")
    lines = []
    commands.evaluate("sample", document=str(document), log=lines.append)
    assert document.read_text() == (
        f"before\n<!-- figures:sample:begin -->\n{lines[0]}\n<!-- figures:sample:end -->\nafter\n"
    )


@pytest.mark.parametrize("command", [commands.evaluate, commands.photos, commands.robustness])
def test_a_document_without_marks_of_the_run_is_refused_before_any_work(folder, command):
    (folder / "page.md").write_text("no marks\n")
    with pytest.raises(DataError, match=":none:begin"):
        command("none", document="page.md")


def test_audit_prints_its_report_and_names_its_files(monkeypatch):
    calls = []

    def report_audit(*arguments, **options):
        calls.append((arguments, options))
        return "# Audit"

    monkeypatch.setattr("fer.evaluation.audit_report.report_audit", report_audit)
    monkeypatch.setattr("fer.commands.evaluation.load_classifier", lambda run: f"classifier of {run}")
    lines = []
    commands.audit("faces.csv", "age", whole_image=True, run="mine", quiet=True, log=lines.append)
    options = {"classifier": "classifier of mine", "whole_image": True, "progress": False}
    assert calls == [(("faces.csv", "age", "audit.csv"), options)]
    assert lines == ["# Audit", "Wrote audit.csv, with a report (.md) and a plot (.png) beside it."]


def test_labels_writes_the_suspects_of_a_data_set_beside_it(folder):
    save_dataset(draw_sample(140))
    commands.train("sample", set=SHORT, quiet=True, log=ignore)
    lines = []
    commands.labels("sample", run="sample", log=lines.append)
    assert (folder / "data" / "sample.labels.csv").is_file()
    assert (folder / "data" / "sample.labels.png").is_file()
    assert "| all | 140 |" in lines[0]
    assert "sample.labels.png, which shows faces" in lines[1]


def test_experiments_renders_the_records_into_a_document(folder):
    records = folder / "docs" / "experiments" / "records"
    records.mkdir(parents=True)
    (records / "one.json").write_text('{"columns": ["labels"], "rows": [{"labels": 0.5}]}')
    (folder / "page.md").write_text("<!-- experiments:one:begin -->\n<!-- experiments:one:end -->\n")
    commands.experiments("page.md", log=ignore)
    assert "| 0.500 |" in (folder / "page.md").read_text()


@pytest.mark.parametrize("limit", [0, -3])
@pytest.mark.parametrize("command", [commands.photos, commands.robustness])
def test_a_limit_below_one_is_refused_before_any_work(command, limit):
    with pytest.raises(SettingsError, match=f"--limit must be at least 1. Received: {limit}"):
        command("none", limit=limit)


def test_robustness_writes_its_figures_into_the_run_a_document_and_the_model_card(folder):
    save_dataset(draw_sample(140))
    commands.train("sample", set=SHORT, quiet=True, log=ignore)
    commands.evaluate("sample", log=ignore)
    document, run = folder / "page.md", Run.find("sample")
    document.write_text("<!-- robustness:sample:begin -->\nold\n<!-- robustness:sample:end -->\n")
    lines = []
    figures = commands.robustness("sample", limit=5, document=str(document), quiet=True, log=lines.append)
    assert figures == json.loads(run.robustness.read_text())
    assert document.read_text() == f"<!-- robustness:sample:begin -->\n{lines[0]}\n<!-- robustness:sample:end -->\n"
    assert lines[0] in run.model_card.read_text()
    # Another evaluation of the same network keeps the section.
    commands.evaluate("sample", log=ignore)
    assert lines[0] in run.model_card.read_text()


@pytest.mark.parametrize("command", ["photos", "robustness"])
def test_a_report_that_cannot_be_written_is_refused_before_any_work(command, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / {"photos": "photo_check.json", "robustness": "robustness.json"}[command]).mkdir()
    monkeypatch.setattr("fer.commands.evaluation.load_dataset_of", lambda *_: pytest.fail("the work has begun"))
    with pytest.raises(OutputError):
        getattr(commands, command)(str(folder), quiet=True, log=lambda line: None)

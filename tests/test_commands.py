import json
import subprocess
import sys
from pathlib import Path

import pytest

from fer import commands, config
from fer.data import draw_sample, save_dataset
from fer.errors import DataError, ModelError, SettingsError
from fer.files import compute_digest
from fer.runs import Run
from fer.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
SHORT = ('training.phases=[{"name": "only", "epochs": 2, "learning_rate": 0.002}]', "training.batch_size=16")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A temporary working folder, where the drawn sample is small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "fer.data.preparation.draw_unguarded_sample", lambda name, seed: draw_sample(140, name=name, seed=seed)
    )
    return tmp_path


def test_the_pipeline_without_data_runs_on_the_drawn_sample(place):
    lines = []
    metrics = commands.pipeline(set=SHORT, quiet=True, log=lines.append)
    assert metrics["is_sample"] is True
    assert metrics["test"]["n"] == 21
    assert "sample" in lines[0]
    assert "invoke preprocess --source" in lines[0]
    files = {path.name for path in (place / "artifacts" / "sample").iterdir()}
    assert files >= {
        "model.keras",
        "config.json",
        "history.csv",
        "curves.png",
        "metrics.json",
        "confusion_matrix.png",
        "confusion_matrix.csv",
        "classification_report.txt",
        "model_card.md",
    }
    assert commands.pipeline(set=SHORT, quiet=True, log=lines.append)["test"] == metrics["test"]


def test_the_pipeline_uses_a_prepared_fer2013(place):
    save_dataset(draw_sample(140, name="fer2013"))
    metrics = commands.pipeline(preset="sample", run="mine", set=SHORT, quiet=True, log=lambda line: None)
    assert metrics["data"] == "fer2013"
    assert (place / "artifacts" / "mine" / "model.keras").is_file()


def test_a_finished_run_is_not_lost_by_accident(place):
    save_dataset(draw_sample(140))
    arguments = {"preset": "sample", "set": SHORT, "quiet": True, "log": lambda line: None}
    folder = commands.train(**arguments)
    before = (folder / "model.keras").read_bytes()
    with pytest.raises(ModelError, match="holds a finished one"):
        commands.train(**arguments)
    assert (folder / "model.keras").read_bytes() == before
    for mistake in ('model.heads=["votes"]', "distillation.teacher=nowhere", f"distillation.teacher={folder}"):
        with pytest.raises((DataError, ModelError)):
            commands.train(**{**arguments, "set": (*SHORT, mistake)}, overwrite=True)
        assert (folder / "model.keras").read_bytes() == before
    commands.train(**arguments, overwrite=True)


def test_missing_teachers_are_trained_first_and_an_unfinished_one_is_resumed(place, monkeypatch):
    save_dataset(draw_sample(140))
    lines = []
    arguments = {"preset": "sample", "quiet": True, "log": lines.append}
    teachers = [str(place / "artifacts" / name) for name in ("first", "second")]
    taught = (*SHORT, f"distillation.teacher={json.dumps(teachers)}", "distillation.teacher_preset=sample")
    monkeypatch.setattr("fer.config._read_preset", shorten(config._read_preset))
    stop_after_an_epoch(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        commands.train(**arguments, run="second", set=("training.seed=1",))
    monkeypatch.undo()
    monkeypatch.chdir(place)
    monkeypatch.setattr("fer.config._read_preset", shorten(config._read_preset))
    folder = commands.train(**arguments, run="student", set=taught)
    assert any("Resuming after epoch 1 of 2" in line for line in lines)
    seeds = [config.load_config("sample", Path(path) / "config.json").training.seed for path in teachers]
    assert seeds == [0, 1]
    before = len(lines)
    with pytest.raises(ModelError, match="holds a finished one"):
        commands.train(**arguments, run="student", set=(*taught, 'distillation.teacher=["not/begun"]'))
    with pytest.raises(ModelError, match="outside its student's folder"):
        commands.train(**arguments, run="third", set=(*taught, 'distillation.teacher=["artifacts/third"]'))
    save_dataset(draw_sample(140, name="other"))
    with pytest.raises(ModelError, match="which was trained on 'sample'"):
        commands.train(**arguments, run="fourth", set=taught, data="other")
    assert len(lines) == before
    digests = Run(folder).read_provenance()["teachers"]
    assert digests == {path: compute_digest(Path(path) / "model.keras") for path in teachers}


def shorten(read_preset):
    """Return a reader of presets whose runs have two epochs."""
    phases = [{"name": "only", "epochs": 2, "learning_rate": 0.002}]

    def read(name):
        settings = read_preset(name)
        return {**settings, "training": {**settings["training"], "phases": phases, "batch_size": 16}}

    return read


def stop_after_an_epoch(monkeypatch):
    end_epoch = Trainer.end_epoch

    def end_and_stop(*arguments):
        end_epoch(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "end_epoch", end_and_stop)


def test_missing_files_name_the_task_that_makes_them(place):
    with pytest.raises(DataError, match="invoke preprocess"):
        commands.train("sample")
    with pytest.raises(ModelError, match="invoke train"):
        commands.evaluate("none")
    with pytest.raises(SettingsError, match="--resume"):
        commands.train("sample", resume=True)
    assert not (place / "artifacts").exists()


def run_invoke(folder, *arguments):
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *arguments]
    environment = {**__import__("os").environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--preset", "huge"), "Unknown preset"),
        (("train", "--set", "training.epochs=3"), "training.epochs"),
        (("evaluate", "--run", "none"), "invoke train"),
        (("preprocess", "--source", "missing.csv"), "missing.csv"),
        (("space", "--dry-run"), "--push owner/name"),
        (("preprocess", "--seed", "x"), "--seed takes a whole number"),
    ],
)
def test_a_mistake_ends_with_one_line_and_code_2(tmp_path, arguments, message):
    result = run_invoke(tmp_path, *arguments)
    assert result.returncode == 2
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_every_task_of_the_public_surface_is_there(tmp_path):
    listed = json.loads(run_invoke(tmp_path, "--list", "--list-format=json").stdout)
    assert {task["name"] for task in listed["tasks"]} == {
        "preprocess",
        "train",
        "evaluate",
        "pipeline",
        "photos",
        "experiments",
        "predict",
        "video",
        "app",
        "space",
        "bench",
        "test",
        "check",
    }
    assert listed["default"] == "pipeline"


def test_the_photo_check_writes_its_figures_into_the_run_and_a_document(place):
    save_dataset(draw_sample(140))
    commands.train("sample", set=SHORT, quiet=True, log=lambda line: None)
    document = place / "page.md"
    marks = "<!-- photos:sample:begin -->", "<!-- photos:sample:end -->"
    document.write_text("before\n{}\nold\n{}\nafter\n".format(*marks))
    lines = []
    figures = commands.photos("sample", limit=5, document=str(document), quiet=True, log=lines.append)
    assert figures["n"] == 5
    assert figures == json.loads((place / "artifacts" / "sample" / "photo_check.json").read_text())
    assert document.read_text() == f"before\n{marks[0]}\n{lines[0]}\n{marks[1]}\nafter\n"
    assert "photo_check.json" in lines[1]
    assert commands.photos("sample", limit=5, quiet=True, log=lines.append) == figures


def test_evaluate_replaces_the_marked_sections_of_the_run_in_a_document(place):
    save_dataset(draw_sample(140))
    commands.train("sample", set=SHORT, quiet=True, log=lambda line: None)
    document = place / "page.md"
    document.write_text("before\n<!-- figures:sample:begin -->\nold\n<!-- figures:sample:end -->\nafter\n")
    lines = []
    commands.evaluate("sample", document=str(document), log=lines.append)
    assert document.read_text() == (
        f"before\n<!-- figures:sample:begin -->\n{lines[0]}\n<!-- figures:sample:end -->\nafter\n"
    )


@pytest.mark.parametrize("command", [commands.evaluate, commands.photos])
def test_a_document_without_marks_of_the_run_is_refused_before_any_work(place, command):
    (place / "page.md").write_text("no marks\n")
    with pytest.raises(DataError, match=":none:begin"):
        command("none", document="page.md")


def test_experiments_renders_the_records_into_a_document(place):
    records = place / "docs" / "experiments" / "records"
    records.mkdir(parents=True)
    (records / "one.json").write_text('{"columns": ["labels"], "rows": [{"labels": 0.5}]}')
    (place / "page.md").write_text("<!-- experiments:one:begin -->\n<!-- experiments:one:end -->\n")
    commands.experiments("page.md", log=lambda line: None)
    assert "| 0.500 |" in (place / "page.md").read_text()

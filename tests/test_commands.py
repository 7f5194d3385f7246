import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

import fer
from fer import bench, commands, reports
from fer.data import draw_sample, save_dataset
from fer.errors import DataError, ModelError, SettingsError
from fer.runs import Run
from fer.training.trainer import Trainer

SHORT = ('training.phases=[{"name": "only", "epochs": 2, "learning_rate": 0.002}]', "training.batch_size=16")


def ignore(line):
    """Receive a line of output."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A temporary working folder, where the drawn sample is small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "fer.data.preparation.draw_unguarded_sample", lambda name, seed: draw_sample(140, name=name, seed=seed)
    )
    return tmp_path


# Pipeline


def test_the_pipeline_without_data_runs_on_the_drawn_sample(folder):
    lines = []
    metrics = commands.pipeline(set=SHORT, quiet=True, log=lines.append)
    assert metrics["is_sample"] is True
    assert metrics["test"]["n"] == 21
    assert "sample" in lines[0]
    assert "invoke preprocess --source" in lines[0]
    files = {path.name for path in (folder / "artifacts" / "sample").iterdir()}
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
    # A second time, it replaces the run, and arrives at the same figures.
    assert commands.pipeline(set=SHORT, quiet=True, log=ignore)["test"] == metrics["test"]


def test_the_pipeline_uses_a_prepared_fer2013(folder):
    save_dataset(draw_sample(140, name="fer2013"))
    metrics = commands.pipeline(preset="sample", run="mine", set=SHORT, quiet=True, log=ignore)
    assert metrics["data"] == "fer2013"
    assert (folder / "artifacts" / "mine" / "model.keras").is_file()


# Training


def test_a_finished_run_is_replaced_only_with_overwrite(folder):
    save_dataset(draw_sample(140))
    arguments = {"preset": "sample", "set": SHORT, "quiet": True, "log": ignore}
    run = Run(commands.train(**arguments))
    run.metrics.write_text("{}")
    with pytest.raises(ModelError, match="holds a finished one"):
        commands.train(**arguments)
    assert run.metrics.is_file()
    commands.train(**arguments, overwrite=True)
    assert run.is_finished
    assert not run.metrics.exists()


def test_the_last_line_of_training_names_the_next_task(folder):
    save_dataset(draw_sample(140))
    lines = []
    commands.train("sample", run="mine", set=SHORT, quiet=True, log=lines.append)
    assert lines[-1].endswith("Next: invoke evaluate --run mine")


def test_an_interrupted_run_is_resumed_with_its_settings(folder, monkeypatch):
    save_dataset(draw_sample(140))
    end_epoch = Trainer.end_epoch

    def end_and_stop(*arguments):
        end_epoch(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(Trainer, "end_epoch", end_and_stop)
        with pytest.raises(KeyboardInterrupt):
            commands.train("sample", run="mine", set=SHORT, quiet=True, log=ignore)
    run = Run(commands.train(run="mine", resume=True, quiet=True, log=ignore))
    assert run.is_finished
    assert run.read_config().training.epochs == 2


@pytest.mark.parametrize(
    "option", [{"preset": "sample"}, {"config": "settings.json"}, {"set": SHORT}, {"overwrite": True}]
)
def test_a_resumed_run_takes_no_settings(folder, option):
    with pytest.raises(SettingsError, match="--resume"):
        commands.train(run="mine", resume=True, **option)
    assert not (folder / "artifacts").exists()


# Missing files


def test_training_without_data_names_the_task_that_prepares_them(folder):
    with pytest.raises(DataError, match="invoke preprocess"):
        commands.train("sample")
    assert not (folder / "artifacts").exists()


@pytest.mark.parametrize("command", [commands.evaluate, commands.photos])
@pytest.mark.usefixtures("folder")
def test_a_missing_run_names_the_task_that_trains_it(command):
    with pytest.raises(ModelError, match="invoke train"):
        command("none")


# Evaluation


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


@pytest.mark.parametrize("command", [commands.evaluate, commands.photos])
def test_a_document_without_marks_of_the_run_is_refused_before_any_work(folder, command):
    (folder / "page.md").write_text("no marks\n")
    with pytest.raises(DataError, match=":none:begin"):
        command("none", document="page.md")


def test_experiments_renders_the_records_into_a_document(folder):
    records = folder / "docs" / "experiments" / "records"
    records.mkdir(parents=True)
    (records / "one.json").write_text('{"columns": ["labels"], "rows": [{"labels": 0.5}]}')
    (folder / "page.md").write_text("<!-- experiments:one:begin -->\n<!-- experiments:one:end -->\n")
    commands.experiments("page.md", log=ignore)
    assert "| 0.500 |" in (folder / "page.md").read_text()


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused_before_any_work(limit):
    with pytest.raises(SettingsError, match=f"--limit must be at least 1. Received: {limit}"):
        commands.photos("none", limit=limit)


# Images and videos


def test_predict_writes_the_table_and_prints_a_summary(folder):
    Image.fromarray(draw_sample(140).faces[0]).save(folder / "face.png")
    lines = []
    commands.predict("face.png", "faces.csv", whole_image=True, quiet=True, log=lines.append)
    header, *rows = (folder / "faces.csv").read_text().splitlines()
    assert header.startswith("image,")
    assert len(rows) == 1
    assert "faces.csv" in lines[0]


@pytest.fixture
def streamed(monkeypatch):
    """The arguments that ``video`` passes on, instead of reading a video."""
    calls = []

    def process_video(*arguments, **options):
        calls.append((arguments, options))
        return SimpleNamespace(describe=lambda: "3 frames")

    monkeypatch.setattr(reports, "process_video", process_video)
    monkeypatch.setattr(fer, "Analyzer", lambda classifier, **options: options, raising=False)
    monkeypatch.setattr(fer, "Classifier", SimpleNamespace(load=lambda path: None), raising=False)
    return calls


def test_video_passes_its_options_on_and_prints_a_summary(streamed):
    lines = []
    commands.video("in.mp4", csv="out.csv", plot="out.png", every=2, max_side=320, quiet=True, log=lines.append)
    [(arguments, options)] = streamed
    assert arguments == (Path("in.mp4"),)
    assert options["analyzer"] == {"max_side": 320}
    assert (options["csv"], options["plot"], options["annotated"]) == ("out.csv", "out.png", None)
    assert (options["every"], options["progress"], options["allow_network"]) == (2, False, True)
    assert lines == ["3 frames"]


def test_video_writes_a_table_beside_the_video_if_nothing_is_asked_for(streamed):
    commands.video("folder/in.mp4", log=lambda line: None)
    assert streamed[0][1]["csv"] == str(Path("folder/in_faces.csv"))
    commands.video("folder/in.mp4", plot="p.png", log=lambda line: None)
    assert streamed[1][1]["csv"] is None


def test_several_videos_are_one_table(streamed, monkeypatch):
    monkeypatch.setattr(reports, "process_videos", reports.process_video)
    commands.video(["a/in.mp4", "b.mp4"], log=lambda line: None)
    assert streamed[0][0] == ([Path("a/in.mp4"), Path("b.mp4")],)
    assert streamed[0][1]["csv"] == str(Path("a/videos_faces.csv"))


def test_a_side_below_one_is_refused_before_any_work(streamed):
    with pytest.raises(SettingsError, match="--max-side must be at least 1"):
        commands.video("in.mp4", max_side=0)
    assert streamed == []


# Space, app and benchmarks


@pytest.fixture
def pushed(monkeypatch):
    """The arguments of each push, instead of an upload."""
    calls = []
    monkeypatch.setattr("fer.app.space.build_space", lambda out: [Path(out) / "app.py"])
    monkeypatch.setattr("fer.app.space.push_space", lambda *arguments, **options: calls.append((arguments, options)))
    return calls


def test_a_space_is_built_without_a_push(pushed):
    lines = []
    commands.space("out", log=lines.append)
    assert lines[0].startswith("1 files are in out.")
    assert pushed == []


def test_a_space_is_pushed_on_request(pushed):
    commands.space("out", push="owner/name", dry_run=True, log=ignore)
    [(arguments, options)] = pushed
    assert arguments == ("out", "owner/name")
    assert options["dry_run"] is True


def test_a_dry_run_without_a_push_is_refused(pushed):
    with pytest.raises(SettingsError, match="--push owner/name"):
        commands.space("out", dry_run=True, log=ignore)


def test_app_serves_at_the_address(monkeypatch):
    served = []
    monkeypatch.setattr("gradio_app.run_app", lambda **options: served.append(options))
    commands.app(host="127.0.0.1", port=7000)
    assert served == [{"host": "127.0.0.1", "port": 7000}]


@pytest.mark.parametrize("app", [False, True])
def test_bench_measures_networks_or_the_app(monkeypatch, app):
    measured = []
    monkeypatch.setattr(bench, "run_bench", lambda *, app: measured.append(app))
    commands.bench(app=app)
    assert measured == [app]

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from data_sources import write_tree
from PIL import Image

import fer
from fer import bench, commands, reports
from fer.data import draw_sample, save_dataset
from fer.errors import DataError, ImageError, InterruptedWork, ModelError, SettingsError
from fer.runs import Run
from fer.training.trainer import Trainer

SHORT = ('training.phases=[{"name": "only", "epochs": 2, "learning_rate": 0.002}]', "training.batch_size=16")

SPLITS = {"train": 2, "validation": 1, "test": 1}


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


def test_the_bare_pipeline_never_trains_on_fer2013_unasked(folder, monkeypatch):
    save_dataset(draw_sample(140, name="fer2013"))
    lines, calls = [], []
    monkeypatch.setattr(commands, "train", lambda preset, **options: calls.append((preset, options["data"])))
    monkeypatch.setattr(commands, "evaluate", lambda name, log: {})
    commands.pipeline(log=lines.append)
    assert calls == [("sample", "sample")]
    assert "invoke pipeline --preset small" in lines[0]


# Preparation


def test_the_default_name_comes_from_the_source(folder):
    write_tree(folder / "my faces", SPLITS)
    assert commands.preprocess(str(folder / "my faces"), log=ignore) == Path("data/my_faces.npz")


def test_another_data_set_of_the_same_name_is_replaced_only_with_overwrite(folder):
    save_dataset(draw_sample(140, name="trees", seed=3))
    before = Path("data/trees.npz").read_bytes()
    write_tree(folder / "trees", SPLITS)
    with pytest.raises(DataError, match="--overwrite"):
        commands.preprocess("trees", log=ignore)
    assert Path("data/trees.npz").read_bytes() == before
    commands.preprocess("trees", overwrite=True, log=ignore)
    assert Path("data/trees.npz").read_bytes() != before
    # The same data set again changes nothing.
    commands.preprocess("trees", log=ignore)


# Reading images


def test_images_none_of_which_is_readable_are_an_error_after_the_table(folder):
    Path("a.jpg").write_bytes(b"damaged")
    with pytest.raises(ImageError, match="none of which"):
        commands.predict("a.jpg", "t.csv", quiet=True, log=ignore)
    assert "An image must be" in Path("t.csv").read_text()


# Training


def test_a_replaced_run_comes_back_if_training_ends_before_the_first_checkpoint(folder, monkeypatch):
    save_dataset(draw_sample(140))
    arguments = {"preset": "sample", "set": SHORT, "quiet": True, "log": ignore}
    run = Run(commands.train(**arguments))
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}

    def stop(trainer, *rest):
        assert not run.is_finished
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "end_epoch", stop)
    with pytest.raises(KeyboardInterrupt):
        commands.train(**arguments, overwrite=True)
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before


def test_ctrl_c_after_a_checkpoint_names_the_command_that_resumes(folder, monkeypatch):
    save_dataset(draw_sample(140))
    end_epoch = Trainer.end_epoch

    def stop(trainer, *rest):
        end_epoch(trainer, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "end_epoch", stop)
    with pytest.raises(InterruptedWork, match="invoke train --run sample --resume"):
        commands.train("sample", set=SHORT, quiet=True, log=ignore)
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert Run(commands.train(run="sample", resume=True, quiet=True, log=ignore)).is_finished


def test_the_printed_next_command_works_for_a_run_and_data_anywhere(folder):
    save_dataset(draw_sample(140, name="mine"), folder / "else where")
    lines = []
    data, target = str(folder / "else where" / "mine.npz"), str(folder / "some where")
    commands.train("sample", set=SHORT, data=data, run=target, quiet=True, log=lines.append)
    words = shlex.split(lines[-1].partition("Next: ")[2])
    assert words[:2] == ["invoke", "evaluate"]
    options = dict(zip((word.removeprefix("--") for word in words[2::2]), words[3::2], strict=True))
    assert commands.evaluate(**options, log=ignore)["test"]["n"] == 21


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
        with pytest.raises(InterruptedWork, match="invoke train --run mine --resume"):
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


# Fine-tuning


@pytest.fixture
def trained(folder):
    """A run named 'sample', and a second data set named 'own'."""
    save_dataset(draw_sample(140))
    save_dataset(draw_sample(140, name="own", seed=4))
    commands.train("sample", set=SHORT, quiet=True, log=ignore)
    return folder


def test_finetune_compares_both_runs_and_writes_a_run_that_can_be_used(trained):
    (trained / "page.md").write_text("<!-- finetune:own:begin -->\n<!-- finetune:own:end -->\n")
    lines = []
    figures = commands.finetune("own", "sample", epochs=1, document="page.md", quiet=True, log=lines.append)
    assert figures == json.loads((trained / "artifacts" / "own" / "comparison.json").read_text())
    assert "| `own`, test, 21 | after |" in (trained / "page.md").read_text()
    assert any("fer2013.npz is missing" in line for line in lines)
    assert lines[-1].endswith("--run own")
    assert Run(trained / "artifacts" / "own").read_config().training.initial_run == "sample"
    fer.Classifier.load(trained / "artifacts" / "own")


def test_finetune_measures_what_was_forgotten_of_a_prepared_fer2013(trained):
    save_dataset(draw_sample(140, name="fer2013", seed=6))
    figures = commands.finetune("own", "sample", epochs=1, quiet=True, log=ignore)
    assert (figures["reference_data"], figures["reference"]["n"]) == ("fer2013", 21)


def test_finetune_starts_from_the_shipped_run_by_default(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    monkeypatch.delenv("FER_MODEL", raising=False)
    assert commands._find_initial(None).argument == "xception"


@pytest.mark.parametrize(
    ("option", "error", "match"),
    [
        ({"layers": "some"}, SettingsError, "--layers is one of all, head"),
        ({"epochs": 0}, SettingsError, "--epochs must be at least 1"),
        ({"document": "page.md"}, DataError, "finetune:own:begin"),
        ({"name": "sample"}, ModelError, "must not replace the run"),
    ],
)
def test_finetune_refuses_a_wrong_option_before_any_work(trained, option, error, match):
    (trained / "page.md").write_text("no marks\n")
    with pytest.raises(error, match=match):
        commands.finetune("own", "sample", log=ignore, **option)
    assert not (trained / "artifacts" / "own").exists()


def test_relight_writes_photos_and_names_the_next_task(folder):
    save_dataset(draw_sample(140))
    lines = []
    commands.relight("lit", data="sample", train=3, test=2, log=lines.append)
    assert len(list((folder / "lit").rglob("*.jpg"))) == 5
    assert "invoke preprocess --source lit --name lit --detect" in lines[0]


# Missing files


def test_training_without_data_names_the_task_that_prepares_them(folder):
    with pytest.raises(DataError, match="invoke preprocess"):
        commands.train("sample")
    assert not (folder / "artifacts").exists()


@pytest.mark.parametrize("command", [commands.evaluate, commands.photos, commands.robustness])
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
    monkeypatch.setattr(commands, "_load_classifier", lambda run: f"classifier of {run}")
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
    options = {"csv": "out.csv", "plot": "out.png", "baseline": "0-5", "every": 2, "max_side": 320}
    commands.video("in.mp4", **options, quiet=True, log=lines.append)
    [(arguments, options)] = streamed
    assert arguments == (Path("in.mp4"),)
    # A function, so that the network is not loaded before the outputs are checked.
    assert options["analyzer"]() == {"max_side": 320}
    assert (options["csv"], options["plot"], options["annotated"]) == ("out.csv", "out.png", None)
    assert options["baseline"] == "0-5"
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

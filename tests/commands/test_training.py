import json
import shlex
from pathlib import Path

import pytest
from training_runs import SHORT, ignore

import fer
from fer import commands
from fer.commands import training
from fer.data import draw_sample, save_dataset
from fer.errors import DataError, InterruptedWork, ModelError, SettingsError
from fer.runs import Run
from fer.training.trainer import Trainer


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
    monkeypatch.setattr(training, "train", lambda preset, **options: calls.append((preset, options["data"])))
    monkeypatch.setattr(training, "evaluate", lambda name, log: {})
    commands.pipeline(log=lines.append)
    assert calls == [("sample", "sample")]
    assert "invoke pipeline --preset small" in lines[0]


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


@pytest.mark.parametrize("option", [{"set": SHORT}, {"overwrite": True}, {"layers": "head"}, {"epochs": 5}])
def test_a_resumed_fine_tuning_takes_no_settings(folder, option):
    with pytest.raises(SettingsError, match="give only --data and --name"):
        commands.finetune("own", name="mine", resume=True, **option)


def test_a_damaged_fer2013_is_refused_before_fine_tuning(folder, monkeypatch):
    save_dataset(draw_sample(140, name="own"))
    Path("data/fer2013.npz").write_bytes(b"damaged")
    monkeypatch.setattr(training.training, "finetune", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(DataError, match="fer2013"):
        commands.finetune("own", "sample", log=ignore)


def test_training_without_data_names_the_task_that_prepares_them(folder):
    with pytest.raises(DataError, match="invoke preprocess"):
        commands.train("sample")
    assert not (folder / "artifacts").exists()


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
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.delenv("FER_MODEL", raising=False)
    assert training._find_initial(None).argument == "xception"


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

"""The built wheel, installed in a fresh environment and used in an empty folder, without the repository."""

import csv
import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
import skimage.data
from PIL import Image
from vision_media import draw_frames, write_video

from fer import tasks
from fer.bench.server import serve_app

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of a copy of the tracked files, so that no build folder is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q"]
    subprocess.run([*build, "-w", str(folder), str(folder / "source")], check=True, capture_output=True)
    (path,) = folder.glob("fer_dl-*.whl")
    return path


@pytest.fixture(scope="session")
def environment(wheel, tmp_path_factory):
    """A fresh virtual environment with the wheel; the dependencies are those of this one, without editable installs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "-q"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    # A path in a .pth file is searched after the environment's own packages; its .pth files are not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def run(environment, tmp_path):
    """Run ``fer-dl`` of the wheel in an empty folder."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "FER_MODEL")}

    def run(*arguments, code=0):
        command = [str(environment / "bin" / "fer-dl"), *arguments]
        result = subprocess.run(command, cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=300)
        assert result.returncode == code, result.stdout + result.stderr
        return result

    return run


def test_the_wheel_holds_both_networks_and_the_app(wheel):
    names = set(ZipFile(wheel).namelist())
    for run in ("shipped", "shipped_mini"):
        assert {
            f"fer/{run}/{name}"
            for name in ("model.keras", "model.keras.sha256", "model.onnx", "model.onnx.json", "calibration.json")
        } <= names
    assert "gradio_app.py" in names
    assert not any(name.startswith(("tests/", "artifacts/", "data/")) or "mistakes" in name for name in names)


def test_the_package_and_the_app_file_are_those_of_the_wheel(environment, tmp_path):
    script = "import fer; from fer.bench.server import APP; assert APP.is_file(); print(fer.__file__)"
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(environment / "bin" / "python"), "-c", script]
    result = subprocess.run(command, cwd=tmp_path, env=kept, check=True, capture_output=True, text=True)
    assert Path(result.stdout.strip()).is_relative_to(environment)


def test_the_tasks_are_listed(run):
    listed = json.loads(run("--list", "--list-format=json").stdout)
    assert {task["name"] for task in listed["tasks"]} == set(tasks.__all__)
    assert run("--version").stdout.startswith("FER-DL ")


@pytest.mark.parametrize("options", [(), ("--run", "mini"), ("--run", "xception")])
def test_predict_answers_and_says_where_its_table_is(run, tmp_path, options):
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "photo.jpg")
    lines = run("predict", "photo.jpg", *options, "--quiet").stdout.splitlines()
    assert lines[0].startswith("photo.jpg, face 1: happy ")
    assert lines[1] == "1 image, 1 face: predictions.csv"
    (row,) = csv.DictReader((tmp_path / "predictions.csv").read_text().splitlines())
    assert row["label"] == "happy"


def test_video_writes_a_table_beside_the_video(run, tmp_path):
    write_video(tmp_path / "talk.mp4", draw_frames(4))
    assert "talk_faces.csv" in run("video", "talk.mp4", "--quiet").stdout
    assert (tmp_path / "talk_faces.csv").is_file()


def test_data_is_prepared_trained_on_evaluated_and_shown(run, tmp_path):
    short = 'training.phases=[{"name": "only", "epochs": 1, "learning_rate": 0.002}]'
    assert "fer-dl" in run("preprocess").stdout
    trained = run("train", "sample", "--set", short, "--quiet").stdout
    assert "Next: fer-dl evaluate --run sample" in trained
    assert (tmp_path / "artifacts" / "sample" / "model.keras").is_file()
    run("evaluate", "sample")
    run("labels", "sample", "--run", "sample")
    run("robustness", "sample", "--limit", "5", "--quiet")
    assert {path.name for path in (tmp_path / "artifacts" / "sample").iterdir()} >= {"metrics.json", "robustness.json"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("space",), "A Space is built in a checkout"),
        (("experiments",), "must exist"),
        (("evaluate",), "fer-dl train"),
        (("photos",), "fer-dl train"),
        (("finetune", "mine"), "fer-dl preprocess"),
        (("relight",), "fer-dl preprocess"),
        (("predict", "gone.jpg"), "gone.jpg"),
        (("predict", "."), "image"),
    ],
)
def test_what_cannot_run_here_says_why_in_one_line(run, arguments, message):
    lines = run(*arguments, code=2).stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_app_is_served(environment, monkeypatch, tmp_path):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    script = tmp_path / "start.py"
    script.write_text("from fer.tasks.program import build_program\n\nbuild_program().run(['fer-dl', 'app'])\n")
    with serve_app(script, python=str(environment / "bin" / "python")) as server:
        assert server.start_seconds > 0

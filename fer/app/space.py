"""A folder that runs as it stands as a Hugging Face Space: the app, the package, the network and pinned requirements.

Reference:
    https://huggingface.co/docs/hub/spaces-config-reference, for the front matter of the folder's README.md.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fer.errors import ModelError, SettingsError, SpaceError
from fer.files import write_atomically
from fer.runs import SHIPPED_RUNS

APP_FILE = "gradio_app.py"
README_FILE = "README.md"
#: A Space's own default is older than what JAX takes.
PYTHON_VERSION = "3.12"
#: What the Space's builder installs by itself, in the version that the front matter names; and what only tasks use.
_NOT_PINNED = ("gradio", "invoke")
_DISTRIBUTION = "fer-dl"
_ROOT = Path(__file__).resolve().parents[2]
_UNWANTED = shutil.ignore_patterns("__pycache__", "*.py[cod]", "shipped")


def build_space(out: str | Path) -> list[Path]:
    """Assemble the folder of a Space, in place of one that was built there before.

    Args:
        out: the folder; one that is neither empty nor an earlier Space is left alone.

    Returns:
        Its files, relative to it, in order.

    Raises:
        SettingsError: the folder holds something else, or is one of the package's own.
        SpaceError: the app file is missing, as it is outside a checkout, or a requirement is not installed.
        ModelError: there is no shipped run.
    """
    folder = Path(out).resolve()
    _check_sources()
    # Everything that may be missing is asked for first: an earlier Space is only removed for one that can be built.
    run, requirements, readme = _find_run(), render_requirements(), render_readme()
    _clear(folder)
    shutil.copytree(_ROOT / "fer", folder / "fer", ignore=_UNWANTED)
    shutil.copytree(run, folder / "artifacts" / "xception", ignore=shutil.ignore_patterns("mistakes.png", "state"))
    shutil.copy(_ROOT / APP_FILE, folder / APP_FILE)
    shutil.copy(_ROOT / "LICENSE", folder / "LICENSE")
    write_atomically(folder / "requirements.txt", requirements)
    write_atomically(folder / README_FILE, readme)
    return list_files(folder)


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder, relative to it, in order."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def render_readme() -> str:
    """Return the Space's README.md: the front matter that its builder reads, and what a visitor reads.

    Raises:
        SpaceError: gradio is not installed.
    """
    return (
        "---\ntitle: FER-DL\nemoji: 🙂\ncolorFrom: blue\ncolorTo: yellow\nsdk: gradio\n"
        f'sdk_version: {_read_version("gradio")}\npython_version: "{PYTHON_VERSION}"\n'
        f"app_file: {APP_FILE}\npinned: false\nlicense: mit\n"
        "short_description: Facial expressions in photos, videos and live\n---\n\n"
        "# FER-DL\n\nNames the expression that a face shows, in a live camera, a photo or a video, with a calibrated"
        " confidence. It sees an\nexpression, not a feeling: do not use it to judge or decide about people.\n\n"
        "The figures and limits of the network stand on the app's Model tab and in"
        " [its model card](artifacts/xception/model_card.md).\n"
    )


def render_requirements() -> str:
    """Return the Space's requirements: each package that the app needs beside gradio, in the version installed here.

    Raises:
        SpaceError: one of them is not installed.
    """
    pins = {f"{name}=={_read_version(name)}" for name in _iterate_needed()}
    return "".join(f"{pin}\n" for pin in sorted(pins, key=str.lower))


def push_space(folder: str | Path, repo: str, *, dry_run: bool = False, say: Callable[[str], None] = print) -> None:
    """Send a Space's folder to Hugging Face, or say what would be sent.

    Args:
        folder: as :func:`build_space` makes it.
        repo: owner/name.
        dry_run: send nothing, ask nothing of the network.
        say: receives the lines to be told.

    Raises:
        SettingsError: the name is no owner/name.
        SpaceError: Hugging Face refuses, or cannot be reached.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise SettingsError(f"A Space is named owner/name. Received: {repo!r}. Remedy: --push owner/name.")
    files = list_files(Path(folder))
    total = sum((Path(folder) / path).stat().st_size for path in files)
    if dry_run:
        for path in files:
            say(f"{(Path(folder) / path).stat().st_size:>10,}  {path.as_posix()}")
        say(f"Would send {len(files)} files, {total / 1e6:.1f} MB, to the Space {repo}. Nothing was sent.")
        return
    _upload(Path(folder), repo)
    say(f"Sent {len(files)} files, {total / 1e6:.1f} MB: https://huggingface.co/spaces/{repo}")


def _upload(folder: Path, repo: str) -> None:
    # Here and not above: only who pushes needs it, and it takes a while to import.
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(repo, repo_type="space", space_sdk="gradio", exist_ok=True)
        # What the Space holds and the folder does not is an earlier version's, and goes.
        api.upload_folder(
            repo_id=repo, repo_type="space", folder_path=folder, delete_patterns="*", commit_message="FER-DL"
        )
    # The client's errors have no common base: a refused name is a ValueError, and those of its transport are of the
    # library that it happens to be built on. Whatever it says here, the Space was not sent.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
        raise SpaceError(
            f"Hugging Face must accept the Space {repo}. Received: {reason}. Remedy: check the name and the connection;"
            " log in with `hf auth login` or set HF_TOKEN, with a token that may write; creating a Gradio Space needs a"
            " paid plan, see docs/space.md."
        ) from error


def _check_sources() -> None:
    missing = [name for name in (APP_FILE, "LICENSE") if not (_ROOT / name).is_file()]
    if missing:
        raise SpaceError(
            f"A Space is built in a checkout of the repository. Received: {_ROOT}, without {missing[0]}. Remedy: clone"
            " the repository and run `invoke space` there."
        )


def _find_run() -> Path:
    for path in SHIPPED_RUNS:
        if (path / "model.keras").is_file():
            return path
    raise ModelError(
        f"A Space needs the shipped run in {SHIPPED_RUNS[-1]}. Received: none. Remedy: run `invoke train`."
    )


def _clear(folder: Path) -> None:
    _check_place(folder)
    if folder.is_dir() and any(folder.iterdir()):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _check_place(folder: Path) -> None:
    own = [_ROOT, *_ROOT.parents]
    if folder in own or any(folder.is_relative_to(_ROOT / name) for name in ("fer", "artifacts/xception")):
        fault = "which holds the package itself" if folder in own else "which the Space is copied from"
    elif (folder / ".git").exists():
        fault = "which is a git repository"
    elif folder.exists() and not folder.is_dir():
        fault = "which is a file"
    elif folder.is_dir() and any(folder.iterdir()) and not _is_space(folder):
        fault = "which holds other files"
    else:
        return
    raise SettingsError(
        f"A Space is built in a new or empty folder, or in place of an earlier one. Received: {folder}, {fault}."
        " Remedy: name another folder with --out."
    )


def _is_space(folder: Path) -> bool:
    """Say whether a folder carries the mark of a Space: a README.md whose front matter names the app file."""
    readme = folder / README_FILE
    if not readme.is_file():
        return False
    front = re.match(r"---\n(.*?)\n---\n", readme.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL)
    return front is not None and f"app_file: {APP_FILE}" in front[1].splitlines()


def _iterate_needed() -> Iterator[str]:
    """Yield the canonical names of the package's requirements and of theirs, gradio's left out."""
    waiting, seen = [(_DISTRIBUTION, "")], set()
    while waiting:
        name, extra = waiting.pop()
        for requirement in _read_requirements(name, extra):
            each = canonicalize_name(requirement.name)
            if each in _NOT_PINNED or each in seen:
                continue
            seen.add(each)
            waiting += [(each, extra) for extra in ("", *requirement.extras)]
            yield each


def _read_requirements(name: str, extra: str) -> list[Requirement]:
    lines: Any = _ask_installed(requires, name) or []
    read = [Requirement(line) for line in lines]
    return [each for each in read if each.marker is None or each.marker.evaluate({"extra": extra})]


def _read_version(name: str) -> str:
    return str(_ask_installed(version, name))


def _ask_installed(ask: Callable[[str], Any], name: str) -> Any:
    try:
        return ask(name)
    except PackageNotFoundError as error:
        raise SpaceError(
            f"A Space's requirements are those installed here. Received: no {name}. Remedy: pip install -e ."
        ) from error

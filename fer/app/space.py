"""A folder that runs as a Hugging Face Space: the app, the package, the network and pinned requirements.

Reference:
    https://huggingface.co/docs/hub/spaces-config-reference, for the front matter of the Space's README.md.
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from huggingface_hub import HfApi, SpaceCardData
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fer.errors import ModelError, SettingsError, SpaceError
from fer.files import write_atomically
from fer.hub import check_repo
from fer.runs import ARTIFACTS, SHIPPED_RUNS, Run

APP_FILE = "gradio_app.py"
README_FILE = "README.md"
#: The default of Spaces is older than JAX supports.
PYTHON_VERSION = "3.12"
#: The checkout that a Space is built from.
ROOT = Path(__file__).resolve().parents[2]
#: Where a Space keeps its run, relative to its folder.
SPACE_RUN = Run(ARTIFACTS / SHIPPED_RUNS[-1].name)
#: The package whose requirements a Space installs.
DISTRIBUTION = "fer-dl"

#: Hugging Face installs gradio by the front matter; only tasks use invoke.
_NOT_PINNED = ("gradio", "invoke")
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.py[cod]", "*.pyi", "shipped")


def build_space(out: str | Path) -> list[Path]:
    """Build the folder of a Space, replacing an earlier one.

    Args:
        out: a new or empty folder, or an earlier Space.

    Returns:
        The files of the folder, relative to it, sorted.

    Raises:
        SettingsError: the folder holds something else, or a source of the Space.
        SpaceError: this is not a checkout, or a requirement is not installed.
        ModelError: there is no trained network.
    """
    _check_checkout()
    run = _find_run()
    try:
        requirements, readme = render_requirements(), render_readme()
    except PackageNotFoundError as error:
        raise SpaceError(
            f"A Space pins the packages that are installed here. Received: no {error.name}. Remedy: pip install -e ."
        ) from None
    return build_folder(out, run, lambda folder: _fill(folder, run, requirements, readme))


def build_folder(out: str | Path, run: Run, fill: Callable[[Path], None]) -> list[Path]:
    """Build a folder of a Space, replacing an earlier one.

    Args:
        out: a new or empty folder, or an earlier Space.
        run: the run that the Space copies.
        fill: writes the files into an empty folder.

    Returns:
        The files of the folder, relative to it, sorted.

    Raises:
        SettingsError: the folder holds something else, or a source of the Space.
        SpaceError: the folder cannot be written.
    """
    folder = Path(out).resolve()
    _check_folder(folder, run)
    try:
        with _new_folder(folder) as new:
            fill(new)
    except OSError as error:
        raise SpaceError(
            f"A Space must be writable. Received: {folder} ({error.strerror or error}). Remedy: name another with"
            " --out."
        ) from None
    return list_files(folder)


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces ``folder`` at the end, so that a failure leaves an earlier Space."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new, old = (Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent)) for _ in range(2))
    try:
        new.chmod(0o755)
        yield new
        if folder.exists():
            folder.replace(old / folder.name)
        new.replace(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _fill(folder: Path, run: Run, requirements: str, readme: str) -> None:
    shutil.copytree(ROOT / "fer", folder / "fer", ignore=_NOT_COPIED)
    shutil.copytree(run.folder, folder / SPACE_RUN.folder, ignore=shutil.ignore_patterns(*run.unshared))
    for name in (APP_FILE, "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    write_atomically(folder / "requirements.txt", requirements)
    write_atomically(folder / README_FILE, readme)


def list_files(folder: Path) -> list[Path]:
    """Return the files of a folder, relative to it, sorted."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def render_readme() -> str:
    """Return the Space's README.md: front matter for Hugging Face, and a text for visitors.

    Raises:
        PackageNotFoundError: gradio is not installed.
    """
    data = SpaceCardData(
        title="FER-DL",
        emoji="🙂",
        colorFrom="blue",
        colorTo="yellow",
        sdk="gradio",
        sdk_version=version("gradio"),
        python_version=PYTHON_VERSION,
        app_file=APP_FILE,
        pinned=False,
        license="mit",
        short_description="Facial expressions in photos, videos and live",
    )
    return (
        f"---\n{data.to_yaml()}\n---\n\n# FER-DL\n\n"
        "Finds faces in a live camera, a photo or a video and names their expressions, with a calibrated confidence.\n"
        "An expression is not a feeling: do not use it to judge people or to make decisions about them.\n\n"
        "The figures and limits of the network are on the app's Model tab and in"
        f" [the model card]({SPACE_RUN.model_card.as_posix()}).\n"
    )


def render_requirements() -> str:
    """Return the Space's requirements.txt: every package that the app needs, except gradio, in the installed version.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    pins: dict[str, str] = {}
    pending = _read_requirements(Requirement(DISTRIBUTION))
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        if name not in pins and name not in _NOT_PINNED:
            pins[name] = version(name)
            pending += _read_requirements(requirement)
    return "".join(sorted(f"{name}=={pin}\n" for name, pin in pins.items()))


def _read_requirements(requirement: Requirement) -> list[Requirement]:
    """Return what an installed package needs on this system, with the extras that are asked for."""

    def is_needed(needed: Requirement) -> bool:
        extras = ("", *requirement.extras)
        return needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras)

    return list(filter(is_needed, map(Requirement, requires(requirement.name) or [])))


def push_space(
    folder: str | Path, repo: str, *, sdk: str = "gradio", dry_run: bool = False, log: Callable[[str], None] = print
) -> None:
    """Upload a Space's folder to Hugging Face.

    Args:
        folder: a folder made by :func:`build_space`, or by :func:`fer.app.static_space.build_static_space`.
        repo: owner/name.
        sdk: the kind of Space, "gradio" or "static".
        dry_run: list the files instead, without a connection.
        log: called with each line of output.

    Raises:
        SettingsError: ``repo`` is not of the form owner/name.
        SpaceError: Hugging Face refuses the upload or cannot be reached.
    """
    check_repo(repo, "A Space", "--push owner/name")
    files = list_files(Path(folder))
    sizes = [(Path(folder) / path).stat().st_size for path in files]
    amount = f"{len(files)} files, {sum(sizes) / 1e6:.1f} MB"
    if dry_run:
        for path, size in zip(files, sizes, strict=True):
            log(f"{size:>10,}  {path.as_posix()}")
        log(f"Would send {amount}, to the Space {repo}. Nothing was sent.")
        return
    _upload(Path(folder), repo, sdk)
    log(f"Sent {amount}: https://huggingface.co/spaces/{repo}")


def _upload(folder: Path, repo: str, sdk: str) -> None:
    try:
        api = HfApi()
        api.create_repo(repo, repo_type="space", space_sdk=sdk, exist_ok=True)
        # Files of an earlier version that are not in the folder are deleted from the Space.
        api.upload_folder(
            repo_id=repo, repo_type="space", folder_path=folder, delete_patterns="*", commit_message="FER-DL"
        )
    # The client's errors have no common base: a refused name is a ValueError, and errors of the connection come from
    # the HTTP library below it. In each case the Space was not sent.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
        raise SpaceError(
            f"Hugging Face must accept the Space {repo}. Received: {reason}. Remedy: check the name and the connection;"
            " log in with `hf auth login` or set HF_TOKEN, with a token that may write; creating a Gradio Space needs a"
            " paid plan, a static one is free, see docs/space.md."
        ) from error


def _check_checkout() -> None:
    missing = [name for name in (APP_FILE, "LICENSE") if not (ROOT / name).is_file()]
    if missing:
        raise SpaceError(
            f"A Space is built in a checkout of the repository. Received: {ROOT}, without {missing[0]}. Remedy: clone"
            " the repository and run `invoke space` there."
        )


def _find_run() -> Run:
    run = Run.find_shipped()
    if run.folder.is_dir() and run.is_finished:
        return run
    raise ModelError(
        f"A Space needs the run folder of a trained network. Received: {run.folder}. Remedy: run `invoke train`, or set"
        " FER_MODEL to a finished run."
    )


def _check_folder(folder: Path, run: Run) -> None:
    sources = [ROOT / "fer", run.folder.resolve()]
    if any(source.is_relative_to(folder) for source in sources):
        fault = "which holds a source of the Space"
    elif any(folder.is_relative_to(source) for source in sources):
        fault = "which is inside a source of the Space"
    elif (folder / ".git").exists():
        fault = "which is a git repository"
    elif folder.exists() and not folder.is_dir():
        fault = "which is a file"
    elif folder.is_dir() and any(folder.iterdir()) and not _is_space(folder):
        fault = "which holds other files"
    else:
        return
    raise SettingsError(
        f"A Space is built in a new or empty folder, or replaces an earlier one. Received: {folder}, {fault}."
        " Remedy: name another folder with --out."
    )


def _is_space(folder: Path) -> bool:
    """Return whether a folder is an earlier Space: the front matter of its README.md names an app file."""
    readme = folder / README_FILE
    if not readme.is_file():
        return False
    front = re.match(r"---\n(.*?)\n---\n", readme.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL)
    return front is not None and any(line.startswith("app_file: ") for line in front[1].splitlines())

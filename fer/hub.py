"""Runs on the Hugging Face Hub: a repository of models that holds the files of one run folder.

Reference:
    https://huggingface.co/docs/huggingface_hub/package_reference/hf_api
"""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fer.errors import ModelError, SettingsError, shorten
from fer.model.digests import check_digest, find_digest
from fer.runs import Run

#: What a repository holds of a run; a network, its settings and its calibration are enough.
_SHARED = ("model.keras", "model.keras.sha256", "model*.onnx", "model*.onnx.json", "*.json", "*.csv", "*.png", "*.md")


def check_repo(repo: str, what: str = "A repository", remedy: str = "pass owner/name") -> None:
    """Raise a :class:`~fer.errors.SettingsError` unless a name has the form owner/name."""
    if not (isinstance(repo, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", repo)):
        raise SettingsError(f"{what} is named owner/name. Received: {shorten(repr(repo))}. Remedy: {remedy}.")


def download_run(repo: str, *, revision: str | None = None) -> Path:
    """Return the folder of a run on the Hub, in the client's cache; nothing is sent if all files are there.

    Args:
        repo: owner/name.
        revision: branch, tag or commit; None for the main branch.

    Raises:
        ModelError: the Hub cannot be reached, or the repository holds no run whose network matches its digest.
        SettingsError: the name is not valid.
    """
    from huggingface_hub import snapshot_download

    check_repo(repo)
    with _converted_errors(f"Hugging Face must have the run {repo}", "check the name and the connection"):
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=list(_SHARED)))
    _check_run(Run(folder), repo)
    return folder


def upload_run(folder: Path, repo: str, *, private: bool = False) -> str:
    """Upload the files of a run to a repository of models, and return its address.

    The model card becomes the README.md. Images of the data set's faces and checkpoints are not sent.

    Args:
        folder: a run folder.
        repo: owner/name; created if there is none.
        private: whether a new repository is private.

    Raises:
        ModelError: the folder holds no finished run, or the Hub refuses it.
        SettingsError: the name is not valid.
    """
    from huggingface_hub import HfApi

    check_repo(repo)
    run = Run(folder)
    _check_run(run, str(folder))
    remedy = "check the name; log in with `hf auth login` or set HF_TOKEN, with a token that may write"
    with tempfile.TemporaryDirectory() as temporary, _converted_errors(f"Hugging Face must accept {repo}", remedy):
        copy = Path(temporary) / "run"
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*run.unshared))
        if run.model_card.is_file():
            shutil.copyfile(run.model_card, copy / "README.md")
        api = HfApi()
        api.create_repo(repo, repo_type="model", private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repo, repo_type="model", folder_path=copy, allow_patterns=list(_SHARED), commit_message="FER-DL"
        )
    return f"https://huggingface.co/{repo}"


def _check_run(run: Run, where: str) -> None:
    """Check that a folder holds a run, and that its network matches the digest, which must be there."""
    missing = [path.name for path in (run.config, run.model, find_digest(run.model)) if not path.is_file()]
    if missing:
        raise ModelError(
            f"A run on the Hub has {run.model.name}, its digest and its settings. Received: {where}, without"
            f" {', '.join(missing)}. Remedy: Classifier.load(folder).push_to_hub(repo) sends all of them."
        )
    check_digest(run.model)


@contextlib.contextmanager
def _converted_errors(rule: str, remedy: str) -> Iterator[None]:
    # The client's errors have no common base: a refused name is a ValueError, and errors of the connection come from
    # the HTTP library below it.
    try:
        yield
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
        raise ModelError(f"{rule}. Received: {reason}. Remedy: {remedy}.") from error

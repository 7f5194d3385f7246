"""Kaggle data sets as ``kaggle:<owner>/<name>``, downloaded with kagglehub and only with the user's consent."""

import re
from pathlib import Path

from fer.errors import DataError, SettingsError

#: Prefix of sources on Kaggle.
PREFIX = "kaggle:"

_HANDLE = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w.-]*(/versions/\d+)?")


def download_kaggle(source: str, *, allow_download: bool = False) -> Path:
    """Download a Kaggle data set, or find it in kagglehub's cache, and return its folder.

    Args:
        source: ``kaggle:<owner>/<name>``, optionally followed by ``/versions/<number>``.
        allow_download: the user's consent to network access.

    Raises:
        SettingsError: the source is malformed, or there is no consent.
        DataError: kagglehub is not installed, or the download fails.
    """
    handle = source.removeprefix(PREFIX)
    if not _HANDLE.fullmatch(handle):
        raise SettingsError(f"A source on Kaggle must be kaggle:<owner>/<name>. Received: {source!r}.")
    if not allow_download:
        raise SettingsError(f"A download needs consent. Received: {source}. Remedy: add `--allow-download`.")
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            f"A source on Kaggle needs the package kagglehub. Received: {source}. Remedy: pip install 'fer-dl[kaggle]'."
        ) from None
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # kagglehub lets the errors of several libraries through, which share no base class.
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"A source on Kaggle must be downloadable. Received: {source} ({reason}).") from None

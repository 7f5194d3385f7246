"""Data sets of Kaggle by ``kaggle:<owner>/<name>``, downloaded by kagglehub with the user's consent only."""

import re
from pathlib import Path

from fer.errors import DataError, SettingsError

#: What a source on Kaggle starts with.
PREFIX = "kaggle:"

_HANDLE = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w.-]*(/versions/\d+)?")


def download_kaggle(source: str, *, allow_download: bool = False) -> Path:
    """Download a data set of Kaggle, or find it in kagglehub's cache, and return its folder.

    Args:
        source: ``kaggle:<owner>/<name>``, or with ``/versions/<number>`` at its end.
        allow_download: the user's consent to reach the network.

    Raises:
        SettingsError: the source is written otherwise, or there is no consent.
        DataError: kagglehub is not installed, or cannot download.
    """
    handle = source.removeprefix(PREFIX)
    if not _HANDLE.fullmatch(handle):
        raise SettingsError(f"A source on Kaggle is written kaggle:<owner>/<name>. Received: {source!r}.")
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
    except Exception as error:  # kagglehub lets errors of several libraries out, which share no base.
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"A source on Kaggle must be downloadable. Received: {source} ({reason}).") from None

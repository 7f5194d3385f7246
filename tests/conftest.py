"""Fixtures that more than one room's tests share."""

import os
from pathlib import Path

import pytest

import fer  # noqa: F401  # chooses Keras' backend before a test module imports Keras


@pytest.fixture(scope="session")
def fer2013_folder() -> Path:
    """The folder of the real fer2013.csv.gz: FER_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("FER_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "fer2013.csv.gz").is_file():
        pytest.skip("needs the real FER2013: set FER_DATA to the folder of fer2013.csv.gz")
    return folder

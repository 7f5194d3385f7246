"""Fixtures shared by the tests of several packages."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

import fer  # noqa: F401  # chooses Keras' backend before a test module imports Keras

# The same examples in each run: a failure can be repeated, and what passed once passes on the next machine.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def fer2013_folder() -> Path:
    """The folder of the real fer2013.csv.gz: FER_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("FER_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "fer2013.csv.gz").is_file():
        pytest.skip("needs the real FER2013: set FER_DATA to the folder of fer2013.csv.gz")
    return folder


@pytest.fixture(scope="session")
def app_server(tmp_path_factory):
    """The app in a process of its own, its network ready; ``temporary`` is the folder that all its files go to."""
    from app_media import read_astronaut, serve

    with serve(tmp_path_factory.mktemp("app")) as server:
        server.warm_up(read_astronaut())
        yield server


@pytest.fixture(scope="session")
def narrow_server(tmp_path_factory):
    """The app with place for one viewer at a time, whose turn is three seconds."""
    from app_media import read_astronaut, serve, write_narrow_app

    folder = tmp_path_factory.mktemp("narrow")
    with serve(folder, write_narrow_app(folder / "narrow_app.py")) as server:
        server.warm_up(read_astronaut())
        yield server

"""The origin of figures: versions and the commit of the code."""

from pathlib import Path

import keras
import pytest

import fer
from fer.evaluation.origin import read_git_commit, read_versions


def test_commit_is_none_outside_a_repository(tmp_path):
    assert read_git_commit(tmp_path / "module.py") is None


def test_commit_is_none_for_a_file_that_the_repository_does_not_track():
    repository = Path(__file__).parents[2]
    if not (repository / ".git").exists():
        pytest.skip("the tests do not run in a git repository")
    assert read_git_commit(repository / "tests" / "no_such_module.py") is None
    assert len(read_git_commit() or "") == 40


def test_commit_is_none_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert read_git_commit() is None


def test_versions_name_the_backend_and_its_version():
    versions = read_versions()
    backend = keras.backend.backend()
    assert versions["fer"] == fer.__version__
    assert versions["backend"] == backend
    assert versions[backend]

import pytest

from fer.data import draw_sample


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A temporary working folder, where the drawn sample is small."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "fer.data.preparation.draw_unguarded_sample", lambda name, seed: draw_sample(140, name=name, seed=seed)
    )
    return tmp_path

import os

from fer.batch.threads import limited_threads


def test_the_environment_is_as_before_afterwards(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
    before = dict(os.environ)
    with limited_threads():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENCV_FOR_THREADS_NUM"] == "1"
    assert dict(os.environ) == before

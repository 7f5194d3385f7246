import os

from fer.batch.threads import limited_threads, list_limits


def test_the_environment_is_as_before_afterwards(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
    before = dict(os.environ)
    with limited_threads():
        assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENCV_FOR_THREADS_NUM"] == "1"
    assert dict(os.environ) == before


def test_flags_of_xla_that_the_user_has_set_stay(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_other=1")
    flags = list_limits()["XLA_FLAGS"]
    assert flags.split() == ["--xla_other=1", "--xla_cpu_multi_thread_eigen=false"]
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert list_limits()["XLA_FLAGS"] == flags

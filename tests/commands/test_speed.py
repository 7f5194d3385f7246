import pytest

from fer import bench, commands


@pytest.mark.parametrize("app", [False, True])
def test_bench_passes_on_what_is_measured(monkeypatch, app):
    measured = []
    monkeypatch.setattr(bench, "run_bench", lambda *, app, gpu: measured.append((app, gpu)))
    commands.bench(app=app, gpu=not app)
    assert measured == [(app, not app)]

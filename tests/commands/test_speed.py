import pytest

from fer import bench, commands


@pytest.mark.parametrize("app", [False, True])
def test_bench_measures_networks_or_the_app(monkeypatch, app):
    measured = []
    monkeypatch.setattr(bench, "run_bench", lambda *, app: measured.append(app))
    commands.bench(app=app)
    assert measured == [app]

import pytest

from fer import bench, commands


@pytest.mark.parametrize("app", [False, True])
def test_bench_passes_on_what_is_measured(monkeypatch, app):
    measured = []
    monkeypatch.setattr(bench, "run_bench", lambda **options: measured.append(options))
    commands.bench(app=app, gpu=not app, seconds=5)
    commands.bench(export=app, batch=not app)
    assert measured == [
        {"app": app, "gpu": not app, "export": False, "batch": False, "seconds": 5},
        {"app": False, "gpu": False, "export": app, "batch": not app, "seconds": 60},
    ]

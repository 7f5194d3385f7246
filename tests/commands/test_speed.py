import pytest

from fer import bench, commands


@pytest.mark.parametrize("app", [False, True])
def test_bench_passes_on_what_is_measured(monkeypatch, app):
    measured = []
    monkeypatch.setattr(bench, "run_bench", lambda **options: measured.append(options))
    commands.bench(app=app, gpu=not app, seconds=5)
    commands.bench(export=app, batch=not app)
    commands.bench(data=True, faces=9000)
    rest = {"app": False, "gpu": False, "export": False, "batch": False, "data": False, "seconds": 60, "faces": 80_000}
    assert measured == [
        rest | {"app": app, "gpu": not app, "seconds": 5},
        rest | {"export": app, "batch": not app},
        rest | {"data": True, "faces": 9000},
    ]

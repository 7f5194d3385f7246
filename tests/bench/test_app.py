import re

import numpy as np
import pytest
from app_media import read_astronaut

from fer.bench import app
from fer.bench.app import describe_live, describe_load, measure_load
from fer.bench.viewers import ViewerReport
from fer.errors import SettingsError


def test_load_of_two_viewers_is_measured(app_server):
    line = measure_load(app_server, read_astronaut(), 2, 3.0)
    figures = re.fullmatch(
        r"2 viewers for 3 s: (\d+) answers, ([\d.]+) to ([\d.]+) frames/s each, 0 errors, 0 mismatched frames,"
        r" p95 (\d+) ms until answered and (\d+) ms on the server, memory ([+-][\d.]+) MB after the first 1 s",
        line,
    )
    answers, slowest, fastest, until_answered, on_server, growth = map(float, figures.groups())
    assert answers >= 4
    assert 0 < slowest <= fastest <= 21.0, "the page sends no more than 20 frames per second"
    assert on_server < until_answered
    assert abs(growth) < 200


def test_load_is_described_by_rates_errors_and_times():
    reports = [
        ViewerReport(seconds=[0.1] * 40, server_milliseconds=[30.0] * 40, mismatched=2),
        ViewerReport(seconds=[0.1] * 20, server_milliseconds=[30.0] * 20, errors=["timeout"]),
    ]
    assert describe_load(reports, 10.0) == (
        "2 viewers for 10 s: 60 answers, 2.0 to 4.0 frames/s each, 1 errors, 2 mismatched frames,"
        " p95 100 ms until answered and 30 ms on the server"
    )


class StubServer:
    url = "http://127.0.0.1:9"
    started, start_seconds = 0.0, 3.25

    def __init__(self, memory=(None, None)):
        self.memory = iter(memory)

    def read_memory(self):
        return next(self.memory)

    def warm_up(self, image):
        pass


@pytest.mark.parametrize(
    ("memory", "end"),
    [((100.0, 300.0, 304.5), ", memory +4.5 MB after the first 0 s"), ((None, None, None), "30 ms on the server")],
)
def test_memory_of_a_load_is_counted_from_the_settled_server(memory, end, monkeypatch):
    def watch_together(url, frame, count, seconds, *, meanwhile):
        meanwhile()
        return [ViewerReport(seconds=[0.1], server_milliseconds=[30.0])] * count

    monkeypatch.setattr(app, "watch_together", watch_together)
    assert measure_load(StubServer(memory), read_astronaut(), 2, 0.04).endswith(end)


def test_live_tab_is_described_by_the_frames_shown():
    # 41 frames in 10 s of the browser's clock.
    frames = np.stack([np.arange(41), np.full(41, 25.0), 5000 + np.arange(41) * 250.0], axis=1)
    assert describe_live(frames) == (
        "live in Chromium: 4.0 frames/s shown over 10 s, server time per frame p50 25 ms, p95 25 ms"
    )


@pytest.mark.parametrize("count", [0, 1])
def test_live_tab_without_frames_is_an_error(count):
    with pytest.raises(SettingsError, match=f"Received: {count}"):
        describe_live(np.zeros((count, 3)))


def test_bench_prints_start_live_and_load(monkeypatch):
    servers = []

    class Serving:
        def __init__(self, environment=None):
            pass

        def __enter__(self):
            servers.append(StubServer())
            return servers[-1]

        def __exit__(self, *error):
            return False

    monkeypatch.setattr(app, "serve_app", Serving)
    monkeypatch.setattr(app.time, "monotonic", lambda: 4.5)
    monkeypatch.setattr(app, "measure_live", lambda server, image, seconds: np.array([[1, 20, 0], [2, 20, 500]]))
    monkeypatch.setattr(app, "measure_load", lambda server, image, viewers, seconds: f"{viewers} for {seconds}")
    monkeypatch.setattr(app, "measure_scenarios", lambda server, folder, image, seconds: [f"loads of {seconds}"])
    monkeypatch.setattr(app, "measure_tab", lambda server, seconds: [f"tab for {seconds:.1f}"])
    monkeypatch.setattr(app.load, "measure_restart", lambda folder, photo: "restarted")
    lines = []
    app.run_app_bench(seconds=7.0, viewers=3, log=lines.append)
    assert lines == [
        "start to page served, warm compile cache: 3.2 s",
        "first frame answered: 4.5 s after the start",
        "live in Chromium: 2.0 frames/s shown over 0 s, server time per frame p50 20 ms, p95 20 ms",
        "3 for 7.0",
        "loads of 7.0",
        "tab for 2.3",
        "restarted",
    ]
    assert len(servers) == 2, "the first one fills the compile cache"

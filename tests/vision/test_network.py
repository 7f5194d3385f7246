"""A network stream that drops, from a server of this machine."""

import http.server
import threading
from itertools import pairwise

import pandas as pd
import pytest
from vision_media import StubClassifier, StubDetector, draw_frames, write_video

from fer.analysis import Analyzer
from fer.reports import process_video
from fer.vision import video
from fer.vision.video import VideoReader


@pytest.fixture
def camera(tmp_path):
    """A server that sends a stream of twelve frames twice, and then is gone; its address and the list of requests."""
    content = write_video(tmp_path / "a.ts", draw_frames(12), codec="mpeg2video", rate=25.0).read_bytes()
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            if len(requests) > 2:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/live", requests
    server.shutdown()
    server.server_close()


def test_a_stream_that_drops_is_opened_again_with_a_message(camera, monkeypatch):
    address, requests = camera
    monkeypatch.setattr(video, "RECONNECT_DELAYS", (0.05, 0.05))
    messages = []
    with VideoReader(address, allow_network=True, on_message=messages.append) as reader:
        assert reader.is_live
        frames = list(reader.read())
    assert [frame.index for frame in frames] == list(range(24))
    assert all(later.seconds > frame.seconds for frame, later in pairwise(frames))
    assert len(requests) >= 3
    assert "dropped after frame 12" in messages[0]
    assert "did not come back" in messages[-1]
    assert not reader.ended_early


def test_a_stream_that_does_not_come_back_ends_with_a_summary_and_a_table(camera, tmp_path, monkeypatch):
    monkeypatch.setattr(video, "RECONNECT_DELAYS", (0.05, 0.05))
    analyzer = Analyzer(StubClassifier(), StubDetector([(5.0, 5.0, 35.0, 40.0)]))
    summary = process_video(
        camera[0], analyzer=analyzer, csv=tmp_path / "t.csv", allow_network=True, on_message=print, progress=False
    )
    assert summary.num_frames == len(pd.read_csv(tmp_path / "t.csv")) == 24


def test_a_stop_ends_the_wait_for_a_stream_that_dropped(camera, monkeypatch):
    address, requests = camera
    monkeypatch.setattr(video, "RECONNECT_DELAYS", (60.0,))
    stop = threading.Event()
    with VideoReader(address, allow_network=True, on_message=lambda message: stop.set(), stop=stop) as reader:
        assert sum(1 for _ in reader.read()) == 12
    assert len(requests) == 1

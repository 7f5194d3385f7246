"""Several viewers of one server, without a browser: each gets its own frames, and a queued viewer gets a turn."""

import stat

import httpx
import numpy as np
import pytest
from app_media import list_files, read_astronaut
from PIL import Image

from fer.app.data_urls import encode_image_url
from fer.bench import viewers
from fer.bench.camera import pan_over
from fer.bench.viewers import Viewer, find_live_event, mark_frame, read_mark, watch_together


@pytest.fixture(scope="module")
def frame():
    return next(pan_over(read_astronaut(), 1))


@pytest.mark.parametrize(("viewer", "number"), [(0, 0), (5, 77), (15, 255), (3, 256 + 9)])
def test_mark_survives_jpeg(frame, viewer, number, tmp_path):
    Image.fromarray(mark_frame(frame, viewer, number)).save(tmp_path / "a.jpg", quality=80)
    assert read_mark(np.asarray(Image.open(tmp_path / "a.jpg"))) == (viewer, number % 256)


def test_mark_leaves_the_rest_of_the_frame_as_it_is(frame):
    marked = mark_frame(frame, 5, 77)
    assert (marked[:-16] == frame[:-16]).all()
    assert (marked[-16:, 192:] == frame[-16:, 192:]).all()


def answer(image, milliseconds=12.5):
    status = f'<span data-frame="1" data-milliseconds="{milliseconds}"></span>'
    return {"msg": "process_streaming", "output": {"data": [{"url": encode_image_url(image, quality=90)}, status]}}


def test_answer_is_recorded_with_the_time_of_the_server(frame):
    viewer = Viewer("http://127.0.0.1:9", frame, 5)
    viewer._next_data()
    viewer._record(answer(mark_frame(frame, 5, 1)))
    assert viewer.report.server_milliseconds == [12.5]
    assert len(viewer.report.seconds) == 1
    assert viewer.report.mismatched == viewer.report.blank == 0


@pytest.mark.parametrize(("number", "sent"), [(6, 1), (5, 2)], ids=["another viewer's", "an older one"])
def test_answer_with_another_frame_is_counted(frame, number, sent):
    viewer = Viewer("http://127.0.0.1:9", frame, 5)
    for _ in range(sent):
        viewer._next_data()
    viewer._record(answer(mark_frame(frame, number, 1)))
    assert viewer.report.mismatched == 1


def test_answer_without_an_image_is_counted(frame):
    viewer = Viewer("http://127.0.0.1:9", frame, 5)
    viewer._record({"msg": "process_streaming", "output": {"data": [{}, "loading"]}})
    assert viewer.report.blank == 1
    assert viewer.report.server_milliseconds == []


def test_time_in_the_queue_is_recorded(frame, monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(viewers.time, "monotonic", lambda: next(clock))
    viewer = Viewer("http://127.0.0.1:9", frame, 5)
    viewer._record({"msg": "estimation"})
    viewer._record({"msg": "process_starts"})
    assert viewer.report.waited == [2.5]


@pytest.mark.parametrize(
    ("message", "errors"),
    [
        ({"msg": "process_completed", "success": True}, []),
        (
            {"msg": "process_completed", "success": False, "output": {"error": "queue full"}},
            ["{'error': 'queue full'}"],
        ),
        ({"msg": "unexpected_error", "message": "gone"}, ["gone"]),
    ],
)
def test_failure_of_the_server_is_recorded(frame, message, errors):
    viewer = Viewer("http://127.0.0.1:9", frame, 5)
    viewer._record(message)
    assert viewer.report.errors == errors


def test_unreachable_server_is_an_error(frame):
    with pytest.raises(httpx.ConnectError):
        Viewer("http://127.0.0.1:9", frame, 5).watch(0.5)


def test_eight_viewers_get_their_own_frames_in_order(app_server, frame):
    before = app_server.read_memory()
    reports = watch_together(app_server.url, frame, 8, 8.0)
    assert [error for report in reports for error in report.errors] == []
    assert sum(report.mismatched for report in reports) == 0
    counts = [len(report.server_milliseconds) for report in reports]
    assert min(counts) >= 5
    assert max(counts) <= 2 * min(counts), "no viewer gets more than twice another's share"
    assert list_files(app_server.temporary) == [], "live frames are not written"
    assert app_server.read_memory() - before < 150


def test_mismatched_frame_is_noticed(app_server, frame, monkeypatch):
    monkeypatch.setattr(viewers, "read_mark", lambda image: (9, 0))
    (report,) = watch_together(app_server.url, frame, 1, 1.0)
    assert report.mismatched == len(report.seconds) > 0


def test_second_viewer_waits_and_gets_a_turn(narrow_server, frame):
    reports = watch_together(narrow_server.url, frame, 2, 9.0)
    assert [report.errors for report in reports] == [[], []]
    counts = [len(report.server_milliseconds) for report in reports]
    assert min(counts) >= 5, counts
    assert max(max(report.waited) for report in reports) > 1.0
    assert sum(report.mismatched for report in reports) == 0


def test_live_event_is_that_of_the_stream():
    dependencies = [{"id": 3, "connection": "sse"}, {"id": 8, "connection": "stream"}]
    assert find_live_event({"dependencies": dependencies}) == 8
    with pytest.raises(StopIteration):
        find_live_event({"dependencies": dependencies[:1]})


def test_temporary_folder_is_private_and_removed_with_the_server(narrow_server):
    # The last test that uses this server, which it stops.
    (folder,) = narrow_server.temporary.glob("fer-dl-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    upload = {"files": ("me.jpg", b"x" * 1000, "image/jpeg")}
    httpx.post(f"{narrow_server.url}/gradio_api/upload", files=upload).raise_for_status()
    assert any(name.endswith("me.jpg") for name in list_files(narrow_server.temporary))
    narrow_server.process.terminate()
    assert narrow_server.process.wait(60) == 0
    assert not folder.exists()

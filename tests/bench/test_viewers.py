"""Several viewers of one server at once, without a browser: nobody sees another's frame, and who waits gets a turn."""

import stat

import httpx
import numpy as np
import pytest
from app_media import list_files, read_astronaut

from fer.bench.chromium import pan_over
from fer.bench.viewers import find_live_event, mark_frame, read_mark, watch_together


@pytest.fixture(scope="module")
def frame():
    return next(pan_over(read_astronaut(), 1))


@pytest.mark.parametrize(("viewer", "number"), [(0, 0), (5, 77), (15, 255), (3, 256 + 9)])
def test_a_mark_survives_the_way_through_jpeg(frame, viewer, number, tmp_path):
    from PIL import Image

    marked = mark_frame(frame, viewer, number)
    Image.fromarray(marked).save(tmp_path / "a.jpg", quality=80)
    assert read_mark(np.asarray(Image.open(tmp_path / "a.jpg"))) == (viewer, number % 256)
    assert read_mark(mark_frame(frame, 1, 1)) != read_mark(mark_frame(frame, 2, 1))
    assert (marked[:-16] == frame[:-16]).all()


def test_eight_viewers_get_their_own_frames_in_order_and_nothing_is_written(app_server, frame):
    before = app_server.read_memory()
    reports = watch_together(app_server.url, frame, 8, 8.0)
    assert [error for report in reports for error in report.errors] == []
    assert sum(report.strange for report in reports) == 0
    counts = [len(report.server_milliseconds) for report in reports]
    assert min(counts) >= 5
    assert max(counts) <= 2 * min(counts), "nobody gets more than twice another's share"
    assert list_files(app_server.temporary) == []
    assert app_server.read_memory() - before < 150


def test_another_viewers_frame_would_be_found(app_server, frame, monkeypatch):
    from fer.bench import viewers

    monkeypatch.setattr(viewers, "read_mark", lambda image: (9, 0))
    (report,) = watch_together(app_server.url, frame, 1, 1.0)
    assert report.strange == len(report.seconds) > 0


def test_who_comes_second_waits_is_told_so_and_gets_a_turn(narrow_server, frame):
    reports = watch_together(narrow_server.url, frame, 2, 9.0)
    assert [report.errors for report in reports] == [[], []]
    counts = [len(report.server_milliseconds) for report in reports]
    assert min(counts) >= 5, counts
    assert max(max(report.waited) for report in reports) > 1.0
    assert sum(report.strange for report in reports) == 0


def test_the_live_event_is_found_in_a_configuration():
    dependencies = [{"id": 3, "connection": "sse"}, {"id": 8, "connection": "stream"}]
    assert find_live_event({"dependencies": dependencies}) == 8
    with pytest.raises(StopIteration):
        find_live_event({"dependencies": dependencies[:1]})


def test_the_temporary_folder_is_private_and_goes_with_the_server(narrow_server):
    # The last test that uses this server: it is told to end.
    (folder,) = narrow_server.temporary.glob("fer-dl-*")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    upload = {"files": ("me.jpg", b"x" * 1000, "image/jpeg")}
    httpx.post(f"{narrow_server.url}/gradio_api/upload", files=upload).raise_for_status()
    assert any(name.endswith("me.jpg") for name in list_files(narrow_server.temporary))
    narrow_server.process.terminate()
    assert narrow_server.process.wait(60) == 0
    assert not folder.exists()

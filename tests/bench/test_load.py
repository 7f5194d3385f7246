import re

import pytest

from fer.bench import load
from fer.bench.api_clients import ApiClient, ClientReport, describe_clients
from fer.bench.camera import build_frame, locate_portrait


@pytest.fixture
def photo():
    return locate_portrait().read_bytes()


def test_32_clients_are_answered_and_memory_is_measured(app_server, photo):
    line = load.measure_clients(app_server, photo, 2.0)
    assert re.match(r"32 clients for 2 s: \d+ answers, 0 errors, p95 [\d.]+ s, memory \d+ MB before, \d+ MB", line)


def test_uploads_in_a_row_leave_no_file(app_server, photo):
    line = load.measure_uploads(app_server, app_server.temporary, photo, 3)
    assert re.fullmatch(r"3 uploads in a row: 0 errors, [\d.]+ answers/s, 0 files left", line)


def test_videos_are_answered_beside_viewers(app_server):
    line = load.measure_videos(app_server, app_server.temporary, build_frame(1), 2.0)
    assert line.startswith("2 videos of 8 frames and 8 viewers at once: 16 frames answered in ")
    assert line.endswith("frames/s for each viewer, 0 errors, 0 mismatched frames, 0 files left")


def test_slow_uploads_hold_no_place(app_server, photo):
    line = load.measure_slow_uploads(app_server, app_server.temporary, photo)
    assert line.startswith("16 slow uploads: another client's answer takes ")
    assert line.endswith(", 0 files left after they break off")


def test_a_killed_server_leaves_nothing_after_the_next_start(tmp_path, photo):
    line = load.measure_restart(tmp_path, photo)
    assert line == "killed and started again: 1 files left by the killed server, 0 after the start"


def test_an_error_of_a_client_is_counted_and_quoted():
    reports = [ClientReport([1.0, 3.0]), ClientReport([], ["ValueError: no"])]
    assert describe_clients(reports) == "2 answers, 1 errors (first: ValueError: no), p95 2.9 s"


def test_an_endpoints_error_is_raised(app_server):
    with ApiClient(app_server.url) as client, pytest.raises(ValueError, match=r"a\.jpg"):
        client.analyze("analyze_image", "a.jpg", b"no image")

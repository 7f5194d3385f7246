import sys
import time

import pytest
from batch_media import PERSON_RATE, draw_persons
from vision_media import write_video

from fer.batch import durations
from fer.batch.durations import DurationReader
from fer.batch.plan import open_plan
from fer.errors import FerError

#: Stands for FFmpeg: a file ends the process, another holds it up.
FAULTS = """
import os, time
from fer.batch import durations
read = durations.read_seconds
def read_seconds(path):
    if path.endswith("ends.avi"):
        os.abort()
    if path.endswith("hangs.avi"):
        time.sleep(600)
    return read(path)
durations.read_seconds = read_seconds
durations.answer_requests()
"""


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.setattr(durations, "_COMMAND", FAULTS)


def test_one_process_reads_all_files(tmp_path):
    long, short = (write_video(tmp_path / f"{n} ä.avi", draw_persons(n), PERSON_RATE) for n in (40, 15))
    (tmp_path / "damaged.avi").write_bytes(b"damaged")
    with DurationReader() as reader:
        paths = (long, tmp_path / "damaged.avi", tmp_path / "gone.avi", short)
        assert [reader.read(str(path)) for path in paths] == [40.0, None, None, 15.0]
        process = reader._process
        assert process.poll() is None
    assert process.returncode is not None


def test_a_file_that_ends_or_holds_up_the_process_has_no_duration(tmp_path, faults):
    paths = [write_video(tmp_path / name, draw_persons(15), PERSON_RATE) for name in ("ends.avi", "hangs.avi", "a.avi")]
    with DurationReader(seconds=1.0) as reader:
        begun = time.monotonic()
        assert [reader.read(str(path)) for path in paths] == [None, None, 15.0]
        assert time.monotonic() - begun < 300


def test_planning_continues_after_such_files(tmp_path, faults):
    (tmp_path / "in").mkdir()
    for name in ("a.avi", "ends.avi", "z.avi"):
        write_video(tmp_path / "in" / name, draw_persons(60), PERSON_RATE)
    plan = open_plan(tmp_path / "in", tmp_path / "out", {}, segment=20)
    assert [part.num_segments for part in plan.shards] == [3, 1, 3]


def test_a_process_that_cannot_start_is_one_error(monkeypatch):
    monkeypatch.setattr(durations, "_COMMAND", "raise SystemExit(1)")
    with DurationReader() as reader, pytest.raises(FerError, match="Remedy: --segment 0"):
        reader.read("a.avi")


def test_a_package_on_the_path_of_this_process_alone_is_found(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(durations, "_COMMAND", f"import only_here; {durations._COMMAND}")
    with DurationReader() as reader:
        assert reader.read("gone.avi") is None

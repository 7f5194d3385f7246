import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from vision_media import StubClassifier, StubDetector, draw_frames, find_media, write_video

from fer.analysis import Analyzer
from fer.errors import SettingsError, VideoError
from fer.labels import EXPRESSIONS
from fer.reports.videos import VIDEO_COLUMNS, process_video
from fer.vision.video import VideoReader


def find_unless_dark(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    return [] if image.mean() < 10 else [(5.0, 5.0, 35.0, 40.0)]


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer(StubClassifier(), StubDetector(find_unless_dark))


def test_every_frame_has_a_row_with_its_time(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(12), rate=10.0)
    summary = process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", progress=False)
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table.columns) == list(VIDEO_COLUMNS)
    assert table["frame"].tolist() == list(range(12))
    np.testing.assert_allclose(table["seconds"], np.arange(12) / 10, atol=1e-4)
    # Frames 0 to 2 are dark: grey 0, 4, 8.
    assert table["label"].isna().tolist() == [True] * 3 + [False] * 9
    assert set(table["track_id"].dropna()) == {1}
    smoothed, raw = list(EXPRESSIONS), [f"raw_{name}" for name in EXPRESSIONS]
    np.testing.assert_allclose(table.loc[3, smoothed].astype(float), table.loc[3, raw].astype(float))
    assert (table.loc[4:, smoothed].to_numpy() != table.loc[4:, raw].to_numpy()).any()
    assert (summary.num_frames, summary.num_analyzed, summary.num_without_face) == (12, 12, 3)
    assert sum(summary.shares.values()) == pytest.approx(1.0)
    assert summary.timeline.people[1].seconds == pytest.approx(0.9)
    assert "No face was found in 3 of the 12 frames." in summary.describe()


def test_every_fourth_frame(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(10), rate=10.0)
    summary = process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", every=4, progress=False)
    assert pd.read_csv(tmp_path / "t.csv")["frame"].tolist() == [0, 4, 8]
    assert (summary.num_frames, summary.num_analyzed) == (10, 3)
    assert summary.timeline.people[1].seconds == pytest.approx(0.8)


def test_the_annotated_copy_is_as_long_as_the_video(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(12), rate=10.0)
    process_video(
        path, analyzer=analyzer, annotated=tmp_path / "o" / "out.mp4", plot=tmp_path / "p.png", progress=False
    )
    with VideoReader(tmp_path / "o" / "out.mp4") as copy:
        frames = [frame.image for frame in copy.read()]
    assert len(frames) == 12
    # The box is drawn where there is a face, and nowhere else.
    assert np.abs(frames[1].astype(int) - 4).max() < 6
    assert np.ptp(frames[6]) > 50
    assert (tmp_path / "p.png").stat().st_size > 1000


def test_a_damaged_video_says_how_much_of_it_was_read(tmp_path, analyzer):
    content = find_media("WolfgangLanger_Pexels.mp4").read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(content[: len(content) // 2])
    summary = process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", progress=False)
    assert "228 of 472 frames" in summary.describe()
    assert len(pd.read_csv(tmp_path / "t.csv")) == 228


def test_a_video_without_a_face_says_so(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", [np.zeros((48, 64, 3), np.uint8)] * 5)
    summary = process_video(path, analyzer=analyzer, plot=tmp_path / "p.png", progress=False)
    assert summary.shares == dict.fromkeys(EXPRESSIONS, 0.0)
    assert "No face was found in 5 of the 5 frames." in summary.describe()


def test_a_run_ends_after_the_seconds_asked_for(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(20), rate=10.0)
    summary = process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", seconds=0.75, progress=False)
    assert pd.read_csv(tmp_path / "t.csv")["frame"].tolist() == list(range(8))
    assert summary.stopped
    assert "Stopped before the end" in summary.describe()


def test_ctrl_c_keeps_what_was_seen(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_frames(20), rate=10.0)
    seen = []

    def interrupt(image):
        seen.append(image)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return [(5.0, 5.0, 35.0, 40.0)]

    analyzer = Analyzer(StubClassifier(), StubDetector(interrupt))
    out = tmp_path / "out.mp4"
    summary = process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", annotated=out, progress=False)
    assert summary.stopped
    assert len(pd.read_csv(tmp_path / "t.csv")) == 5
    with VideoReader(out) as copy:
        assert sum(1 for _ in copy.read()) == 5


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL, which this system does not have")
def test_a_killed_run_leaves_whole_rows(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_frames(60) * 4, rate=10.0)
    table = tmp_path / "t.csv"
    code = (
        "import sys, time\nsys.path.insert(0, sys.argv[1])\n"
        "from vision_media import StubClassifier, StubDetector\n"
        "from fer.analysis import Analyzer\nfrom fer.reports.videos import process_video\n"
        "detector = StubDetector(lambda image: time.sleep(0.02) or [(5.0, 5.0, 35.0, 40.0)])\n"
        "process_video(sys.argv[2], analyzer=Analyzer(StubClassifier(), detector), csv=sys.argv[3], progress=False)\n"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parents[1]), str(path), str(table)]
    running = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while not table.exists() or table.read_text().count("\n") < 6:
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
    finally:
        running.kill()
        running.wait()
    rows = pd.read_csv(table)
    assert table.read_text().endswith("\n")
    assert rows["frame"].tolist() == list(range(len(rows)))
    assert 5 <= len(rows) < 240


def test_memory_does_not_grow_with_the_length(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(60, 320, 240) * 20, rate=25.0)
    process = psutil.Process()
    used = []
    read = VideoReader.read

    def note(self, every=1):
        for frame in read(self, every):
            if frame.index in (300, 1199):
                used.append(process.memory_info().rss)
            yield frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoReader, "read", note)
        process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", annotated=tmp_path / "o.mp4", progress=False)
    assert used[1] - used[0] < 8 * 2**20


def test_settings_are_checked_before_any_work(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(3))
    with pytest.raises(SettingsError, match=r"\.csv"):
        process_video(path, analyzer=analyzer, csv=tmp_path / "t.json", progress=False)
    with pytest.raises(SettingsError, match="step"):
        process_video(path, analyzer=analyzer, every=0, progress=False)
    with pytest.raises(SettingsError, match="32 pixels"):
        process_video(path, max_side=5, progress=False)
    with pytest.raises(SettingsError, match="Analyzer"):
        process_video(path, analyzer=analyzer, max_side=320, progress=False)
    with pytest.raises(VideoError, match=r"\.mp4"):
        process_video(path, analyzer=analyzer, annotated=tmp_path / "o.gif", progress=False)
    with pytest.raises(VideoError, match="existing file"):
        process_video(tmp_path / "none.mp4", analyzer=analyzer, progress=False)

import csv
import time

import numpy as np
import pytest
from app_media import build_stub_analyzer
from vision_media import draw_frames, write_video

from fer.app import video_jobs
from fer.app.pages.video import render_progress, render_summary
from fer.app.video_jobs import Progress, VideoJob
from fer.errors import VideoError
from fer.labels import COLORS


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "talk.avi", draw_frames(30))


def run(job):
    job.start()
    assert job.wait(60)
    return job


def test_a_job_counts_its_frames_and_leaves_three_files(video, tmp_path):
    job = run(VideoJob(video, tmp_path / "out", build_stub_analyzer(), every=2, name="my talk.avi"))
    assert (job.progress.done, job.progress.total) == (15, 15)
    summary = job.finish()
    assert summary.source == "my talk.avi"
    assert job.list_files() == (job.annotated, job.plot, job.table)
    with job.table.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["frame"]) for row in rows] == list(range(0, 30, 2))
    shown = render_summary(summary)
    assert "my talk.avi: 30 frames, 15 analyzed" in shown
    assert "Person 1" in shown
    assert any(f"background:{code}" in shown for code in COLORS.values())


def test_a_stopped_job_keeps_what_was_seen(video, tmp_path):
    job = None

    def find(image):
        time.sleep(0.01)
        if job.progress.done >= 5:
            job.stop()
        return [(8, 8, 40, 40)]

    job = VideoJob(video, tmp_path / "out", build_stub_analyzer(find))
    run(job)
    assert job.finish().stopped
    assert 5 <= job.finish().num_analyzed < 30
    assert "Stopped before the end." in render_summary(job.finish())
    assert all(path is not None and path.stat().st_size for path in job.list_files())


def test_a_job_stopped_at_once_gives_no_copy_and_says_so(video, tmp_path):
    job = VideoJob(video, tmp_path / "out", build_stub_analyzer())
    job.stop()
    run(job)
    assert job.finish().num_analyzed == 0
    assert job.list_files()[0] is None


def test_caps_are_kept(video, tmp_path, monkeypatch):
    monkeypatch.setattr(video_jobs, "MAX_FRAMES", 10)
    job = run(VideoJob(video, tmp_path / "a", build_stub_analyzer()))
    assert job.progress.total == job.finish().num_analyzed == 10
    monkeypatch.setattr(video_jobs, "MAX_FRAMES", 7200)
    monkeypatch.setattr(video_jobs, "MAX_SECONDS", 0.5)
    assert run(VideoJob(video, tmp_path / "b", build_stub_analyzer())).finish().num_analyzed == 10
    monkeypatch.setattr(video_jobs, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(VideoError, match="64x48"):
        run(VideoJob(video, tmp_path / "c", build_stub_analyzer())).finish()
    monkeypatch.setattr(video_jobs, "MAX_BYTES", 100)
    with pytest.raises(VideoError, match=r"Received: big\.mp4"):
        VideoJob(video, tmp_path / "d", build_stub_analyzer(), name="big.mp4").start()


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video_is_refused_before_it_starts(content, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError):
        VideoJob(path, tmp_path / "out", build_stub_analyzer()).start()


def test_a_video_that_was_cleaned_up_meanwhile_is_said(tmp_path):
    job = VideoJob(tmp_path / "gone.mp4", tmp_path / "out", build_stub_analyzer(), name="talk.mp4")
    with pytest.raises(VideoError, match=r"must .* Received: talk\.mp4 .* Remedy: upload it again") as caught:
        job.start()
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_fault_is_told_in_a_sentence(video, tmp_path):
    def find(image):
        raise RuntimeError("a fault in the detector")

    with pytest.raises(VideoError, match="server's log"):
        run(VideoJob(video, tmp_path / "out", build_stub_analyzer(find))).finish()


def test_progress_is_a_bar_with_words():
    shown = render_progress(Progress(done=20, total=80, seconds=4.0))
    assert 'max="80" value="20"' in shown
    assert "frame 20 of 80 · 5 frames/s · about 12 s left" in shown
    assert "about 10 min left" in render_progress(Progress(done=10, total=3010, seconds=2.0))
    assert "finishing the files" in render_progress(Progress(done=80, total=80, seconds=4.0))
    unknown = render_progress(Progress(done=3, total=0, seconds=1.0))
    assert "value" not in unknown
    assert "frame 3 ·" in unknown
    assert Progress(0, 0, 0.0).rate == 0.0


def test_frames_of_the_copy_are_those_of_the_video(video, tmp_path):
    from fer.vision.video import VideoReader

    job = run(VideoJob(video, tmp_path / "out", build_stub_analyzer(find=())))
    with VideoReader(job.annotated) as copy:
        frames = [frame.image for frame in copy.read()]
    assert len(frames) == 30
    # VP9 is lossy; the grey still says which frame it is.
    np.testing.assert_allclose([frame.mean() for frame in frames], [index * 4 for index in range(30)], atol=4)

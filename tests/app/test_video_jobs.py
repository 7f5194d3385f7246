import csv
import time

import numpy as np
import pytest
from app_media import build_stub_analyzer
from stream_media import write_irregular_video
from vision_media import draw_frames, write_video

from fer.app import video_jobs
from fer.app.pages.video import render_progress, render_summary
from fer.app.video_jobs import Progress, VideoJob
from fer.errors import VideoError
from fer.labels import COLORS
from fer.vision.streams import Limits
from fer.vision.video import VideoReader


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "talk.avi", draw_frames(30))


def run(job: VideoJob) -> VideoJob:
    job.start()
    assert job.wait(60)
    return job


def test_a_job_counts_its_frames(video, tmp_path):
    job = run(VideoJob(video, tmp_path / "out", build_stub_analyzer(), every=2))
    assert (job.progress.done, job.progress.total) == (15, 15)


def test_a_job_writes_three_files(video, tmp_path):
    job = run(VideoJob(video, tmp_path / "out", build_stub_analyzer(), every=2))
    assert job.list_files() == (job.annotated, job.plot, job.table)
    with job.table.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["frame"]) for row in rows] == list(range(0, 30, 2))


def test_the_results_show_the_visitors_name_of_the_file_and_the_people(video, tmp_path):
    html = render_summary(run(VideoJob(video, tmp_path / "out", build_stub_analyzer(), name="my <talk>.avi")).finish())
    assert "my &lt;talk&gt;.avi: 30 frames, 30 analyzed" in html
    assert "Person 1<small>1.5 s</small>" in html
    assert any(f"background:{code}" in html for code in COLORS.values())


def test_time_on_screen_follows_a_variable_frame_rate(tmp_path):
    path = write_irregular_video(tmp_path / "v.mkv")
    summary = run(VideoJob(path, tmp_path / "out", build_stub_analyzer())).finish()
    assert summary.timeline.people[1].seconds == pytest.approx(1.5)


def test_a_stopped_job_keeps_the_results_so_far(video, tmp_path):
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


def test_a_job_that_is_stopped_at_once_writes_no_copy(video, tmp_path):
    job = VideoJob(video, tmp_path / "out", build_stub_analyzer())
    job.stop()
    run(job)
    assert job.finish().num_analyzed == 0
    assert job.list_files()[0] is None


@pytest.mark.parametrize("limits", [Limits(frames=10), Limits(seconds=0.5)])
def test_a_job_ends_at_its_limit(video, tmp_path, limits):
    job = run(VideoJob(video, tmp_path / "out", build_stub_analyzer(), limits=limits))
    assert job.progress.total == job.finish().num_analyzed == 10


def test_a_video_with_large_frames_is_refused(video, tmp_path):
    with pytest.raises(VideoError, match="64x48"):
        run(VideoJob(video, tmp_path / "out", build_stub_analyzer(), limits=Limits(pixels=64 * 48 - 1))).finish()


def test_the_server_has_limits():
    assert None not in (video_jobs.LIMITS.seconds, video_jobs.LIMITS.frames, video_jobs.LIMITS.pixels)


def test_a_large_file_is_refused(video, tmp_path, monkeypatch):
    monkeypatch.setattr(video_jobs, "MAX_BYTES", 100)
    with pytest.raises(VideoError, match=r"Received: big\.mp4"):
        VideoJob(video, tmp_path / "out", build_stub_analyzer(), name="big.mp4").start()


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_a_file_that_is_no_video_is_refused(content, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError):
        VideoJob(path, tmp_path / "out", build_stub_analyzer()).start()


def test_an_upload_that_was_removed_is_an_error_without_its_path(tmp_path):
    job = VideoJob(tmp_path / "gone.mp4", tmp_path / "out", build_stub_analyzer(), name="talk.mp4")
    with pytest.raises(VideoError, match=r"must .* Received: talk\.mp4 .* Remedy: upload it again") as caught:
        job.start()
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_exception_becomes_an_error(video, tmp_path):
    def find(image):
        raise RuntimeError("a fault in the detector")

    with pytest.raises(VideoError, match="server's log"):
        run(VideoJob(video, tmp_path / "out", build_stub_analyzer(find))).finish()


def test_progress_is_a_bar_with_text():
    html = render_progress(Progress(done=20, total=80, seconds=4.0, seconds_per_frame=0.2))
    assert 'max="80" value="20"' in html
    assert "frame 20 of 80 · 5 frames/s · about 12 s left" in html


def test_a_long_time_left_is_in_minutes():
    assert "about 10 min left" in render_progress(Progress(done=10, total=3010, seconds=2.0, seconds_per_frame=0.2))


def test_the_time_left_is_not_shown_before_it_can_be_estimated():
    assert "left" not in render_progress(Progress(done=5, total=80, seconds=4.0))


def test_the_estimate_of_the_time_left_is_steady(tmp_path):
    """The first frame takes ten times as long as the others, which must not be extrapolated."""
    calls, totals = [], []

    def find(image):
        calls.append(None)
        time.sleep(0.5 if len(calls) == 1 else 0.02)
        return [(8, 8, 40, 40)]

    job = VideoJob(write_video(tmp_path / "t.avi", draw_frames(60)), tmp_path / "out", build_stub_analyzer(find))
    job.start()
    while not job.wait(0.05):
        progress = job.progress
        if progress.seconds_left is not None:
            totals.append(progress.seconds + progress.seconds_left)
    assert len(totals) > 5
    assert max(totals) < 1.5 * min(totals)


def test_a_job_ends_within_a_second_of_being_cancelled(video, tmp_path):
    job = VideoJob(video, tmp_path / "out", build_stub_analyzer(lambda image: time.sleep(0.1) or [(8, 8, 40, 40)]))
    job.start()
    while job.progress.done < 3:
        time.sleep(0.01)
    job.stop()
    assert job.wait(1.0)
    assert job.finish().stopped


def test_progress_after_the_last_frame():
    assert "finishing the files" in render_progress(Progress(done=80, total=80, seconds=4.0))


def test_progress_of_an_unknown_number_of_frames():
    html = render_progress(Progress(done=3, total=0, seconds=1.0))
    assert "value" not in html
    assert "frame 3 ·" in html


def test_the_rate_before_the_first_frame_is_zero():
    assert Progress(0, 0, 0.0).rate == 0.0


def test_the_annotated_copy_has_the_frames_of_the_video(video, tmp_path):
    job = run(VideoJob(video, tmp_path / "out", build_stub_analyzer(find=())))
    with VideoReader(job.annotated) as copy:
        frames = [frame.image for frame in copy.read()]
    assert len(frames) == 30
    # H.264 is lossy, but the grey still identifies each frame.
    np.testing.assert_allclose([frame.mean() for frame in frames], [index * 4 for index in range(30)], atol=4)

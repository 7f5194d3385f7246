import gc
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pandas as pd
import psutil
import pytest
from stream_media import write_irregular_video
from vision_media import StubClassifier, StubDetector, draw_frames, find_media, write_video

from fer.analysis import Analyzer
from fer.app.api import analyze_video
from fer.errors import OutputError, SettingsError, VideoError
from fer.labels import EXPRESSIONS
from fer.reports.tables import BASELINE_COLUMNS, BATCH_COLUMNS, VIDEO_COLUMNS
from fer.reports.videos import process_video, process_videos
from fer.vision.images import decode_image, write_image
from fer.vision.streams import Limits
from fer.vision.video import VideoReader


def find_unless_dark(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    return [] if image.mean() < 10 else [(5.0, 5.0, 35.0, 40.0)]


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer(StubClassifier(), StubDetector(find_unless_dark))


@pytest.fixture
def video(tmp_path):
    """Twelve frames at 10 frames/s, of which the first three are dark: grey 0, 4, 8."""
    return write_video(tmp_path / "a.avi", draw_frames(12), rate=10.0)


def test_every_frame_has_a_row_with_its_time(tmp_path, analyzer, video):
    process_video(video, analyzer=analyzer, csv=tmp_path / "t.csv", progress=False)
    table = pd.read_csv(tmp_path / "t.csv")
    assert list(table.columns) == list(VIDEO_COLUMNS)
    assert table["frame"].tolist() == list(range(12))
    np.testing.assert_allclose(table["seconds"], np.arange(12) / 10, atol=1e-4)
    assert table["label"].isna().tolist() == [True] * 3 + [False] * 9
    assert set(table["track_id"].dropna()) == {1}


def test_a_row_has_smoothed_and_raw_probabilities(tmp_path, analyzer, video):
    process_video(video, analyzer=analyzer, csv=tmp_path / "t.csv", progress=False)
    table = pd.read_csv(tmp_path / "t.csv")
    smoothed, raw = list(EXPRESSIONS), [f"raw_{name}" for name in EXPRESSIONS]
    np.testing.assert_allclose(table.loc[3, smoothed].astype(float), table.loc[3, raw].astype(float))
    assert (table.loc[4:, smoothed].to_numpy() != table.loc[4:, raw].to_numpy()).any()


def test_the_summary_counts_frames_and_time_on_screen(analyzer, video):
    summary = process_video(video, analyzer=analyzer, name="talk.avi", progress=False)
    assert (summary.num_frames, summary.num_analyzed, summary.num_without_face) == (12, 12, 3)
    assert sum(summary.shares.values()) == pytest.approx(1.0)
    assert summary.timeline.people[1].seconds == pytest.approx(0.9)
    headline, person, *remarks = summary.describe().split("\n")
    assert headline == "talk.avi: 12 frames, 12 analyzed"
    assert person.startswith("person 1, 0.9 s: ")
    assert remarks == summary.remarks == ["No face was found in 3 of the 12 frames."]


def test_time_on_screen_follows_a_variable_frame_rate(tmp_path):
    path = write_irregular_video(tmp_path / "a.mkv")
    analyzer = Analyzer(StubClassifier(), StubDetector([(5.0, 5.0, 35.0, 40.0)]))
    summary = process_video(path, analyzer=analyzer, progress=False)
    assert summary.timeline.people[1].seconds == pytest.approx(1.5)


def test_every_fourth_frame(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(10), rate=10.0)
    summary = process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", every=4, progress=False)
    assert pd.read_csv(tmp_path / "t.csv")["frame"].tolist() == [0, 4, 8]
    assert (summary.num_frames, summary.num_analyzed) == (10, 3)
    assert summary.timeline.people[1].seconds == pytest.approx(0.6)


def test_the_annotated_copy_is_as_long_as_the_video(tmp_path, analyzer, video):
    process_video(video, analyzer=analyzer, annotated=tmp_path / "o" / "out.mp4", progress=False)
    with VideoReader(tmp_path / "o" / "out.mp4") as copy:
        frames = [frame.image for frame in copy.read()]
    assert len(frames) == 12
    # The box is drawn only where there is a face.
    assert np.abs(frames[1].astype(int) - 4).max() < 6
    assert np.ptp(frames[6]) > 50


def test_the_plot_is_written(tmp_path, analyzer, video):
    process_video(video, analyzer=analyzer, plot=tmp_path / "p.png", progress=False)
    assert decode_image(tmp_path / "p.png").shape[1] > 800


def test_a_damaged_video_says_how_much_of_it_was_read(tmp_path, analyzer):
    content = find_media("WolfgangLanger_Pexels.mp4").read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(content[: len(content) // 2])
    summary = process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", progress=False)
    assert "228 of 472 frames" in summary.headline
    assert "damaged or cut short" in summary.remarks[0]
    assert len(pd.read_csv(tmp_path / "t.csv")) == 228


def test_a_video_without_a_face_says_so(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", [np.zeros((48, 64, 3), np.uint8)] * 5)
    summary = process_video(path, analyzer=analyzer, plot=tmp_path / "p.png", progress=False)
    assert summary.shares == dict.fromkeys(EXPRESSIONS, 0.0)
    assert summary.remarks == ["No face was found in 5 of the 5 frames."]


def test_the_analysis_ends_at_its_limit(tmp_path, analyzer, video):
    limits = Limits(seconds=0.75)
    summary = process_video(video, analyzer=analyzer, csv=tmp_path / "t.csv", limits=limits, progress=False)
    assert pd.read_csv(tmp_path / "t.csv")["frame"].tolist() == list(range(8))
    assert summary.stopped
    assert "Stopped before the end." in summary.remarks


def test_the_analysis_stops_on_request(analyzer, video):
    stop, calls = threading.Event(), []

    def count():
        calls.append(None)
        if len(calls) == 4:
            stop.set()

    summary = process_video(video, analyzer=analyzer, stop=stop, on_frame=count, progress=False)
    assert (summary.num_analyzed, summary.stopped) == (4, True)


def test_ctrl_c_keeps_the_results_so_far(tmp_path, video):
    num_calls = 0

    def interrupt(image):
        nonlocal num_calls
        num_calls += 1
        if num_calls == 6:
            raise KeyboardInterrupt
        return [(5.0, 5.0, 35.0, 40.0)]

    analyzer = Analyzer(StubClassifier(), StubDetector(interrupt))
    out = tmp_path / "out.mp4"
    summary = process_video(video, analyzer=analyzer, csv=tmp_path / "t.csv", annotated=out, progress=False)
    assert (summary.stopped, summary.num_analyzed) == (True, 5)
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

    def measure(self, every=1, max_pixels=None):
        for frame in read(self, every, max_pixels):
            if frame.index in (300, 750, 1199):
                gc.collect()
                used.append(process.memory_info().rss)
            yield frame

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VideoReader, "read", measure)
        process_video(path, analyzer=analyzer, csv=tmp_path / "t.csv", annotated=tmp_path / "o.mp4", progress=False)
    # A leak grows in both halves; memory that is allocated once, in one of them.
    assert min(used[1] - used[0], used[2] - used[1]) < 4 * 2**20


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"csv": "t.json"}, r"\.csv"),
        ({"plot": "p.svg"}, r"\.png"),
        ({"every": 0}, "step"),
        ({"max_side": 5, "analyzer": None}, "at least 32 pixels"),
        ({"max_side": 320}, "Analyzer"),
    ],
)
def test_a_wrong_setting_is_refused(video, analyzer, options, fact):
    with pytest.raises(SettingsError, match=fact):
        process_video(video, **{"analyzer": analyzer} | options, progress=False)


def test_an_annotated_copy_must_be_an_mp4(tmp_path, analyzer, video):
    with pytest.raises(SettingsError, match=r"\.mp4"):
        process_video(video, analyzer=analyzer, annotated=tmp_path / "o.gif", progress=False)


def test_a_missing_video_is_refused(tmp_path, analyzer):
    with pytest.raises(VideoError, match="existing file"):
        process_video(tmp_path / "none.mp4", analyzer=analyzer, progress=False)


@pytest.mark.parametrize(("option", "name"), [("csv", "t.csv"), ("annotated", "o.mp4"), ("plot", "p.png")])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path, analyzer, video, option, name):
    (tmp_path / "file").write_text("a file where a folder is needed")
    with pytest.raises(OutputError, match=name):
        process_video(video, analyzer=analyzer, **{option: tmp_path / "file" / name}, progress=False)
    assert analyzer.classifier.batches == []


def test_the_network_is_loaded_after_the_outputs_are_checked_and_the_video_is_open(tmp_path, video):
    def build() -> Analyzer:
        raise AssertionError

    (tmp_path / "bad.mp4").write_bytes(b"no video" * 50)
    with pytest.raises(OutputError):
        process_video(video, analyzer=build, csv=tmp_path / "bad.mp4" / "t.csv", progress=False)
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        process_video(tmp_path / "bad.mp4", analyzer=build, csv=tmp_path / "t.csv", progress=False)
    with pytest.raises(AssertionError):
        process_video(video, analyzer=build, csv=tmp_path / "t.csv", progress=False)


def test_the_time_on_screen_is_no_longer_than_the_video(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(43), rate=10.0)
    analyzer.detector.list_boxes = lambda image: [(5.0, 5.0, 35.0, 40.0)]
    summary = process_video(path, analyzer=analyzer, every=6, progress=False)
    assert summary.timeline.people[1].seconds == pytest.approx(4.3, abs=0.01)


@pytest.mark.parametrize("option", ["csv", "annotated", "plot"])
@pytest.mark.parametrize("spelling", ["same", "link", "hard", "dots"])
def test_an_output_over_the_video_is_refused_before_it_is_opened(tmp_path, option, spelling):
    suffix = {"csv": ".csv", "annotated": ".mp4", "plot": ".png"}[option]
    video = tmp_path / f"video{suffix}"
    video.write_bytes(b"a video")
    output = {"same": video, "dots": tmp_path / ".." / tmp_path.name / video.name}.get(
        spelling, tmp_path / f"x{suffix}"
    )
    if spelling == "link":
        output.symlink_to(video)
    elif spelling == "hard":
        output.hardlink_to(video)
    with pytest.raises(OutputError, match="replace an input"):
        process_video(video, **{option: output}, progress=False)
    assert video.read_bytes() == b"a video"


def test_the_files_that_were_written_are_named(tmp_path, analyzer, video):
    table, copy, plot = tmp_path / "t.csv", tmp_path / "o.mp4", tmp_path / "p.png"
    summary = process_video(video, analyzer=analyzer, csv=table, annotated=copy, plot=plot, progress=False)
    assert summary.files == [table, copy, plot]
    assert summary.describe().split("\n")[-1] == f"Wrote {table}, {copy}, {plot}."


def test_the_annotated_copy_has_the_sound_and_the_times_of_the_video(tmp_path, analyzer):
    times = [0.0, 0.1, 0.6, 0.8, 1.8, 1.9]
    path = write_video(tmp_path / "a.mkv", draw_frames(6), times=times, codec="libx264", sound=2.0)
    process_video(path, analyzer=analyzer, annotated=tmp_path / "o.mp4", progress=False)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    with VideoReader(tmp_path / "o.mp4") as copy:
        np.testing.assert_allclose([frame.seconds for frame in copy.read()], times, atol=2e-3)


def test_a_frame_each_two_seconds_keeps_one_person(tmp_path, analyzer):
    path = write_video(tmp_path / "a.mkv", draw_frames(14), times=[2.0 * index for index in range(14)])
    assert list(process_video(path, analyzer=analyzer, progress=False).timeline.people) == [1]


def test_every_36th_frame_keeps_one_person(tmp_path, analyzer):
    path = write_video(tmp_path / "a.avi", draw_frames(60) * 6, rate=24.0)
    analyzer.detector.list_boxes = lambda image: [(5.0, 5.0, 35.0, 40.0)]
    summary = process_video(path, analyzer=analyzer, every=36, progress=False)
    assert (list(summary.timeline.people), summary.num_analyzed) == ([1], 10)


def test_shares_at_a_variable_rate_are_those_of_the_time(tmp_path):
    """Three seconds of one expression at 2 frames a second, and three of another at 24, are half and half."""
    times = [index / 2 for index in range(6)] + [3 + index / 24 for index in range(72)]
    frames = [np.full((48, 64, 3), 40 if seconds < 3 else 60, np.uint8) for seconds in times]
    path = write_video(tmp_path / "a.mkv", frames, times=times)
    analyzer = Analyzer(StubClassifier(), StubDetector([(5.0, 5.0, 35.0, 40.0)]))
    summary = process_video(path, analyzer=analyzer, progress=False, smoothing_seconds=0.0)
    shares = sorted(summary.shares.values())[-2:]
    np.testing.assert_allclose(shares, [0.5, 0.5], atol=0.02)
    answer = analyze_video(path, analyzer)["people"][0]
    np.testing.assert_allclose(sorted(answer["shares"].values())[-2:], [0.5, 0.5], atol=0.05)
    (_, means), *_ = summary.timeline.read_stretches(1)
    assert len(means)


def test_the_decoders_errors_are_reported(tmp_path, analyzer):
    content = bytearray(write_video(tmp_path / "a.avi", draw_frames(40), codec="mpeg4").read_bytes())
    start = content.index(b"movi")
    content[start + 200 : start + 1500] = bytes(1300)
    (tmp_path / "b.avi").write_bytes(content)
    summary = process_video(tmp_path / "b.avi", analyzer=analyzer, progress=False)
    assert any("damaged" in remark for remark in summary.remarks)


def test_images_are_a_video_with_a_rate(tmp_path, analyzer):
    for index, frame in enumerate(draw_frames(6)):
        write_image(frame, tmp_path / f"f_{index}.png")
    table = tmp_path / "out" / "t.csv"
    process_video(tmp_path / "f_%d.png", analyzer=analyzer, csv=table, rate=2.0, progress=False)
    assert pd.read_csv(table)["seconds"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]


@pytest.fixture
def batch(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video" * 50)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_video(tmp_path / name / "talk.avi", draw_frames(12), rate=10.0)
    return [tmp_path / "a" / "talk.avi", tmp_path / "bad.mp4", tmp_path / "b" / "talk.avi"]


def test_many_videos_are_one_table_and_a_bad_one_is_a_row_with_its_error(tmp_path, analyzer, batch):
    summary = process_videos(batch, tmp_path / "t.csv", analyzer=analyzer, progress=False)
    table = pd.read_csv(tmp_path / "t.csv")
    assert tuple(table.columns) == BATCH_COLUMNS
    assert table["video"].value_counts().to_dict() == {str(batch[0]): 12, str(batch[1]): 1, str(batch[2]): 12}
    assert "bad.mp4" in table["error"].dropna().item()
    assert (len(summary.videos), list(summary.errors)) == (2, [str(batch[1])])
    assert "2 of 3 videos were read." in summary.describe()


def test_the_copies_and_plots_of_many_videos_are_in_folders(tmp_path, analyzer, batch):
    process_videos(
        batch,
        tmp_path / "t.csv",
        analyzer=analyzer,
        annotated=tmp_path / "copies",
        plot=tmp_path / "plots",
        progress=False,
    )
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["talk.mp4", "talk_2.mp4"]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["talk.png", "talk_2.png"]


def test_many_videos_of_which_none_is_readable_are_an_error_after_the_table(tmp_path, analyzer, batch):
    with pytest.raises(VideoError, match="column 'error'"):
        process_videos([batch[1]], tmp_path / "t.csv", analyzer=analyzer, progress=False)
    assert len(pd.read_csv(tmp_path / "t.csv")) == 1


INTERRUPTED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from vision_media import StubClassifier, StubDetector
from fer.analysis import Analyzer
from fer.reports.videos import process_video
detector = StubDetector(lambda image: time.sleep(0.02) or [(5.0, 5.0, 35.0, 40.0)])
analyzer = Analyzer(StubClassifier(), detector)
source, table, copy = sys.argv[2:]
summary = process_video(source, analyzer=analyzer, csv=table, annotated=copy, allow_network=True, progress=False)
print(summary.describe())
"""


@pytest.fixture(params=["file", "network stream"])
def endless(tmp_path, request):
    """A video of a minute, as a file and as a stream of a server that sends it in small pieces."""
    frames = draw_frames(60) * 10
    if request.param == "file":
        yield str(write_video(tmp_path / "a.avi", frames, rate=10.0))
        return
    content = write_video(tmp_path / "a.ts", frames, codec="mpeg2video", rate=25.0).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                for start in range(0, len(content), 2000):
                    self.wfile.write(content[start : start + 2000])
                    time.sleep(0.02)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/live"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_ctrl_c_ends_with_a_readable_table_and_copy(tmp_path, endless):
    table, copy = tmp_path / "t.csv", tmp_path / "o.mp4"
    command = [sys.executable, "-c", INTERRUPTED, str(Path(__file__).parents[1]), endless, str(table), str(copy)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not table.exists() or table.read_text().count("\n") < 6:
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    rows = pd.read_csv(table)
    assert 5 <= len(rows) < 600
    assert "Stopped before the end." in output
    with VideoReader(copy) as reader:
        assert sum(1 for _ in reader.read()) == len(rows)


LEFT, RIGHT = (5.0, 5.0, 25.0, 30.0), (40.0, 5.0, 60.0, 30.0)


@pytest.fixture
def arriving():
    """An analyzer that sees a second person from the sixth of the frames on."""
    return Analyzer(StubClassifier(), StubDetector(lambda image: [LEFT, RIGHT] if image.mean() > 18 else [LEFT]))


def read_answers(path, track_id):
    table = pd.read_csv(path)
    return table[table["track_id"] == track_id][list(BASELINE_COLUMNS)]


def test_a_range_at_rest_adds_answers_to_every_frame_of_those_who_were_seen_in_it(tmp_path, arriving, video):
    summary = process_video(video, analyzer=arriving, csv=tmp_path / "t.csv", baseline="0:00-0:00.5", progress=False)
    assert tuple(pd.read_csv(tmp_path / "t.csv").columns) == (*VIDEO_COLUMNS, *BASELINE_COLUMNS)
    first, second = (read_answers(tmp_path / "t.csv", number) for number in (1, 2))
    assert (len(first), len(second)) == (12, 7)
    assert first.notna().all(axis=None)
    assert second.isna().all(axis=None)
    np.testing.assert_allclose(first.iloc[:, 1:].sum(axis=1), 1.0, atol=1e-3)
    assert any("without a baseline prediction: person 2." in remark for remark in summary.remarks)
    assert "; relative to the baseline (0.5 s at rest): " in summary.describe().split("\n")[1]
    assert "relative to the baseline" not in summary.describe().split("\n")[2]
    assert summary.baseline_people[1].seconds == pytest.approx(1.2)


def test_the_plain_answers_are_those_without_a_baseline(tmp_path, arriving, video):
    for name, baseline in (("plain", None), ("both", (0, 0.5))):
        process_video(video, analyzer=arriving, csv=tmp_path / f"{name}.csv", baseline=baseline, progress=False)
    plain, both = pd.read_csv(tmp_path / "plain.csv"), pd.read_csv(tmp_path / "both.csv")
    pd.testing.assert_frame_equal(plain, both[plain.columns])


def test_a_face_at_rest_is_answered_as_neutral(tmp_path):
    path = write_video(tmp_path / "a.avi", [np.full((48, 64, 3), 40, np.uint8)] * 200, rate=10.0)
    process_video(
        path,
        analyzer=Analyzer(StubClassifier(), StubDetector([LEFT])),
        csv=tmp_path / "t.csv",
        baseline=(0, 20),
        progress=False,
    )
    table = pd.read_csv(tmp_path / "t.csv")
    assert set(table["baseline_label"]) == {"neutral"}
    assert "neutral" not in set(table["label"])


def test_a_neutral_photo_counts_for_all_people(tmp_path, arriving, video):
    write_image(draw_frames(1)[0], tmp_path / "neutral.png")
    summary = process_video(
        video, analyzer=arriving, csv=tmp_path / "t.csv", baseline=tmp_path / "neutral.png", progress=False
    )
    assert all(read_answers(tmp_path / "t.csv", number).notna().all(axis=None) for number in (1, 2))
    assert any("is used for all 2 people" in remark for remark in summary.remarks)


def test_a_source_that_is_read_once_has_answers_after_the_range(tmp_path, arriving, video, monkeypatch):
    monkeypatch.setattr("fer.reports.videos.is_network", lambda source: True)
    summary = process_video(video, analyzer=arriving, csv=tmp_path / "t.csv", baseline=(0, 0.5), progress=False)
    assert read_answers(tmp_path / "t.csv", 1)["baseline_label"].isna().tolist() == [True] * 5 + [False] * 7
    assert any("before 0.5 s" in remark for remark in summary.remarks)


def test_a_range_outside_of_the_video_is_refused_before_the_table(tmp_path, arriving, video):
    with pytest.raises(VideoError, match="within the video"):
        process_video(video, analyzer=arriving, csv=tmp_path / "t.csv", baseline="1:00-1:05", progress=False)
    assert not (tmp_path / "t.csv").exists()


def test_an_output_over_the_neutral_photo_is_refused(tmp_path, analyzer, video):
    write_image(draw_frames(1)[0], tmp_path / "n.png")
    with pytest.raises(OutputError, match="replace an input"):
        process_video(video, analyzer=analyzer, plot=tmp_path / "n.png", baseline=tmp_path / "n.png", progress=False)


def test_a_range_counts_for_each_of_many_videos(tmp_path, arriving, batch):
    short = write_video(tmp_path / "short.avi", draw_frames(3), rate=10.0)
    summary = process_videos(
        [*batch, short], tmp_path / "t.csv", analyzer=arriving, baseline=(0.4, 0.5), progress=False
    )
    table = pd.read_csv(tmp_path / "t.csv")
    assert tuple(table.columns) == (*BATCH_COLUMNS[:-1], *BASELINE_COLUMNS, "error")
    assert "within the video" in summary.errors[str(short)]
    answered = table[table["baseline_label"].notna()]
    assert answered["video"].value_counts().to_dict() == {str(batch[0]): 12, str(batch[2]): 12}
    assert set(answered["track_id"]) == {1}

import random
import time

import pandas as pd
import psutil
import pytest
from batch_media import (
    FAILS,
    PERSON_RATE,
    SEGMENTED,
    build_person_stub,
    draw_persons,
    kill_driver,
    read_parts,
    run_here,
    start_driver,
    wait_for_parts,
)
from vision_media import write_video

from fer.batch import run_batch
from fer.batch.driver import BatchOptions
from fer.batch.joining import join_segments, match_persons
from fer.batch.parts import read_counts
from fer.batch.plan import open_plan
from fer.errors import DataError

pytest.importorskip("pyarrow", reason="parts are written with pyarrow")

WHOLE = BatchOptions(part_size=4, segment=0)
COMPRESSED = {"g": "25", "bf": "2", "crf": "10"}
PART = "videos/part-000000.parquet"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A video of three segments, and one of less than a segment."""
    folder = tmp_path_factory.mktemp("segments") / "in"
    folder.mkdir()
    write_video(folder / "a.avi", draw_persons(), PERSON_RATE)
    write_video(folder / "b.avi", draw_persons(15), PERSON_RATE)
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """The parts of a run that leaves videos whole."""
    run(folder, folder.parent / "whole", options=WHOLE)
    return read_parts(folder.parent / "whole")


@pytest.fixture(scope="module")
def expected(folder):
    run(folder, folder.parent / "expected")
    return read_parts(folder.parent / "expected")


def run(inputs, out, **options):
    """Run a batch, in this process unless workers are given."""
    defaults = {"options": SEGMENTED, "build": build_person_stub, "progress": False}
    with pytest.MonkeyPatch.context() as patch:
        if "workers" not in options:
            patch.setattr("fer.batch.driver._choose_engine", lambda engine: run_here)
        return run_batch(inputs, out, **defaults | options)


def split_parts(parts):
    """Return the parts without the summary, which names the settings."""
    return {name: content for name, content in parts.items() if name != "summary.json"}


def test_segments_give_the_bytes_of_the_whole_video(whole, expected, folder):
    assert split_parts(expected) == split_parts(whole)
    rows = pd.read_parquet(folder.parent / "expected" / PART)
    assert rows["frame"].unique().tolist() == list(range(300))
    first = rows.groupby("track_id")["seconds"].agg(["min", "max"]).to_numpy().round().tolist()
    assert first == [[0, 45], [12, 18], [21, 24], [30, 60], [50, 60]]


def test_the_summary_is_that_of_whole_videos(folder, whole, tmp_path):
    results = []
    summary = run(folder, tmp_path / "out", on_part=results.append)
    first = run(folder, folder.parent / "whole", options=WHOLE)
    assert (summary.counts, summary.num_parts, summary.num_units) == (first.counts, 2, 2)
    assert [result.shard.segment for result in results] == [0, 1, 2, None]
    assert [result.counts.units for result in results] == [0, 0, 0, 1]
    assert [result.counts.frames for result in results] == [100, 100, 100, 75]


def test_each_file_is_there_when_it_is_reported(folder, tmp_path):
    """The file of the last segment as well, before the segments are joined."""
    counts = []

    def read(result):
        counts.append((result.counts, read_counts(result.shard.find_part(tmp_path / "out"))))

    run(folder, tmp_path / "out", on_part=read)
    assert len(counts) == 4
    assert all(reported == written for reported, written in counts)


@pytest.mark.parametrize("every", [3, 50])
def test_segments_of_some_frames_give_the_rows_of_the_whole_video(folder, tmp_path, every):
    run(folder, tmp_path / "whole", options=BatchOptions(every=every, segment=0))
    run(folder, tmp_path / "out", options=BatchOptions(every=every, segment=20))
    assert split_parts(read_parts(tmp_path / "out")) == split_parts(read_parts(tmp_path / "whole"))


def test_a_compressed_video_gives_the_bytes_of_the_whole_video(tmp_path):
    """Later segments begin to decode at a key frame."""
    path = write_video(tmp_path / "a.mp4", draw_persons(), PERSON_RATE, codec="libx264", codec_options=COMPRESSED)
    run(path, tmp_path / "whole", options=WHOLE)
    run(path, tmp_path / "out")
    assert split_parts(read_parts(tmp_path / "out")) == split_parts(read_parts(tmp_path / "whole"))


def test_two_workers_share_a_video(folder, expected, tmp_path):
    results = []
    run(folder / "a.avi", tmp_path / "out", workers=2, on_part=results.append)
    assert len({result.process_id for result in results}) == 2
    assert read_parts(tmp_path / "out")[PART] == expected[PART]


def test_many_groups_of_rows_give_the_bytes_of_the_whole_video(folder, whole, tmp_path, monkeypatch):
    """Memory does not grow with a video's length: rows are joined some thousands at once."""
    monkeypatch.setattr("fer.batch.parts._ROWS_AT_ONCE", 7)
    run(folder, tmp_path / "whole", options=WHOLE)
    run(folder, tmp_path / "out")
    assert split_parts(read_parts(tmp_path / "out")) == split_parts(read_parts(tmp_path / "whole"))
    assert read_parts(tmp_path / "out")[PART] != whole[PART]


def prepare_segments(folder, tmp_path):
    """Write the segments of the first video in this process, and return the plan and their parts."""
    from fer.batch.worker import Job, Worker

    out = tmp_path / "out"
    plan = open_plan(folder, out, {}, segment=20)
    worker = Worker(Job(str(out), str(tmp_path), "first", segment=20, build=build_person_stub))
    segments = plan.shards[0].split()
    for segment in segments:
        worker.write_part(segment)
    return plan, [segment.find_part(out) for segment in segments]


def test_segments_that_were_written_are_joined_without_work(folder, expected, tmp_path):
    """The driver ended before it joined them."""
    run(folder, tmp_path / "out")
    (tmp_path / "out" / PART).unlink()
    out = tmp_path / "other" / "out"
    _, paths = prepare_segments(folder, tmp_path / "other")
    (tmp_path / "out" / "segments").mkdir()
    for path in paths:
        path.rename(tmp_path / "out" / "segments" / path.name)
    assert not list(out.glob("segments/*"))
    run(folder, tmp_path / "out", on_part=lambda result: pytest.fail("a part was written"))
    assert read_parts(tmp_path / "out") == expected


def test_segments_that_are_left_beside_a_joined_part_are_removed(folder, expected, tmp_path):
    """The driver ended between the write and the removal."""
    run(folder, tmp_path / "out")
    left = tmp_path / "out" / "segments"
    left.mkdir()
    (left / "part-000000-0001.parquet").write_bytes(b"left")
    (left / "part-000000-0002.parquet.reading").write_text("{}")
    run(folder, tmp_path / "out", on_part=lambda result: pytest.fail("a part was written"))
    assert read_parts(tmp_path / "out") == expected
    assert not left.exists()


def test_the_part_of_a_segment_that_is_damaged_is_one_error(folder, tmp_path):
    plan, paths = prepare_segments(folder, tmp_path)
    paths[1].write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"part-000000-0001\.parquet.*Remedy: remove it"):
        join_segments(plan.shards[0], tmp_path / "out")


def test_rows_after_an_error_are_left_out(tmp_path):
    """A library fails after 31 seconds, as when one worker reads the whole video."""
    frames = draw_persons()
    for frame in frames[155:160]:
        frame[:4] = FAILS
    path = write_video(tmp_path / "a.avi", frames, PERSON_RATE)
    first = run(path, tmp_path / "whole", options=WHOLE)
    second = run(path, tmp_path / "out")
    assert split_parts(read_parts(tmp_path / "out")) == split_parts(read_parts(tmp_path / "whole"))
    assert (first.counts, second.num_errors) == (second.counts, 1)
    rows = pd.read_parquet(tmp_path / "out" / "videos")
    assert rows["frame"].max() == 154
    assert "a library failed" in rows["error"].iloc[-1]


def test_a_file_that_ends_early_has_the_rows_up_to_there(folder, tmp_path):
    content = (folder / "a.avi").read_bytes()
    # At the end of a frame: what a decoder makes of half a frame depends on the frames before.
    (tmp_path / "a.avi").write_bytes(content[: content.index(b"00dc", len(content) // 2)])
    run(tmp_path / "a.avi", tmp_path / "whole", options=WHOLE)
    run(tmp_path / "a.avi", tmp_path / "out")
    assert split_parts(read_parts(tmp_path / "out")) == split_parts(read_parts(tmp_path / "whole"))
    assert 100 < read_counts(tmp_path / "out" / PART).frames < 200


def test_a_segment_after_the_last_frame_is_empty(tmp_path):
    """The header states a minute, of which the file has a quarter."""
    path = write_video(tmp_path / "a.mkv", draw_persons(), PERSON_RATE, codec="libx264", codec_options=COMPRESSED)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 4])
    results = []
    run(path, tmp_path / "out", on_part=results.append)
    assert [result.counts.frames > 0 for result in results] == [True, False, False]
    run(path, tmp_path / "whole", options=WHOLE)
    assert split_parts(read_parts(tmp_path / "out")) == split_parts(read_parts(tmp_path / "whole"))


def test_damage_in_the_middle_repeats_no_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", draw_persons(), PERSON_RATE, codec="libx264", codec_options=COMPRESSED)
    content = bytearray(path.read_bytes())
    for position in range(len(content) // 3, len(content) * 2 // 3, 50):
        content[position] ^= 255
    path.write_bytes(content)
    run(path, tmp_path / "whole", options=WHOLE)
    run(path, tmp_path / "out")
    whole, rows = (pd.read_parquet(tmp_path / name / "videos") for name in ("whole", "out"))
    assert rows["error"].isna().all()
    assert rows["frame"].is_monotonic_increasing
    assert not rows.duplicated(["frame", "face"]).any()
    assert not rows.duplicated(["seconds", "face"]).any()
    assert rows["seconds"].is_monotonic_increasing
    assert abs(rows["frame"].nunique() - whole["frame"].nunique()) < 5


def test_progress_counts_videos_and_segments(folder, tmp_path, capsys):
    run(folder, tmp_path / "out", progress=True)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("files: 2 of 2 [")
    assert "3 of 3 segments" in last


def test_killed_workers_change_nothing(folder, expected, tmp_path):
    generator = random.Random(1)
    process = start_driver(folder, tmp_path / "out", "local", "video")
    for count in (0, 1):
        wait_for_parts(process, tmp_path / "out", count, "segments")
        time.sleep(generator.uniform(0, 2.0))
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        for child in [child for child in children if "spawn_main" in " ".join(child.cmdline())][:1]:
            child.kill()
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert read_parts(tmp_path / "out") == expected


def test_a_killed_driver_is_continued(folder, expected, tmp_path):
    generator, num_segments = random.Random(1), []
    for count in (1, 2):
        process = start_driver(folder, tmp_path / "out", "local", "video")
        wait_for_parts(process, tmp_path / "out", count, "segments")
        time.sleep(generator.uniform(0, 0.5))
        assert psutil.wait_procs(kill_driver(process), timeout=20)[1] == []
        num_segments.append(len(list((tmp_path / "out").glob("segments/*.parquet"))))
    assert num_segments[0] >= 1
    run(folder, tmp_path / "out", workers=2)
    assert read_parts(tmp_path / "out") == expected


def test_persons_are_matched_one_to_one_by_the_overlap_in_all_shared_frames():
    left, right, between = (0, 0, 10, 10), (20, 0, 30, 10), (4, 0, 14, 10)
    before = {0.0: {5: left, 8: right}, 1.0: {5: left, 8: right}, 2.0: {8: right}}
    after = {1.0: {1: between, 2: left, 3: right}, 2.0: {3: right}, 3.0: {2: left, 4: left}}
    assert match_persons(before, after) == {2: 5, 3: 8}
    assert match_persons({0.0: {5: left}}, {0.0: {1: (9, 0, 19, 10)}}) == {}
    assert match_persons({0.0: {5: left}}, {1.0: {1: left}}) == {}

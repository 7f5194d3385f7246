import pytest
from batch_media import PERSON_RATE, build_person_stub, draw_persons, write_image
from vision_media import write_video

from fer.batch.parts import Counts
from fer.batch.plan import open_plan
from fer.batch.tally import Tally
from fer.batch.worker import Job, Worker

pytest.importorskip("pyarrow", reason="parts are written with pyarrow")


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """The plan of an image and of a video of two segments."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in", "a.png", 0)
    write_video(tmp_path / "in" / "b.avi", draw_persons(40), PERSON_RATE)
    return open_plan("in", tmp_path / "out", {}, segment=20)


@pytest.fixture
def worker(plan, tmp_path):
    return Worker(Job(str(plan.out), str(tmp_path), "first", segment=20, build=build_person_stub))


def test_a_new_batch_lacks_every_part_and_segment(plan):
    tally = Tally(plan)
    assert [(shard.kind, shard.segment) for shard in tally.missing] == [("image", None), ("video", 0), ("video", 1)]
    assert tally.num_units == 0
    assert tally.describe() == "0 faces, 0 errors, 0 of 2 segments"


def test_a_video_counts_when_its_last_segment_is_written(plan, worker):
    tally, units = Tally(plan), []
    for shard in tally.missing:
        units.append(tally.add(shard, worker.write_part(shard).counts))
    assert units == [1, 0, 1]
    assert (tally.counts["video"].units, tally.counts["video"].frames) == (1, 200)
    assert tally.describe().endswith(", 2 of 2 segments")


def test_segments_of_an_earlier_run_are_not_missing(plan, worker):
    first, segment = Tally(plan), plan.shards[1].split()[1]
    faces = worker.write_part(segment).counts.faces
    second = Tally(plan)
    assert [shard.segment for shard in second.missing] == [None, 0]
    assert second.describe() == f"{faces} faces, 0 errors, 1 of 2 segments"
    assert len(first.missing) == 3


def test_a_batch_of_images_names_no_segments(tmp_path):
    write_image(tmp_path, "a.png", 0)
    tally = Tally(open_plan(tmp_path / "a.png", tmp_path / "out", {}, segment=20))
    assert tally.add(tally.missing[0], Counts(units=1, faces=1)) == 1
    assert tally.describe() == "1 face, 0 errors"

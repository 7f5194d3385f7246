import json

import pytest
from batch_media import PERSON_RATE, draw_persons
from vision_media import write_video

from fer.batch.plan import open_plan
from fer.batch.segments import MOST_SEGMENTS, WARM_UP_SECONDS, Bounds, count_segments, find_bounds, list_segmented
from fer.errors import SettingsError


@pytest.mark.parametrize(
    ("seconds", "length", "count"),
    [(None, 20, 1), (60.0, 0, 1), (60.0, 20, 3), (61.0, 20, 3), (63.0, 20, 4), (5.0, 20, 1), (1e12, 20, MOST_SEGMENTS)],
)
def test_the_number_of_segments_follows_from_the_duration(seconds, length, count):
    assert count_segments(seconds, length) == count


def test_segments_cover_a_video_without_a_gap():
    bounds = [find_bounds(segment, 3, 20) for segment in range(3)]
    assert [(bound.begin, bound.end) for bound in bounds] == [(0, 20), (20, 40), (40, None)]
    assert find_bounds(None, 1, 20) == Bounds(0, None)


def test_a_warm_up_has_some_seconds_and_some_frames():
    assert Bounds(600.0).find_warm_up(0.04) == 600 - WARM_UP_SECONDS
    assert Bounds(600.0).find_warm_up(10.0) == 520
    assert Bounds(5.0).find_warm_up(0.04) == 0


def test_the_plan_records_the_segments_of_long_videos_alone(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write_video(folder / "a.avi", draw_persons(15), PERSON_RATE)
    write_video(folder / "b.avi", draw_persons(60), PERSON_RATE)
    (folder / "c.avi").write_bytes(b"damaged")
    (tmp_path / "all.csv").write_text(f"path\nin/a.avi\nin/b.avi\nin/c.avi\nin/gone.avi\nfile://{folder}/b.avi\n")
    plan = open_plan(tmp_path / "all.csv", tmp_path / "out", {}, segment=20)
    assert [part.num_segments for part in plan.shards] == [1, 3, 1, 1, 1]
    assert json.loads((tmp_path / "out" / "plan" / "plan.json").read_text())["units"]["video"]["segments"] == [[1, 3]]
    names = [shard.find_part(tmp_path).relative_to(tmp_path).as_posix() for shard in plan.shards[1].split()]
    assert names == [f"segments/part-000001-000{number}.parquet" for number in range(3)]
    assert plan.shards[0].split() == (plan.shards[0],)


def test_a_plan_is_opened_again_without_a_look_at_the_videos(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_persons(60), PERSON_RATE)
    plan = open_plan(path, tmp_path / "out", {"segment": 20}, segment=20)
    path.write_bytes(b"replaced")
    assert open_plan(path, tmp_path / "out", {"segment": 20}, segment=20) == plan
    with pytest.raises(SettingsError, match="segment 30 instead of 20"):
        open_plan(path, tmp_path / "out", {"segment": 30}, segment=30)


def test_no_segments_are_planned_for_a_length_of_0(tmp_path):
    write_video(tmp_path / "a.avi", draw_persons(60), PERSON_RATE)
    (tmp_path / "videos.txt").write_text(json.dumps(str(tmp_path / "a.avi")) + "\n")
    assert list_segmented(tmp_path / "videos.txt", 0) == []
    assert list_segmented(tmp_path / "videos.txt", 20) == [(0, 3)]

import json

import pytest
from batch_media import PERSON_RATE, draw_persons, write_image, write_images
from vision_media import write_video

from fer.batch.plan import Shard, open_plan
from fer.errors import OutputError, SettingsError

SETTINGS = {"every": 1}


def test_the_shards_hold_every_unit_once_in_order(tmp_path):
    folder = write_images(tmp_path / "in", 10)
    (folder / "talk.mp4").write_bytes(b"video")
    plan = open_plan(folder, tmp_path / "out", SETTINGS, part_size=4)
    assert [(shard.kind, shard.number, shard.count) for shard in plan.shards] == [
        ("image", 0, 4),
        ("image", 1, 4),
        ("image", 2, 3),
        ("video", 0, 1),
    ]
    units = [unit for shard in plan.shards for unit in shard.read_units(tmp_path / "out")]
    assert units == [str(path) for path in sorted(folder.glob("*.*g"))] + [str(folder / "talk.mp4")]
    assert plan.num_units == 12


def test_the_rows_of_a_segment_end_in_the_part_of_its_video():
    assert Shard("video", 3, 0, 1, 2, 1).part_name == "videos/part-000003.parquet"
    assert Shard("image", 0, 0, 4).part_name == "images/part-000000.parquet"


def test_a_batch_that_was_begun_before_segments_is_continued_without(tmp_path):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in", "a.png", 0)
    write_video(tmp_path / "in" / "b.avi", draw_persons(40), PERSON_RATE)
    open_plan(tmp_path / "in", tmp_path / "out", SETTINGS)
    path = tmp_path / "out" / "plan" / "plan.json"
    content = json.loads(path.read_text())
    del content["units"]["video"]["segments"]
    path.write_text(json.dumps(content))
    plan = open_plan(tmp_path / "in", tmp_path / "out", SETTINGS | {"segment": 20}, segment=20)
    assert [part.num_segments for part in plan.shards] == [1, 1]
    assert plan.settings == SETTINGS | {"segment": 0}
    with pytest.raises(SettingsError, match=r"Received: every 2 instead of 1, in"):
        open_plan(tmp_path / "in", tmp_path / "out", {"every": 2, "segment": 20}, segment=20)


@pytest.mark.parametrize(("count", "size"), [(1, 16), (1600, 25), (100_000, 256)])
def test_the_size_of_parts_follows_from_the_number_of_images(tmp_path, count, size):
    (tmp_path / "all.csv").write_text("path\n" + "".join(f"{i}.jpg\n" for i in range(count)))
    plan = open_plan(tmp_path / "all.csv", tmp_path / "out", SETTINGS)
    assert plan.shards[0].count == min(size, count)
    assert sum(shard.count for shard in plan.shards) == count


def test_a_plan_is_the_same_when_it_is_opened_again(tmp_path):
    folder = write_images(tmp_path / "in", 10)
    first = open_plan(folder, tmp_path / "out", SETTINGS, part_size=4)
    assert open_plan(folder, tmp_path / "out", SETTINGS, part_size=4) == first


def test_other_settings_are_refused(tmp_path):
    folder = write_images(tmp_path / "in", 2)
    open_plan(folder, tmp_path / "out", SETTINGS)
    with pytest.raises(SettingsError, match="every 2 instead of 1"):
        open_plan(folder, tmp_path / "out", {"every": 2})
    with pytest.raises(SettingsError, match="parts of 3 instead of 16"):
        open_plan(folder, tmp_path / "out", SETTINGS, part_size=3)


def test_other_inputs_are_refused_and_the_plan_stays(tmp_path):
    folder = write_images(tmp_path / "in", 2)
    first = open_plan(folder, tmp_path / "out", SETTINGS)
    write_image(folder, "new.png", 1)
    with pytest.raises(SettingsError, match=r"other images \(4, before 3\)"):
        open_plan(folder, tmp_path / "out", SETTINGS)
    (folder / "new.png").unlink()
    assert open_plan(folder, tmp_path / "out", SETTINGS) == first


def test_a_plan_that_was_not_finished_is_made_anew(tmp_path):
    folder = write_images(tmp_path / "in", 2)
    (tmp_path / "out" / "plan.new").mkdir(parents=True)
    (tmp_path / "out" / "plan.new" / "images.txt").write_text('"half')
    assert open_plan(folder, tmp_path / "out", SETTINGS).num_units == 3
    assert not (tmp_path / "out" / "plan.new").exists()


def test_a_folder_with_other_files_is_refused(tmp_path):
    folder = write_images(tmp_path / "in", 2)
    with pytest.raises(OutputError, match="new, empty or that of a batch"):
        open_plan(folder, folder, SETTINGS)
    assert not (folder / "plan").exists()


def test_a_file_is_no_output_folder(tmp_path):
    folder = write_images(tmp_path / "in", 2)
    with pytest.raises(OutputError, match="a file"):
        open_plan(folder, folder / "000.png", SETTINGS)


def test_repeats_are_in_the_notes(tmp_path):
    (tmp_path / "all.csv").write_text("path\na.jpg\na.jpg\n")
    plan = open_plan(tmp_path / "all.csv", tmp_path / "out", SETTINGS)
    assert plan.notes == ("Dropped: 1 repeat of a path.",)
    assert json.loads((tmp_path / "out" / "plan" / "plan.json").read_text())["units"]["image"]["count"] == 1

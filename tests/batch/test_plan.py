import json

import pytest
from batch_media import write_image, write_images

from fer.batch.plan import open_plan
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

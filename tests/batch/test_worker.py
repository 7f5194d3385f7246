import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from batch_media import FAILS, build_stub, write_image, write_images
from vision_media import write_video

from fer.batch.journal import MOST_DEATHS, Journal
from fer.batch.parts import read_counts
from fer.batch.plan import open_plan
from fer.batch.worker import Job, Worker, clean_up
from fer.reports.images import predict_files
from fer.reports.videos import process_videos

pytest.importorskip("pyarrow", reason="parts are written with pyarrow")


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    """Relative inputs begin here."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build_job(out: Path, **settings) -> Job:
    return Job(str(out.absolute()), os.getcwd(), "first", build=build_stub, **settings)


def draw_greys(*greys: int) -> list[np.ndarray]:
    return [np.full((60, 90, 3), grey, np.uint8) for grey in greys]


def write_all(inputs, out: Path, **settings) -> list[pd.DataFrame]:
    """Write the parts of a batch in this process and return them."""
    worker, plan = Worker(build_job(out, **settings)), open_plan(inputs, out, {}, part_size=4)
    for shard in plan.shards:
        worker.write_part(shard)
    return [pd.read_parquet(shard.find_part(out)) for shard in plan.shards]


def test_the_rows_are_those_of_predict(tmp_path):
    folder = write_images(tmp_path / "in", 10)
    rows = pd.concat(write_all("in", tmp_path / "out"), ignore_index=True)
    predict_files("in", tmp_path / "table.parquet", analyzer=build_stub(None)[0], progress=False)
    pd.testing.assert_frame_equal(rows, pd.read_parquet(tmp_path / "table.parquet"))
    assert rows["image"].nunique() == len(list(folder.iterdir()))
    assert rows["error"].notna().sum() == 1


@pytest.mark.parametrize("every", [1, 3])
def test_the_rows_are_those_of_video(tmp_path, every):
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.avi", draw_greys(*range(1, 11)))
    (tmp_path / "in" / "b.mp4").write_bytes(b"damaged")
    rows = pd.concat(write_all("in", tmp_path / "out", every=every), ignore_index=True)
    process_videos(
        sorted(Path("in").iterdir()), tmp_path / "table.csv", analyzer=build_stub(None)[1], every=every, progress=False
    )
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(rows.columns) == list(table.columns)
    for name in table.columns:
        for ours, theirs in zip(rows[name], table[name], strict=True):
            assert (pd.isna(ours) and (pd.isna(theirs) or theirs == "")) or ours == theirs or ours == ""


def test_images_and_videos_at_addresses_are_read(tmp_path):
    folder = write_images(tmp_path / "in", 2)
    write_video(folder / "talk.avi", draw_greys(1, 2))
    cells = [f"file://{folder}/{name}" for name in ("001.png", "gone.png", "talk.avi", "gone.avi")]
    (tmp_path / "all.csv").write_text("\n".join(["path", *cells]))
    images, video, gone = write_all(tmp_path / "all.csv", tmp_path / "out")
    assert images["image"].tolist() == cells[:2]
    assert images["face"].tolist() == [1, pd.NA]
    assert "gone.png" in images["error"][1]
    assert set(video["frame"]) == {0, 1}
    assert "gone.avi" in gone["error"][0]


def test_an_image_at_which_a_library_fails_is_a_row_with_the_error(tmp_path):
    folder = write_images(tmp_path / "in", 3)
    write_image(folder, "001.png", FAILS)
    (rows,) = write_all("in", tmp_path / "out")
    assert rows["image"].tolist() == [
        f"in/{name}" for name in ("000.png", "001.png", "002.png", "002.png", "damaged.jpg")
    ]
    assert "RuntimeError: a library failed" in rows["error"][1]
    assert rows["error"].notna().tolist() == [False, True, False, False, True]


def test_a_failure_at_every_image_is_no_error_of_the_images(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        write_image(folder, name, FAILS)
    with pytest.raises(RuntimeError, match="a library failed"):
        write_all("in", tmp_path / "out")
    assert not list((tmp_path / "out").glob("images/*.parquet"))


def test_a_video_at_which_a_library_fails_is_a_row_with_the_error(tmp_path):
    write_video(tmp_path / "a.avi", draw_greys(2, 2, FAILS))
    (rows,) = write_all("a.avi", tmp_path / "out")
    assert rows["error"].notna().tolist()[-1]
    assert rows["frame"].tolist()[:-1]


def test_a_unit_that_ended_workers_is_a_row_with_an_error(tmp_path):
    write_images(tmp_path / "in", 3)
    out = tmp_path / "out"
    (shard,) = open_plan("in", out, {}).shards
    shard.find_part(out).parent.mkdir()
    for _ in range(MOST_DEATHS):
        Journal(shard.find_part(out), "first").begin(1)
    Worker(build_job(out)).write_part(shard)
    rows = pd.read_parquet(shard.find_part(out))
    assert "workers ended" in rows["error"][1]
    assert not list(out.rglob("*.reading"))


def test_a_part_that_exists_is_not_written_again(tmp_path):
    write_images(tmp_path / "in", 3)
    out = tmp_path / "out"
    write_all("in", out)
    (shard,) = open_plan("in", out, {}, part_size=4).shards
    before = shard.find_part(out).stat()
    result = Worker(build_job(out)).write_part(shard)
    assert shard.find_part(out).stat() == before
    assert result.counts == read_counts(shard.find_part(out))
    assert result.counts.units == 4


def test_unfinished_parts_are_removed(tmp_path):
    (tmp_path / "part-000000.parquet.77.tmp").write_bytes(b"half")
    (tmp_path / "part-000001.parquet").write_bytes(b"whole")
    clean_up([tmp_path / "part-000000.parquet"])
    assert [path.name for path in tmp_path.iterdir()] == ["part-000001.parquet"]

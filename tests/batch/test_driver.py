import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import filelock
import numpy as np
import pandas as pd
import psutil
import pytest
from batch_media import (
    ENDS,
    HANGS,
    PERSON_RATE,
    ROOT,
    SMALL_PARTS,
    build_hasty_stub,
    build_slow_decoding_stub,
    build_slow_fetching_stub,
    build_slow_opening_stub,
    build_slow_stub,
    build_stub,
    draw_persons,
    kill_driver,
    read_parts,
    start_driver,
    wait_for_parts,
    write_image,
    write_images,
)
from vision_media import write_video

from fer.batch import run_batch
from fer.batch.driver import BatchOptions, count_cores
from fer.errors import DataError, InterruptedWork, ModelError, OutputError, SettingsError

pytest.importorskip("pyarrow", reason="parts are written with pyarrow")

NUM_IMAGES = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("batch") / "in", NUM_IMAGES)


@pytest.fixture(scope="module")
def expected(folder):
    """The parts of a run with one worker that nothing disturbs."""
    out = folder.parent / "expected"
    run(folder, out, workers=1)
    return read_parts(out)


def run(folder, out, **options):
    return run_batch(folder, out, **{"options": SMALL_PARTS, "build": build_stub, "progress": False} | options)


def test_two_workers_write_the_parts_of_one(folder, expected, tmp_path):
    results = []
    summary = run(folder, tmp_path / "out", workers=2, on_part=results.append)
    assert read_parts(tmp_path / "out") == expected
    assert len({result.process_id for result in results}) == 2
    assert os.getpid() not in {result.process_id for result in results}
    assert (summary.num_units, summary.num_errors) == (NUM_IMAGES + 1, 1)
    assert sum(result.counts.units for result in results) == NUM_IMAGES + 1


def test_the_summary_counts_what_the_parts_hold(folder, expected, tmp_path):
    summary = run(folder, tmp_path / "out", workers=1)
    rows = pd.read_parquet(tmp_path / "out" / "images")
    content = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert content["images"]["faces"] == rows["face"].notna().sum()
    assert content["images"]["errors"] == rows["error"].notna().sum() == 1
    assert content["images"]["units"] == rows["image"].nunique() == NUM_IMAGES + 1
    counts = rows["label"].value_counts()
    assert {name: count for name, count in content["images"]["labels"].items() if count} == counts.to_dict()
    assert summary.describe().splitlines()[0].startswith(f"31 images, {content['images']['faces']} faces: ")
    assert summary.describe().splitlines()[1:] == [
        f"8 parts: {tmp_path / 'out'}",
        "1 could not be read: see the column 'error'.",
    ]


def test_a_second_run_does_nothing(folder, tmp_path):
    first = run(folder, tmp_path / "out", workers=1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*")}
    second = run(folder, tmp_path / "out", workers=1, on_part=lambda result: pytest.fail("a part was written"))
    assert second.describe() == first.describe()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_run_with_other_settings_is_refused(folder, tmp_path):
    run(folder, tmp_path / "out", workers=1)
    before = read_parts(tmp_path / "out")
    with pytest.raises(SettingsError, match="every 2 instead of 1"):
        run(folder, tmp_path / "out", options=BatchOptions(part_size=4, every=2))
    assert read_parts(tmp_path / "out") == before


def test_a_folder_in_use_is_refused(folder, tmp_path):
    (tmp_path / "out").mkdir()
    with filelock.FileLock(tmp_path / "out" / "batch.lock"), pytest.raises(OutputError, match="in use"):
        run(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"workers": 0}, "workers must be at least 1"),
        ({"engine": "spark"}, "local or ray"),
        ({"options": BatchOptions(every=0)}, "every must be at least 1"),
        ({"options": BatchOptions(segment=-1)}, "segment must be at least 0"),
        ({"timeout": -1}, "timeout must be at least 0"),
    ],
)
def test_an_option_out_of_range_is_an_error_before_work(folder, tmp_path, options, match):
    with pytest.raises(SettingsError, match=match):
        run(folder, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["pyarrow", "ray"])
def test_a_missing_package_names_its_extra(folder, tmp_path, package, monkeypatch):
    monkeypatch.setattr("fer.batch.driver.find_spec", lambda name: None if name == package else name)
    extra = {"pyarrow": "parquet"}.get(package, package)
    with pytest.raises(SettingsError, match=rf"fer-dl\[{extra}\]"):
        run(folder, tmp_path / "out", engine="ray")


def test_a_missing_network_is_one_error_before_work(folder, tmp_path):
    with pytest.raises(ModelError, match="gone, without one"):
        run(folder, tmp_path / "out", options=BatchOptions(tmp_path / "gone"))
    assert not (tmp_path / "out").exists()


def test_the_default_is_a_worker_for_each_core():
    assert 1 <= count_cores() <= os.cpu_count()


def kill_a_worker(process):
    children = [child for child in process.children() if "spawn_main" in " ".join(child.cmdline())]
    if children:
        random.choice(children).kill()


@pytest.mark.parametrize("seed", [1, 2])
def test_workers_killed_at_random_moments_change_nothing(folder, expected, tmp_path, seed):
    generator = random.Random(seed)
    process = start_driver(folder, tmp_path / "out", "local")
    wait_for_parts(process, tmp_path / "out", 1)
    for _ in range(2):
        time.sleep(generator.uniform(0, 0.5))
        if process.poll() is None:
            kill_a_worker(psutil.Process(process.pid))
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert read_parts(tmp_path / "out") == expected


def test_a_driver_killed_at_random_moments_is_continued(folder, expected, tmp_path):
    generator = random.Random(1)
    for num_parts in (0, 1, 4):
        process = start_driver(folder, tmp_path / "out", "local")
        wait_for_parts(process, tmp_path / "out", num_parts)
        time.sleep(generator.uniform(0, 0.5))
        workers = kill_driver(process)
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert alive == []
    run(folder, tmp_path / "out", workers=2)
    assert read_parts(tmp_path / "out") == expected


def test_an_image_that_ends_its_worker_is_a_row_with_an_error(tmp_path):
    folder = write_images(tmp_path / "in", 6)
    write_image(folder, "003.png", ENDS)
    run(folder, tmp_path / "out", workers=1)
    rows = pd.read_parquet(tmp_path / "out" / "images")
    assert rows["image"].nunique() == 7
    failed = rows[rows["error"].notna()]
    assert failed["image"].tolist() == [str(folder / "003.png"), str(folder / "damaged.jpg")]
    assert "workers ended" in failed["error"].iloc[0]


def test_a_unit_that_hangs_is_a_row_with_an_error(tmp_path):
    folder = write_images(tmp_path / "in", 6)
    write_image(folder, "003.png", HANGS)
    write_video(folder / "a.avi", [np.full((60, 90, 3), grey, np.uint8) for grey in (1, 2, HANGS)])
    summary = run(folder, tmp_path / "out", workers=1, timeout=1)
    assert summary.num_units == 8
    rows = pd.concat(pd.read_parquet(tmp_path / "out" / kind) for kind in ("images", "videos"))
    failed = rows[rows["error"].notna()]
    assert failed["image"].tolist()[:2] == [str(folder / "003.png"), str(folder / "damaged.jpg")]
    assert failed["video"].tolist()[2] == str(folder / "a.avi")
    assert failed["error"].str.contains("without progress for 1 s").tolist() == [True, False, True]
    assert set(read_parts(tmp_path / "out")) == {
        "images/part-000000.parquet",
        "images/part-000001.parquet",
        "videos/part-000000.parquet",
        "summary.json",
    }


@pytest.mark.parametrize("phase", ["decode", "limit", "fetch"])
def test_a_slow_start_of_a_healthy_video_is_no_timeout(tmp_path, phase):
    """Nothing is analyzed for some seconds: an MPEG-TS file is decoded from its start for each segment."""
    path = write_video(tmp_path / "a.ts", draw_persons(60), PERSON_RATE, codec="libx264")
    (tmp_path / "all.csv").write_text(f"video\n{path.as_uri() if phase == 'fetch' else path}\n")
    build = {"decode": build_slow_decoding_stub, "limit": build_slow_opening_stub, "fetch": build_slow_fetching_stub}
    options = BatchOptions(every=5, segment=30)
    summary = run(tmp_path / "all.csv", tmp_path / "out", workers=1, timeout=1, options=options, build=build[phase])
    assert (summary.num_errors, summary.counts["video"].frames) == (0, 60)


def test_a_larger_limit_reads_the_file_once_the_named_part_is_removed(tmp_path):
    path = write_video(tmp_path / "a.avi", [np.full((60, 90, 3), grey, np.uint8) for grey in (1, 2, HANGS)])
    run(path, tmp_path / "out", workers=1, timeout=1)
    (error,) = pd.read_parquet(tmp_path / "out" / "videos")["error"].dropna()
    name = re.search("remove (.+), and run again with a larger --timeout", error)[1]
    (tmp_path / "out" / name).unlink()
    # The library is quick now.
    summary = run(path, tmp_path / "out", workers=1, timeout=60, build=build_hasty_stub)
    assert (summary.num_errors, summary.counts["video"].frames) == (0, 3)


def end(job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_cannot_start_are_one_error(folder, tmp_path):
    with pytest.raises(ModelError, match="ended before they read anything"):
        run(folder, tmp_path / "out", workers=1, build=end)


def test_a_part_that_cannot_be_written_is_one_error(folder, tmp_path):
    run(folder, tmp_path / "out", workers=1)
    part = tmp_path / "out" / "images" / "part-000003.parquet"
    part.unlink()
    part.mkdir()
    with pytest.raises(OutputError, match=r"part-000003\.parquet"):
        run(folder, tmp_path / "out", workers=1)


def test_a_damaged_part_is_one_error(folder, tmp_path):
    run(folder, tmp_path / "out", workers=1)
    (tmp_path / "out" / "images" / "part-000003.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"part-000003\.parquet.*Remedy: remove it"):
        run(folder, tmp_path / "out", workers=1)


def test_ctrl_c_keeps_the_parts_and_ends_the_workers(folder, expected, tmp_path):
    results = []

    def stop(result):
        results.append(result)
        if len(results) == 2:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedWork, match=r"Stopped with \d+ images left"):
        run(folder, tmp_path / "out", workers=2, build=build_slow_stub, on_part=stop)
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
    assert 2 <= len(list((tmp_path / "out").glob("images/*.parquet"))) < 8
    run(folder, tmp_path / "out", workers=1)
    assert read_parts(tmp_path / "out") == expected


def test_progress_names_rate_faces_errors_and_time_left(folder, tmp_path, capsys):
    run(folder, tmp_path / "out", workers=1, progress=True)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("images: 31 of 31 [")
    assert "1 error" in last
    assert "left" in last
    assert "images/s" in last or "s/ images" in last


def test_the_shipped_network_answers_as_in_predict(tmp_path):
    from fer.analysis import Analyzer
    from fer.bench.camera import build_frame
    from fer.reports.images import predict_files
    from fer.vision.images import write_image as write_photo

    for number in (1, 2, 5):
        write_photo(build_frame(number), tmp_path / "in" / f"{number}.jpg")
    run_batch(tmp_path / "in", tmp_path / "out", workers=1, progress=False)
    predict_files(tmp_path / "in", tmp_path / "t.parquet", analyzer=Analyzer(), progress=False)
    rows, table = pd.read_parquet(tmp_path / "out" / "images"), pd.read_parquet(tmp_path / "t.parquet")
    assert len(table) == 8
    # Probabilities have four digits, and the order of sums depends on the number of threads.
    pd.testing.assert_frame_equal(rows, table, rtol=0, atol=1.1e-4)


def test_the_task_writes_the_parts_and_prints_the_summary(tmp_path):
    folder = write_images(tmp_path / "in", 2)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "invoke", "batch", "--input", str(folder), "--out", str(tmp_path / "out")]
    command += ["--workers", "1", "--whole-image", "--quiet"]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("3 images, 2 faces: ")
    assert len(pd.read_parquet(tmp_path / "out" / "images")) == 3

import os
import random
import signal
import time

import pandas as pd
import psutil
import pytest
from batch_media import (
    ENDS,
    PERSON_RATE,
    ROOT,
    SEGMENTED,
    SMALL_PARTS,
    build_slow_person_stub,
    build_slow_stub,
    build_stub,
    draw_persons,
    kill_driver,
    read_parts,
    run_here,
    start_driver,
    wait_for_parts,
    write_image,
    write_images,
)
from vision_media import write_video

from fer.batch import run_batch
from fer.errors import OutputError

pytest.importorskip("ray", reason="needs the extra [ray]")
#: Ray warns of its own settings, leaves files to be closed by the interpreter, and forks to start its processes. JAX
#: warns of that if another test of this process has imported it.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning", "ignore:os.fork:RuntimeWarning"
)


@pytest.fixture(scope="module", autouse=True)
def local_ray():
    """One local Ray for the tests of this process; none of its processes is left."""
    import ray

    others = set(psutil.Process().children(recursive=True))  # such as the server of the app's tests
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    ray.init(
        "local",
        num_cpus=6,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": path}},
    )
    yield
    # Python's own tracker of shared resources stays until this process ends.
    children = set(psutil.Process().children(recursive=True)) - others
    processes = [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
    ray.shutdown()
    assert psutil.wait_procs(processes, timeout=120)[1] == []


def run(folder, out, **options):
    return run_batch(folder, out, **{"options": SMALL_PARTS, "build": build_stub, "progress": False} | options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("ray") / "in", 30)


@pytest.fixture(scope="module")
def expected(folder):
    out = folder.parent / "expected"
    run(folder, out, workers=1)
    return read_parts(out)


def test_ray_writes_the_parts_of_the_local_engine(folder, expected, tmp_path):
    results = []
    run(folder, tmp_path / "out", workers=2, engine="ray", on_part=results.append)
    assert read_parts(tmp_path / "out") == expected
    assert len(results) == 8
    assert os.getpid() not in {result.process_id for result in results}


def test_ray_continues_what_the_local_engine_began(folder, expected, tmp_path):
    run(folder, tmp_path / "out", workers=1)
    for number in (2, 5):
        (tmp_path / "out" / "images" / f"part-{number:06d}.parquet").unlink()
    results = []
    run(folder, tmp_path / "out", workers=2, engine="ray", on_part=results.append)
    assert sorted(result.shard.number for result in results) == [2, 5]
    assert read_parts(tmp_path / "out") == expected


def test_an_image_that_ends_its_actor_is_a_row_with_an_error(tmp_path):
    folder = write_images(tmp_path / "in", 6)
    write_image(folder, "003.png", ENDS)
    run(folder, tmp_path / "out", workers=1, engine="ray")
    rows = pd.read_parquet(tmp_path / "out" / "images")
    assert rows["image"].nunique() == 7
    assert "workers ended" in rows.set_index("image")["error"][str(folder / "003.png")]


def test_an_error_of_the_package_in_an_actor_is_that_error(folder, tmp_path):
    run(folder, tmp_path / "out", workers=1)
    part = tmp_path / "out" / "images" / "part-000003.parquet"
    part.unlink()
    part.mkdir()
    with pytest.raises(OutputError, match=r"part-000003\.parquet"):
        run(folder, tmp_path / "out", workers=1, engine="ray")


def test_actors_killed_in_the_middle_change_nothing(folder, expected, tmp_path):
    results = []

    def kill(result):
        results.append(result)
        if len(results) in (1, 4):
            os.kill(result.process_id, signal.SIGKILL)

    run(folder, tmp_path / "out", workers=2, engine="ray", build=build_slow_stub, on_part=kill)
    assert len({result.process_id for result in results}) > 2
    assert read_parts(tmp_path / "out") == expected


def test_a_driver_killed_at_a_random_moment_is_continued_and_leaves_no_process(folder, expected, tmp_path):
    process = start_driver(folder, tmp_path / "out", "ray")
    wait_for_parts(process, tmp_path / "out", 1)
    time.sleep(random.Random(1).uniform(0, 0.3))
    children = kill_driver(process)
    assert len(children) > 2
    _, alive = psutil.wait_procs(children, timeout=120)
    assert alive == []
    run(folder, tmp_path / "out", workers=2, engine="ray")
    assert read_parts(tmp_path / "out") == expected


def test_segments_are_those_of_the_local_engine_whatever_actors_end(tmp_path, monkeypatch):
    path, results = write_video(tmp_path / "a.avi", draw_persons(), PERSON_RATE), []

    def kill(result):
        results.append(result)
        if len(results) == 1:
            os.kill(result.process_id, signal.SIGKILL)

    options = {"options": SEGMENTED, "build": build_slow_person_stub}
    run(path, tmp_path / "out", workers=2, engine="ray", on_part=kill, **options)
    monkeypatch.setattr("fer.batch.driver._choose_engine", lambda engine: run_here)
    run(path, tmp_path / "expected", **options)
    assert read_parts(tmp_path / "out") == read_parts(tmp_path / "expected")
    assert [result.shard.segment for result in sorted(results, key=lambda result: result.shard.segment)] == [0, 1, 2]

import os
import random
import time

import pandas as pd
import psutil
import pytest
from batch_media import (
    ENDS,
    ROOT,
    SMALL_PARTS,
    build_stub,
    kill_driver,
    read_parts,
    start_driver,
    wait_for_parts,
    write_image,
    write_images,
)

from fer.batch import run_batch
from fer.errors import OutputError

pytest.importorskip("ray", reason="needs the extra [ray]")
#: Ray warns of its own settings, and leaves files to be closed by the interpreter.
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module", autouse=True)
def local_ray():
    """One local Ray for the tests of this process; none of its processes is left."""
    import ray

    before = set(list_ray_processes())
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    ray.init(num_cpus=6, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": path}})
    yield
    ray.shutdown()
    assert wait_until_gone(before)


def list_ray_processes() -> list[int]:
    names = ("raylet", "gcs_server", "ray::")
    return [process.pid for process in psutil.process_iter(["name"]) if (process.info["name"] or "").startswith(names)]


def wait_until_gone(before: set[int]) -> bool:
    for _ in range(300):
        if not set(list_ray_processes()) - before:
            return True
        time.sleep(0.1)
    return False


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


@pytest.mark.parametrize("victim", ["driver", "worker"])
def test_a_kill_at_a_random_moment_changes_nothing(folder, expected, tmp_path, victim):
    before = set(list_ray_processes())
    process = start_driver(folder, tmp_path / "out", "ray")
    wait_for_parts(process, tmp_path / "out", 1)
    time.sleep(random.Random(1).uniform(0, 0.3))
    if victim == "driver":
        kill_driver(process)
        assert wait_until_gone(before)
        run(folder, tmp_path / "out", workers=2, engine="ray")
    else:
        children = psutil.Process(process.pid).children(recursive=True)
        actors = [child for child in children if child.name().startswith("ray::Map")]
        for actor in actors[:1]:
            actor.kill()
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        assert wait_until_gone(before)
    assert read_parts(tmp_path / "out") == expected

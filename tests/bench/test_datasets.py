import numpy as np
import pytest

from fer.bench import datasets
from fer.bench.datasets import Cost, compute_growth, describe_cost, measure_process, run_dataset_bench, write_table
from fer.data import load_dataset, prepare_dataset
from fer.errors import ModelError


def test_a_generated_table_can_be_prepared(tmp_path):
    write_table(tmp_path / "table.csv", 1500)
    preparation = prepare_dataset(tmp_path / "table.csv", "generated", tmp_path)
    shares = preparation.counts.sum(axis=1) / 1500
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)
    assert preparation.leaks.duplicate_faces == 0
    assert sum(preparation.leaks.near.values()) < 15
    faces = load_dataset("generated", tmp_path).faces
    assert (faces.std(axis=(1, 2)) > 5).all()
    assert np.abs(faces[:500].astype(float) - faces[1000:]).mean() > 10


def test_growth_is_the_power_of_the_last_doubling():
    assert compute_growth([1, 10, 20], [9.0, 1.0, 4.0]) == pytest.approx(2.0)
    assert np.isnan(compute_growth([10, 20], [0.0, 0.0]))


def test_a_cost_without_memory_has_none():
    assert describe_cost(Cost(1.26, 1.0, None)) == "1.3 s, 1.0 core-seconds"
    assert describe_cost(Cost(1.26, 1.0, 310.4)) == "1.3 s, 1.0 core-seconds, 310 MB"


def test_memory_and_time_are_those_of_the_process(tmp_path):
    script = (
        "import sys, time; block = bytearray(b'x') * 200_000_000; time.sleep(0.5); sum(range(10_000_000));"
        " open(sys.argv[1], 'w').close()"
    )
    cost = measure_process(script, tmp_path / "done")
    assert (tmp_path / "done").is_file()
    assert cost.seconds > 0.5
    assert 0.1 < cost.core_seconds < cost.seconds
    assert cost.memory is None or 200 < cost.memory < 260


def test_a_process_that_fails_is_an_error():
    with pytest.raises(ModelError, match="exit code 3"):
        measure_process("import sys; sys.exit(3)")


def test_each_size_is_prepared_and_trained(monkeypatch):
    lines, seconds, tables = [], iter([1.0, 2.0, 2.0, 4.0, 4.0, 8.0, 8.0, 32.0]), []
    monkeypatch.setattr(datasets, "measure_process", lambda script, *arguments: Cost(9.0, next(seconds), 100.0))
    monkeypatch.setattr(datasets, "write_table", lambda path, faces: tables.append(faces) or path.touch())
    run_dataset_bench(faces=8000, log=lines.append)
    assert tables == [1000, 2000, 4000, 8000]
    assert lines[:2] == [
        "1,000 faces: preprocess 9.0 s, 1.0 core-seconds, 100 MB",
        "1,000 faces: train, one epoch 9.0 s, 2.0 core-seconds, 100 MB",
    ]
    assert lines[-2:] == [
        "preprocess: from 4,000 to 8,000 faces, core-seconds grow with the power 1.00",
        "train, one epoch: from 4,000 to 8,000 faces, core-seconds grow with the power 2.00",
    ]

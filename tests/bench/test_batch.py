import pytest
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.batch.parts import Counts
from fer.batch.plan import Shard
from fer.batch.worker import PartResult
from fer.bench import batch
from fer.bench.batch import BatchSpeed, compute_speed, describe_speed, run_batch_bench, write_photos
from fer.vision.images import decode_image


def build_result(worker, begun, ended, units=8, cpu=4.0, memory=500.0):
    return PartResult(Shard("image", 0, 0, units), Counts(units=units), worker, begun, ended, cpu, memory)


def test_the_first_part_of_each_worker_is_not_timed():
    results = [
        build_result(1, 0.0, 100.0, cpu=99.0, memory=100.0),
        build_result(1, 100.0, 104.0),
        build_result(1, 104.0, 108.0, memory=520.0),
        build_result(2, 0.0, 50.0, cpu=99.0),
        build_result(2, 50.0, 52.0),
        build_result(3, 0.0, 50.0, cpu=99.0),
    ]
    assert compute_speed(results) == BatchSpeed(rate=2.0 + 4.0, core_seconds=0.5, memory=520.0)


def test_frames_of_videos_are_counted():
    counts = Counts(units=1, frames=50)
    results = [PartResult(Shard("video", n, 0, 1), counts, 1, 2.0 * n, 2.0 * n + 2.0, 1.0, None) for n in range(3)]
    assert compute_speed(results) == BatchSpeed(rate=25.0, core_seconds=0.02, memory=None)


def test_a_line_has_all_figures():
    line = describe_speed("local", 2, BatchSpeed(6.0, 0.25, 512.0))
    assert line == "local, 2 workers: 6.00 images/s, 0.250 core-seconds per image, 512 MB per worker"


def test_photos_are_the_same_each_time(tmp_path):
    first, second = (write_photos(tmp_path / name, 2) for name in ("a", "b"))
    assert [path.read_bytes() for path in sorted(first.iterdir())] == [
        path.read_bytes() for path in sorted(second.iterdir())
    ]
    assert decode_image(first / "0000.jpg").shape == (*batch.PHOTO_SIZE, 3)


def test_the_bench_compares_workers_with_predict(monkeypatch):
    pytest.importorskip("pyarrow", reason="parts are written with pyarrow")
    monkeypatch.setattr(batch, "measure_predict", lambda photos, environment: 1.0 if environment else 2.0)
    monkeypatch.setattr(batch, "find_spec", lambda name: None)
    monkeypatch.setattr(batch, "measure_videos", lambda frames: f"videos of {frames}")
    analyzer = Analyzer(StubClassifier(), StubDetector([]))

    def run(photos, out, *, workers, on_part, **options):
        assert len(list(analyzer.analyze_images(photos.iterdir()))) == 16
        for number in range(4):
            on_part(build_result(number % workers, number, number + 1.0))

    monkeypatch.setattr(batch, "run_batch", run)
    lines = []
    run_batch_bench(images=16, frames=5, log=lines.append)
    assert lines[1] == "predict: 2.00 images/s"
    assert lines[2] == "predict with one thread: 1.00 images/s"
    assert lines[3].startswith("local, 1 worker: 8.00 images/s, 0.500 core-seconds")
    assert lines[4].startswith("local, 2 workers: 16.00 images/s")
    assert lines[5].startswith("local: two workers by one 2.00 (goal: at least 1.8), by core-seconds")
    assert "2.00; one worker by predict with one thread 8.00" in lines[5]
    assert lines[6].startswith("ray: not installed")
    assert lines[7:] == ["videos of 5"]

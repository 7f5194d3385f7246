import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from export_runs import TWO_HEADS, make_dataset, make_run

from fer.config import read_json
from fer.errors import SettingsError
from fer.export import export_run, exporting
from fer.files import compute_digest
from fer.inference import Classifier
from fer.runs import Run, dump_calibrations, name_card

ROOT = Path(__file__).parents[2]

needs_onnx = pytest.mark.skipif(find_spec("onnx") is None, reason="needs pip install 'fer-dl[export]'")


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", TWO_HEADS, joint=True)


@needs_onnx
def test_an_export_has_a_card_and_is_used(run):
    dataset = make_dataset()
    lines = []
    (card,) = export_run(run, dataset, log=lines.append)
    assert card == json.loads(name_card(run.onnx).read_text())
    assert (card["format"], card["precision"], card["run"]) == ("onnx", "float32", "run")
    assert card["sha256"] == compute_digest(run.onnx)
    assert card["model_sha256"] == compute_digest(run.model)
    assert card["input"]["shape"] == ["N", 48, 48, 1]
    assert card["classes"][0] == "angry"
    assert card["uncertain_below"] == 0.4
    validation = dataset.part("validation")
    assert card["parity"]["n"] == card["parity"]["equal_labels"] == len(validation.faces)
    assert card["parity"]["largest_difference"] < 1e-5
    expected = Classifier.load(run.folder, runtime="keras").predict(validation.faces)
    assert card["parity"]["accuracy"] == (expected.argmax(axis=1) == validation.labels).mean()
    assert f"{len(validation.faces)} of {len(validation.faces)} labels equal" in lines[0]
    assert Classifier.load(run.folder).runtime.name == "ONNX Runtime"


@needs_onnx
@pytest.mark.filterwarnings("ignore")
def test_int8_has_its_own_file_and_card(run, tmp_path):
    cards = export_run(run, make_dataset(), int8=True, out=tmp_path / "out", log=lambda line: None)
    assert [card["file"] for card in cards] == ["model.onnx", "model.int8.onnx"]
    assert cards[1]["precision"] == "int8"
    assert 1e-6 < cards[1]["parity"]["largest_difference"] < 0.2
    assert not run.onnx.exists()
    faces = make_dataset().faces[:5]
    rough, exact = (Classifier.load(tmp_path / "out" / card["file"]).predict(faces) for card in cards)
    assert 1e-6 < np.abs(rough - exact).max() < 0.2


@needs_onnx
@pytest.mark.filterwarnings("ignore")
def test_int8_without_training_faces_is_refused(run):
    with pytest.raises(SettingsError, match="training faces"):
        export_run(run, make_dataset().part("validation"), int8=True)


def test_an_unknown_format_is_refused(run):
    with pytest.raises(SettingsError, match="--format is one of onnx, litert, openvino"):
        export_run(run, make_dataset(), "tflite")


@pytest.mark.parametrize(
    ("format", "package"), [("onnx", "onnx"), ("litert", "tensorflow-cpu"), ("openvino", "openvino")]
)
def test_missing_packages_are_named_with_the_command_that_installs_them(run, monkeypatch, format, package):
    monkeypatch.setattr(exporting, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=f"pip install .*{package}"):
        export_run(run, make_dataset(), format)
    assert not run.onnx.exists()


def test_openvino_has_no_int8_of_its_own(run, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda name: name)
    with pytest.raises(SettingsError, match="--int8 is for onnx and litert"):
        export_run(run, make_dataset(), "openvino", int8=True)


@pytest.mark.parametrize("name", ["xception", "mini"])
def test_shipped_exports_are_those_of_the_shipped_networks(name):
    run = Run(ROOT / "artifacts" / name)
    card = read_json(name_card(run.onnx))
    assert card["sha256"] == compute_digest(run.onnx)
    assert card["model_sha256"] == compute_digest(run.model)
    assert card["parity"]["largest_difference"] < 1e-5
    assert card["parity"]["equal_labels"] == card["parity"]["n"] == 3589
    default = read_json(run.metrics)["default"]["validation"]
    assert card["parity"]["accuracy"] == pytest.approx(default["accuracy"], abs=5e-4)


@pytest.mark.parametrize("name", ["xception", "mini"])
def test_shipped_exports_hold_the_calibration_of_their_runs(name):
    from fer.model.onnx_runtime import OnnxRuntime, open_session

    run = Run(ROOT / "artifacts" / name)
    stored = dump_calibrations(run.read_calibrations(), run.read_joint_calibration())
    assert OnnxRuntime(run.onnx).calibrations == json.loads(json.dumps(stored))
    faces = make_dataset().faces[:8]
    (inside,) = open_session(run.onnx).run(["probabilities"], {"faces": faces.astype(np.float32)[..., None]})
    np.testing.assert_allclose(inside, Classifier.load(run.folder).predict(faces), atol=1e-5)

"""The same network in ONNX Runtime and in Keras, and the choice between them."""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fer
from fer.errors import ModelError, SettingsError
from fer.model import onnx_runtime, runtimes
from fer.model.onnx_runtime import OnnxRuntime
from fer.runs import Run, name_card

ROOT = Path(__file__).parents[2]
SHIPPED = [ROOT / "artifacts" / name for name in ("xception", "mini")]


def make_faces(num_faces, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_faces, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module", params=SHIPPED, ids=lambda folder: folder.name)
def pair(request):
    """A shipped network in ONNX Runtime and in Keras."""
    return [fer.Classifier.load(request.param, runtime=name) for name in ("onnx", "keras")]


@pytest.fixture
def run(tmp_path):
    """A copy of the small shipped run."""
    return Run(shutil.copytree(SHIPPED[1], tmp_path / "run"))


@pytest.mark.parametrize("num_faces", [1, 17])
def test_both_runtimes_give_the_same_probabilities(pair, num_faces):
    faces = make_faces(num_faces)
    for answers in (lambda c: c.predict(faces, flip=True), lambda c: c.with_head("votes").predict(faces)):
        received, expected = (answers(classifier) for classifier in pair)
        assert received.shape == (num_faces, 7)
        np.testing.assert_allclose(received, expected, atol=1e-5)


def test_both_runtimes_give_the_same_heads_and_maps(pair):
    faces = make_faces(5)
    np.testing.assert_allclose(pair[0].predict_heads(faces), pair[1].predict_heads(faces), atol=1e-5)
    np.testing.assert_allclose(pair[0].explain(faces, 3), pair[1].explain(faces, 3), atol=1e-3)


def test_both_runtimes_know_the_same_of_the_network(pair):
    assert len({(classifier.num_params, classifier.heads, classifier.head) for classifier in pair}) == 1
    assert "ONNX Runtime" in repr(pair[0])
    assert "Keras on jax" in repr(pair[1])


def test_onnx_runtime_sends_no_statistics(tmp_path):
    """Its versions from 1.30 on do, and leave a file about it in the temporary folder."""
    script = (
        "import os, fer, numpy as np; fer.Classifier.load(runtime='onnx').predict(np.zeros((1, 48, 48), np.uint8));"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], os.listdir(os.environ['TMPDIR']))"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[0] == "1 []"


def test_no_faces_give_no_rows(pair):
    assert pair[0].predict(make_faces(0)).shape == (0, 7)
    assert pair[0].explain(make_faces(0)).shape == (0, 48, 48)


def test_the_keras_network_is_not_there_in_onnx_runtime(pair):
    assert pair[1].model.name
    with pytest.raises(ModelError, match="runtime='keras'"):
        _ = pair[0].model


def choose(run, **options):
    return fer.Classifier.load(run.folder, **options).runtime.name


def test_onnx_runtime_is_chosen_if_the_run_has_an_export(run):
    assert choose(run) == "ONNX Runtime"
    run.onnx.unlink()
    assert choose(run) == "Keras on jax"


def test_an_export_alone_is_enough(run):
    run.model.unlink()
    assert choose(run) == "ONNX Runtime"


def test_another_backend_of_keras_is_not_passed_over(run, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert not runtimes._prefers_onnx(run)


def test_without_onnx_runtime_keras_runs_the_network(run, monkeypatch):
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    assert choose(run) == "Keras on jax"
    with pytest.raises(ModelError, match="pip install onnxruntime"):
        choose(run, runtime="onnx")


def test_the_environment_selects_a_runtime(run, monkeypatch):
    monkeypatch.setenv("FER_RUNTIME", "keras")
    assert choose(run) == "Keras on jax"
    assert choose(run, runtime="onnx") == "ONNX Runtime"
    monkeypatch.setenv("FER_RUNTIME", "fast")
    with pytest.raises(SettingsError, match="FER_RUNTIME is one of auto, onnx, keras"):
        choose(run)


def test_an_unknown_runtime_is_refused(run):
    with pytest.raises(SettingsError, match="runtime is one of"):
        choose(run, runtime="torch")


def test_an_export_of_other_weights_is_not_used(run):
    card = json.loads(name_card(run.onnx).read_text())
    name_card(run.onnx).write_text(json.dumps(card | {"model_sha256": "0" * 64}))
    with pytest.warns(UserWarning, match="exported from other weights"):
        assert choose(run) == "Keras on jax"
    with pytest.raises(ModelError, match="other weights"):
        choose(run, runtime="onnx")


def test_a_run_without_an_export_names_the_task_that_makes_one(run):
    run.onnx.unlink()
    with pytest.raises(ModelError, match="invoke export --run"):
        choose(run, runtime="onnx")


def test_a_changed_export_is_refused(run):
    run.onnx.write_bytes(run.onnx.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="digest in its card"):
        choose(run)


@pytest.mark.parametrize("content", [b"", b"not a graph"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"whole \.onnx file") as caught:
        fer.Classifier.load(tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match="missing"):
        fer.Classifier.load(tmp_path / "model.onnx")


def test_a_network_of_another_package_is_refused():
    from fer.vision.yunet import find_yunet_file

    with pytest.raises(ModelError, match="'faces'"):
        OnnxRuntime(find_yunet_file())


def test_a_file_alone_has_its_calibration_inside(run, tmp_path):
    alone = shutil.copy(run.onnx, tmp_path / "alone.onnx")
    faces = make_faces(4)
    received, expected = fer.Classifier.load(alone), fer.Classifier.load(run.folder)
    np.testing.assert_array_equal(received.predict(faces), expected.predict(faces))
    assert received.calibration == expected.calibration


def run_python(script, **environment):
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "FER_RUNTIME")}
    command = [sys.executable, "-W", "ignore", "-c", script]
    result = subprocess.run(command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_a_photo_is_answered_without_keras_and_jax():
    script = (
        "import sys, fer, skimage.data; print(fer.Analyzer().analyze(skimage.data.astronaut())[0].label,"
        " *sorted({'keras', 'jax', 'sklearn', 'pandas', 'scipy.optimize'} & set(sys.modules)))"
    )
    assert run_python(script) == ["happy"]
    assert run_python(script, FER_RUNTIME="keras")[:3] == ["happy", "jax", "keras"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_answers_and_ends():
    script = """
import multiprocessing, numpy as np, fer
classifier = fer.Classifier.load(runtime="onnx")
faces = np.random.default_rng(0).integers(0, 256, (40, 48, 48), dtype=np.uint8)
expected = classifier.predict(faces)
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=lambda: queue.put(np.abs(classifier.predict(faces) - expected).max()))
process.start()
print(queue.get(timeout=60) < 1e-6)
process.join(60)
print(process.exitcode)
"""
    assert run_python(script) == ["True", "0"]


@pytest.mark.parametrize("copy_object", [copy.deepcopy, lambda classifier: pickle.loads(pickle.dumps(classifier))])
def test_a_used_classifier_can_be_copied_and_pickled(pair, copy_object):
    faces = make_faces(3)
    for classifier in (classifier.with_prior("dataset") for classifier in pair):
        copied = copy_object(classifier)
        np.testing.assert_array_equal(copied.predict(faces), classifier.predict(faces))
        assert (copied.folder, copied.prior, repr(copied)) == (classifier.folder, "dataset", repr(classifier))


def test_a_pickled_classifier_is_read_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(SHIPPED[1])
    content = pickle.dumps(OnnxRuntime(Path("model.onnx")))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(content).num_heads == 2


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the file system has no such names")
def test_a_network_below_a_name_that_is_not_utf_8_is_read(run, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/l\xfct.ONNX"))
    shutil.copy(run.onnx, path)
    assert OnnxRuntime(path).num_heads == 2
    assert fer.Classifier.load(path).runtime.name == "ONNX Runtime"


@pytest.mark.parametrize("path", ["", "x" * 5000, "x" * 5000 + ".onnx"])
def test_a_path_that_cannot_exist_is_one_line(path):
    with pytest.raises(ModelError, match="must exist") as caught:
        fer.Classifier.load(path)
    assert str(caught.value).isprintable()


def test_omp_num_threads_limits_the_threads_of_a_call(monkeypatch):
    sizes = []

    class Recorder(onnx_runtime.ThreadPoolExecutor):
        def __init__(self, size):
            sizes.append(size)
            super().__init__(size)

    monkeypatch.setattr(onnx_runtime, "ThreadPoolExecutor", Recorder)
    runtime = OnnxRuntime(SHIPPED[1] / "model.onnx")
    for threads in ("1", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        runtime.predict_heads(make_faces(64))
    assert sizes == [1, 3]

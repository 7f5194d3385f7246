import keras
import numpy as np
import pytest
from export_runs import TWO_HEADS, make_run

from fer.calibration import Calibration
from fer.errors import ModelError
from fer.inference import Classifier

onnx = pytest.importorskip("onnx", reason="needs pip install 'fer-dl[export]'")

from fer.export.answer import build_answer  # noqa: E402
from fer.export.graph import build_graph, list_exact_nodes  # noqa: E402
from fer.export.onnx_file import write_onnx  # noqa: E402
from fer.model.onnx_runtime import open_session  # noqa: E402

POOLED = (
    'model.stages=[{"filters": [8, 16], "downsample": "pool", "identity_blocks": 1, "convolutions": 1}]',
    "model.pool_size=3",
    "model.exit_filters=[24, 32]",
)
OFFSETS = Calibration(offsets=(0.1, 0.0, -0.1, 0.2, 0.0, 0.0, -0.2), temperature=1.6)


def make_faces(num_faces, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_faces, 48, 48), dtype=np.uint8)


def run_file(path, faces):
    session = open_session(path)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"faces": faces.astype(np.float32)[..., None]}), strict=True))


@pytest.mark.parametrize(
    ("overrides", "options"),
    [
        ((), {}),
        ((), {"calibration": OFFSETS}),
        ((TWO_HEADS,), {}),
        ((TWO_HEADS,), {"joint": True}),
        (POOLED, {"joint": True}),
        (('model.convolution="plain"', "model.squeeze_ratio=4"), {}),
        (("model.contrast_normalization=true",), {}),
    ],
    ids=["one head", "offsets", "votes alone", "joint", "max pooling", "plain convolutions", "contrast"],
)
def test_each_output_equals_the_classifier_for_any_number_of_faces(tmp_path, overrides, options):
    run = make_run(tmp_path / "run", *overrides, **options)
    classifier = Classifier.load(run.folder, runtime="keras")
    write_onnx(run, classifier, run.onnx)
    for count in (1, 9):
        faces = make_faces(count)
        outputs = run_file(run.onnx, faces)
        np.testing.assert_allclose(outputs["probabilities"], classifier.predict(faces), atol=1e-5)
        np.testing.assert_allclose(outputs["heads"], classifier.predict_heads(faces), atol=1e-5)
        expected = classifier.runtime.compute_evidence(faces)
        np.testing.assert_allclose(outputs["evidence"], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("prior", ["dataset", (1, 1, 1, 2, 1, 1, 8)])
def test_the_file_gives_the_answer_of_the_classifier_that_it_was_made_of(tmp_path, prior):
    run, faces = make_run(tmp_path / "run", TWO_HEADS, joint=True), make_faces(6)
    classifier = Classifier.load(run.folder, runtime="keras", prior=prior)
    write_onnx(run, classifier, run.onnx)
    np.testing.assert_allclose(run_file(run.onnx, faces)["probabilities"], classifier.predict(faces), atol=1e-5)
    other = classifier.with_prior("balanced").predict(faces)
    assert np.abs(run_file(run.onnx, faces)["probabilities"] - other).max() > 1e-3


def test_no_batch_normalisation_is_left_and_the_answer_is_exact(tmp_path):
    run = make_run(tmp_path / "run", TWO_HEADS, joint=True)
    classifier = Classifier.load(run.folder, runtime="keras")
    write_onnx(run, classifier, run.onnx)
    model = onnx.load(run.onnx)
    operators = {node.name: node.op_type for node in model.graph.node}
    assert "BatchNormalization" not in operators.values()
    exact = list_exact_nodes(model)
    assert {"logits", "heads", "probabilities", "evidence_maps"} <= set(exact)
    assert "features" not in exact


def test_a_layer_of_another_kind_is_refused(tmp_path):
    run = make_run(tmp_path / "run")
    inputs = keras.Input((48, 48, 1))
    outputs = keras.layers.Dense(7, activation="softmax")(keras.layers.Flatten()(keras.layers.LeakyReLU()(inputs)))
    answer = build_answer(Classifier.load(run.folder, runtime="keras"))
    with pytest.raises(ModelError, match="of the kind LeakyReLU"):
        build_graph(keras.Model(inputs, outputs), answer, {})

"""Export of the shipped network to ONNX, as in docs/model.md; needs the extra ``export``."""

from pathlib import Path

import keras
import numpy as np
import pytest

from fer.data import draw_sample

pytest.importorskip("jax2onnx", reason="needs pip install 'fer-dl[export]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'fer-dl[export]'")


@pytest.mark.filterwarnings("ignore")
def test_onnx_equals_keras_for_any_batch_size(tmp_path):
    path = Path(__file__).parents[2] / "artifacts" / "xception" / "model.keras"
    model = keras.saving.load_model(path, compile=False)
    faces = draw_sample(140).faces[:9].astype(np.float32)[..., None]
    expected = np.asarray(model(faces))
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for count in (1, 9):
        np.testing.assert_allclose(session.run(None, {name: faces[:count]})[0], expected[:count], atol=1e-5)

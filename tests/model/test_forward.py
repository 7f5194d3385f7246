import threading

import keras
import numpy as np
import pytest

from fer.config import load_config
from fer.model.forward import compile_forward, compile_heads
from fer.model.xception import build_xception


def make_faces(num_faces, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_faces, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    return build_xception(load_config("sample").model, seed=3)


def test_a_compiled_network_equals_keras_prediction(model):
    faces = make_faces(8).astype(np.float32)[..., None]
    np.testing.assert_allclose(compile_forward(model)(faces), model.predict(faces, verbose=0), atol=1e-5)


def test_a_compiled_network_reads_its_weights_at_each_call():
    model = build_xception(load_config("sample").model, seed=3)
    forward, faces = compile_forward(model), make_faces(8).astype(np.float32)[..., None]
    before = forward(faces)
    model.set_weights(build_xception(load_config("sample").model, seed=4).get_weights())
    assert np.abs(forward(faces) - before).max() > 1e-3


@pytest.mark.parametrize("heads", ['["labels"]', '["labels","votes"]'])
def test_compiled_heads_have_an_axis_of_heads(heads):
    config = load_config("sample", overrides=[f"model.heads={heads}"])
    probabilities = compile_heads(build_xception(config.model))(np.zeros((4, 48, 48, 1), np.float32))
    assert probabilities.shape == (4, len(config.model.heads), 7)


def test_without_jax_the_prediction_of_keras_is_used(model, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    faces = make_faces(2).astype(np.float32)[..., None]
    np.testing.assert_allclose(compile_forward(model)(faces), model.predict(faces, verbose=0), atol=1e-5)


def test_without_jax_one_thread_predicts_at_a_time(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    running, most = threading.Semaphore(1), []

    class Model:
        def predict_on_batch(self, faces):
            most.append(running.acquire(blocking=False))
            threading.Event().wait(0.02)
            running.release()
            return faces

    forward = compile_forward(Model())
    threads = [threading.Thread(target=forward, args=(np.zeros(1),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [True] * 5

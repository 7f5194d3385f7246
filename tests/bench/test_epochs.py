import keras
import pytest
from training_runs import make_config

from fer.bench import epochs
from fer.data import draw_sample
from fer.errors import SettingsError
from fer.model.layers import uses

needs_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="the programs are written for JAX")


@pytest.fixture
def dataset():
    return draw_sample(140, seed=1)


@needs_jax
def test_an_epoch_is_timed_with_the_techniques_of_the_step(dataset, monkeypatch):
    seen = []
    train = epochs.train

    def watch(*arguments, **options):
        seen.append([name for name in ("depthwise", "pointwise", "pooling") if uses(name)])
        return train(*arguments, **options)

    monkeypatch.setattr(epochs, "train", watch)
    config = make_config(engine="device", phases=[{"name": "main", "epochs": 2, "learning_rate": 0.001}])
    assert epochs.time_epoch(dataset, config, ("pointwise",)) > 0
    assert seen == [["pointwise"]]
    assert uses("depthwise")


@needs_jax
def test_without_a_gpu_the_bench_is_refused():
    with pytest.raises(SettingsError, match="needs JAX with a GPU"):
        epochs.run_epoch_bench()


def test_each_step_adds_its_settings_to_those_before(monkeypatch, dataset):
    timed = []
    monkeypatch.setattr(epochs, "_check_gpu", lambda: None)
    monkeypatch.setattr(epochs, "load_dataset", lambda name: dataset)

    def time_epoch(_, config, techniques):
        timed.append((config.training.engine, config.training.batch_size, config.training.dtype_policy, techniques))
        return 1.25

    monkeypatch.setattr(epochs, "time_epoch", time_epoch)
    lines = []
    epochs.run_epoch_bench(log=lines.append)
    assert timed == [
        ("host", 128, "float32", ()),
        ("device", 128, "float32", ()),
        ("device", 512, "float32", ()),
        ("device", 512, "mixed_bfloat16", ()),
        ("device", 512, "mixed_bfloat16", ("pointwise",)),
    ]
    assert lines[0] == "batches of 128 from the host: 1.250 s per epoch of 'teacher'"

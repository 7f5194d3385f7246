import os
import subprocess
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from training_runs import PHASES, make_config

from fer.data import save_dataset
from fer.errors import SettingsError
from fer.runs import Run
from fer.training import train
from fer.training.devices import choose_dtype_policy, use_all_devices, use_dtype_policy

ROOT = Path(__file__).parents[2]
needs_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="keras.distribution needs JAX")


def test_layers_are_built_under_the_policy():
    with use_dtype_policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.layers.Dense(1).compute_dtype == "float32"


def test_the_policy_is_restored_after_an_error():
    with pytest.raises(ZeroDivisionError), use_dtype_policy("mixed_bfloat16"):
        _ = 1 / 0
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("backend", "device", "expected"),
    [("jax", "gpu", "mixed_bfloat16"), ("jax", "cpu", "float32"), ("torch", "gpu", "float32")],
)
def test_auto_takes_bfloat16_on_a_gpu(monkeypatch, backend, device, expected):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(default_backend=lambda: device))
    assert choose_dtype_policy("auto") == expected
    assert choose_dtype_policy("mixed_bfloat16") == "mixed_bfloat16"


def test_a_run_may_leave_the_precision_to_the_device(dataset, tmp_path):
    run = train(dataset, make_config(phases=[PHASES[0]], dtype_policy="auto"), tmp_path / "run", progress=False)
    assert np.isfinite(run.history["train_loss"]).all()
    assert Run(run.folder).read_config().training.dtype_policy == "auto"


def test_one_device_needs_no_distribution(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0"])
    with use_all_devices(15):
        assert keras.distribution.distribution() is None


@needs_jax
@pytest.mark.parametrize(("batch_size", "remedy"), [(15, 14), (1, 2)])
def test_a_batch_that_cannot_be_split_evenly_is_refused(monkeypatch, batch_size, remedy):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["cpu:0", "cpu:1"])
    with (
        pytest.raises(SettingsError, match=rf"devices \(2\).*batch_size={remedy}\."),
        use_all_devices(batch_size),
    ):
        pass


@needs_jax
def test_two_devices_train_like_one(finished, dataset, tmp_path):
    data = save_dataset(dataset, tmp_path)
    (tmp_path / "config.json").write_text(make_config().to_json())
    script = (
        "import sys, jax, keras; from fer.config import parse_config, read_json; from fer.data import load_dataset;"
        "from fer.training import train; assert len(jax.devices()) == 2;"
        "train(load_dataset(sys.argv[1]), parse_config(read_json(sys.argv[2])), sys.argv[3], progress=False);"
        "assert keras.distribution.distribution() is None"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", script, str(data), str(tmp_path / "config.json"), str(tmp_path / "two")]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    one, two = (pd.read_csv(folder / "history.csv") for folder in (finished.folder, tmp_path / "two"))
    np.testing.assert_allclose(two["train_loss"], one["train_loss"], rtol=2e-2)
    assert Run(tmp_path / "two").read_calibrations()["labels"].temperature > 0

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from fer import Classifier
from fer.config import load_config
from fer.data import draw_sample
from fer.errors import DataError, ModelError, SettingsError
from fer.files import compute_digest
from fer.model.saved import load_model, save_model
from fer.runs import Run
from fer.training import average


@pytest.fixture
def runs(finished, tmp_path):
    """Two runs of one architecture with different weights."""
    first, second = (Run(shutil.copytree(finished.folder, tmp_path / name)) for name in ("first", "second"))
    model = load_model(second.model)
    model.set_weights([weights * np.float32(1.1) for weights in model.get_weights()])
    save_model(model, second.model)
    second.history.write_text("epoch\n7\n")
    return [first, second]


def test_the_weights_are_the_mean(dataset, runs, tmp_path):
    average(dataset, runs, tmp_path / "mean")
    first, second, mean = (
        load_model(Run(folder).model).get_weights() for folder in [*_folders(runs), tmp_path / "mean"]
    )
    assert len(mean) == len(first)
    for one, two, both in zip(first, second, mean, strict=True):
        np.testing.assert_allclose(both, (one.astype(np.float64) + two) / 2, rtol=1e-6)


def test_the_mean_is_a_run_with_its_own_calibration(dataset, runs, tmp_path):
    average(dataset, runs, tmp_path / "mean")
    run = Run(tmp_path / "mean")
    probabilities = Classifier.load(run.folder, runtime="keras").predict(dataset.part("validation").faces)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert run.read_joint_calibration() is not None
    assert run.read_calibrations() != runs[1].read_calibrations()
    assert run.read_config() == runs[1].read_config()
    assert run.history.read_text() == "epoch\n7\n"
    provenance = run.read_provenance()
    assert provenance["data_sha256"] == dataset.fingerprint
    assert provenance["averaged_runs"] == {run.reference: compute_digest(run.model) for run in runs}


def test_the_calibration_of_a_run_fine_tuned_on_few_faces_is_kept(dataset, runs, tmp_path):
    assert dataset.is_in("validation").sum() < 100
    runs[1].write_config(load_config("sample", overrides=["training.initial_run=xception"]))
    average(dataset, runs, tmp_path / "mean")
    assert Run(tmp_path / "mean").calibration.read_bytes() == runs[1].calibration.read_bytes()


def test_the_figures_are_those_of_each_network_on_validation(dataset, runs, tmp_path):
    figures = average(dataset, runs, tmp_path / "mean")
    assert list(figures) == [str(folder) for folder in [*_folders(runs), tmp_path / "mean"]]
    part = dataset.part("validation")
    for name, row in figures.items():
        head = Classifier.load(name, runtime="keras").predict_heads(part.faces)[:, 0]
        assert row["validation_accuracy"] == pytest.approx((head.argmax(axis=1) == part.labels).mean())


def test_one_network_is_refused(dataset, runs, tmp_path):
    for chosen in (runs[:1], [runs[0], runs[0]], []):
        with pytest.raises(SettingsError, match="At least two different networks"):
            average(dataset, chosen, tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_other_architectures_are_named(dataset, runs, tmp_path):
    runs[1].write_config(load_config("sample", overrides=["model.squeeze_ratio=2"]))
    with pytest.raises(SettingsError, match=r"differ in model\.squeeze_ratio"):
        average(dataset, runs, tmp_path / "mean")


def test_dropout_is_no_difference(dataset, runs, tmp_path):
    config = runs[1].read_config()
    runs[1].write_config(config.model_copy(update={"model": config.model.model_copy(update={"dropout": 0.4})}))
    average(dataset, runs, tmp_path / "mean")


def test_an_unfinished_run_is_refused(dataset, runs, tmp_path):
    with pytest.raises(ModelError, match="Only finished runs"):
        average(dataset, [*runs, Run(tmp_path / "missing")], tmp_path / "mean")


def test_runs_of_other_data_are_refused(runs, tmp_path):
    with pytest.raises(DataError, match="averaged with the data set it began with"):
        average(draw_sample(140, seed=2), runs, tmp_path / "mean")


def test_a_run_is_replaced_only_with_overwrite(dataset, runs, finished, tmp_path):
    target = Run(shutil.copytree(finished.folder, tmp_path / "mean"))
    before = target.model.read_bytes()
    with pytest.raises(ModelError, match="--overwrite"):
        average(dataset, runs, target.folder)
    assert target.model.read_bytes() == before
    average(dataset, runs, target.folder, overwrite=True)
    assert target.model.read_bytes() != before
    assert not target.replaced.exists()


def test_a_run_is_not_replaced_by_a_mean_of_itself(dataset, runs):
    before = runs[0].model.read_bytes()
    with pytest.raises(ModelError, match="must not replace"):
        average(dataset, runs, runs[0].folder, overwrite=True)
    assert runs[0].model.read_bytes() == before


def test_a_failure_while_writing_brings_the_replaced_run_back(dataset, runs, finished, tmp_path, monkeypatch):
    target = Run(shutil.copytree(finished.folder, tmp_path / "mean"))
    before = target.model.read_bytes()

    def fail(model: keras.Model, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fer.training.averaging.save_model", fail)
    with pytest.raises(OSError, match="No space"):
        average(dataset, runs, target.folder, overwrite=True)
    assert target.model.read_bytes() == before
    assert target.read_config() == Run(finished.folder).read_config()


def _folders(runs):
    return [run.folder for run in runs]

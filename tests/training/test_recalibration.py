import shutil

import pytest
from training_runs import ONE_EPOCH

from fer.config import load_config
from fer.data import draw_sample
from fer.errors import DataError, ModelError
from fer.joint import OperatingPoint
from fer.runs import Run
from fer.training import recalibrate


def test_recalibration_restores_the_calibration_of_the_training(dataset, finished, tmp_path):
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    run.calibration.unlink()
    recalibrate(dataset, run.folder)
    trained = Run(finished.folder)
    assert run.read_calibrations() == trained.read_calibrations()
    restored, expected = run.read_joint_calibration(), trained.read_joint_calibration()
    assert restored.class_shares == expected.class_shares
    assert restored.balanced.temperature == pytest.approx(expected.balanced.temperature, rel=1e-3)


def test_recalibration_leaves_the_network_as_it_is(dataset, finished, tmp_path):
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    recalibrate(dataset, run.folder)
    assert run.model.read_bytes() == Run(finished.folder).model.read_bytes()


def test_an_unfinished_run_is_refused(dataset, tmp_path):
    with pytest.raises(ModelError, match="invoke train"):
        recalibrate(dataset, tmp_path)


def test_a_run_is_not_recalibrated_with_other_data(finished, tmp_path):
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    before = run.calibration.read_bytes()
    with pytest.raises(DataError, match="the data set it began with"):
        recalibrate(draw_sample(140, seed=2), run.folder)
    assert run.calibration.read_bytes() == before


@pytest.fixture
def tuned(dataset, finished, tmp_path):
    """A run that records an initial run, and has another calibration than its validation faces give."""
    run = Run(shutil.copytree(finished.folder, tmp_path / "tuned"))
    run.write_config(load_config("sample", overrides=["training.initial_run=xception", ONE_EPOCH]))
    joint = run.read_joint_calibration()
    run.write_calibrations({}, joint.model_copy(update={"balanced": OperatingPoint(temperature=1.7)}))
    return run


def test_the_kept_calibration_of_a_run_fine_tuned_on_few_faces_is_not_replaced(dataset, tuned):
    assert dataset.is_in("validation").sum() < 100
    before = tuned.calibration.read_bytes()
    with pytest.raises(ModelError, match="recalibrate xception") as caught:
        recalibrate(dataset, tuned.folder)
    assert "\n" not in str(caught.value)
    assert tuned.calibration.read_bytes() == before


def test_a_fine_tuned_run_without_a_calibration_of_all_heads_gets_one(dataset, tuned):
    tuned.calibration.unlink()
    recalibrate(dataset, tuned.folder)
    assert tuned.read_joint_calibration() is not None


def test_a_run_fine_tuned_on_enough_faces_is_recalibrated(dataset, tuned, monkeypatch):
    monkeypatch.setattr("fer.training.finetuning.MIN_CALIBRATION_FACES", 10)
    recalibrate(dataset, tuned.folder)
    assert tuned.read_joint_calibration().balanced.temperature != 1.7

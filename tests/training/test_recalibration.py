import shutil

import pytest

from fer.errors import ModelError
<<<<<<< HEAD
from fer.files import compute_digest
=======
>>>>>>> wt-tests
from fer.runs import Run
from fer.training import recalibrate


<<<<<<< HEAD
@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run, without its calibration."""
    run = Run(shutil.copytree(finished.folder, tmp_path / "run"))
    run.calibration.unlink()
    return run


def test_recalibrating_arrives_at_the_calibration_of_the_training(run, finished, dataset):
    recalibrate(dataset, run.folder)
    expected = Run(finished.folder)
    (calibration,), (expected_calibration,) = (folder.read_calibrations().values() for folder in (run, expected))
    for name in ("smoothing", "temperature", "uncertain_below", "coverage"):
        assert getattr(calibration, name) == pytest.approx(getattr(expected_calibration, name), abs=1e-3), name
    joint, expected_joint = run.read_joint_calibration(), expected.read_joint_calibration()
    assert joint.class_shares == expected_joint.class_shares
    assert joint.balanced.temperature == pytest.approx(expected_joint.balanced.temperature, abs=1e-3)
    assert joint.dataset.uncertain_below == pytest.approx(expected_joint.dataset.uncertain_below, abs=1e-3)


def test_recalibrating_leaves_the_network_as_it_is(run, dataset):
    before = compute_digest(run.model)
    recalibrate(dataset, run.folder)
    assert compute_digest(run.model) == before


def test_an_unfinished_run_is_not_recalibrated(run, dataset):
    run.model.unlink()
    with pytest.raises(ModelError, match="missing"):
        recalibrate(dataset, run.folder)
    assert not run.calibration.exists()
=======
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
>>>>>>> wt-tests

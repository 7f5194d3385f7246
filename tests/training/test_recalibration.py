import shutil

import pytest

from fer.errors import ModelError
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

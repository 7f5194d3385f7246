import shutil

import pytest

from fer.data import draw_sample
from fer.errors import DataError, ModelError
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

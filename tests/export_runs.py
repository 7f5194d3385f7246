"""Untrained runs and drawn faces for the tests of fer.export."""

import numpy as np

from fer.calibration import Calibration
from fer.config import load_config
from fer.data import draw_sample
from fer.joint import JointCalibration, OperatingPoint
from fer.model.saved import save_model
from fer.model.xception import build_xception
from fer.runs import Run

TWO_HEADS = 'model.heads=["labels","votes"]'
SHARES = {"labels": (0.1, 0.02, 0.1, 0.3, 0.1, 0.1, 0.28), "votes": (0.1, 0.01, 0.03, 0.3, 0.1, 0.06, 0.4)}


def make_run(folder, *overrides, joint=False, calibration=None, seed=3):
    """A run of an untrained network whose batch normalisations change their inputs."""
    run, config = Run(folder), load_config("sample", overrides=list(overrides))
    folder.mkdir(parents=True, exist_ok=True)
    model = build_xception(config.model, seed=seed)
    rng = np.random.default_rng(seed)
    model.set_weights([value + np.abs(rng.normal(0.0, 0.05, value.shape)) for value in model.get_weights()])
    save_model(model, run.model)
    run.write_config(config)
    calibration = calibration or Calibration(smoothing=0.1, temperature=0.8)
    point = OperatingPoint(temperature=1.3, uncertain_below=0.4)
    heads = config.model.heads
    shares = {head: SHARES[head] for head in heads}
    joined = JointCalibration(class_shares=shares, balanced=point) if joint else None
    run.write_calibrations(dict.fromkeys(heads, calibration), joined)
    return run


def make_dataset(num_faces=210):
    """Drawn faces in all three splits."""
    return draw_sample(num_faces)

"""A small data set, and a run that was trained on it."""

import pytest
from training_runs import make_config

from fer.data import Dataset, draw_sample
from fer.training import TrainedRun, train


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return draw_sample(140, seed=1)


@pytest.fixture(scope="session")
def finished(dataset, tmp_path_factory) -> TrainedRun:
    return train(dataset, make_config(), tmp_path_factory.mktemp("runs") / "whole", progress=False)

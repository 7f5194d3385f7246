import numpy as np
import pytest

from fer.config import PhaseConfig
from fer.training.schedule import PhaseSchedule

PHASES = (
    PhaseConfig(name="main", epochs=10, learning_rate=1.0, warmup_epochs=2, final_learning_rate=0.2),
    PhaseConfig(name="fine", epochs=5, learning_rate=0.1, schedule="constant"),
)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 1 / 20),  # the first step of the linear rise
        (19, 1.0),
        (20, 1.0),  # the top of the cosine
        (60, 0.6),  # half way: the mean of peak and end
        (99.99, 0.2),
        (100, 0.1),  # the second phase
        (149, 0.1),
        (1000, 0.1),
    ],
)
def test_learning_rate_at_hand_worked_steps(step, rate):
    assert float(PhaseSchedule(PHASES, 10)(step)) == pytest.approx(rate, abs=1e-3)


def test_all_rates_are_above_zero_and_reach_the_peak():
    schedule = PhaseSchedule(PHASES, 7)
    rates = np.array([float(schedule(step)) for step in range(105)])
    assert (rates > 0).all()
    assert rates.max() == pytest.approx(1.0)


def test_the_configuration_rebuilds_the_phases():
    config = PhaseSchedule(PHASES, 10).get_config()
    assert tuple(PhaseConfig(**phase) for phase in config["phases"]) == PHASES
    assert config["steps_per_epoch"] == 10

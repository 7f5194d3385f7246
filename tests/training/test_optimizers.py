import keras
import numpy as np
import pytest
from training_runs import make_config

from fer.training.optimizers import build_optimizer
from fer.training.schedule import PhaseSchedule


def build(**training):
    training = make_config(**training).training
    optimizer = build_optimizer(training, PhaseSchedule(training.phases, 5))
    names = ("kernel", "bias", "gamma", "beta")
    variables = [keras.Variable(np.ones(2, np.float32), name=name) for name in names]
    optimizer.build(variables)
    return optimizer, variables


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_only_kernels_are_decayed(name):
    optimizer, (kernel, *others) = build(optimizer=name, weight_decay=0.1, ema_momentum=0.0)
    optimizer.apply([np.zeros(2, np.float32)] * 4)
    assert (keras.ops.convert_to_numpy(kernel) < 1.0).all()
    for variable in others:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), 1.0)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_without_weight_decay_nothing_is_decayed(name):
    optimizer, variables = build(optimizer=name, weight_decay=0.0, ema_momentum=0.0)
    optimizer.apply([np.zeros(2, np.float32)] * 4)
    for variable in variables:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), 1.0)


def test_sgd_uses_nesterov_momentum():
    optimizer, _ = build(optimizer="sgd")
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


@pytest.mark.parametrize(("clip", "expected"), [(0.0, None), (2.0, 2.0)])
def test_gradients_are_clipped_by_their_global_norm(clip, expected):
    optimizer, _ = build(gradient_clip=clip)
    assert optimizer.global_clipnorm == expected


@pytest.mark.parametrize(("momentum", "used"), [(0.0, False), (0.9, True)])
def test_weights_are_averaged_if_there_is_a_momentum(momentum, used):
    optimizer, _ = build(ema_momentum=momentum)
    assert optimizer.use_ema is used


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize(("step", "expected"), [(0, 0.1), (90, 0.91), (1_000_000, 0.999)])
def test_the_momentum_of_the_averages_grows_to_its_final_value(name, step, expected):
    optimizer, _ = build(optimizer=name, ema_momentum=0.999)
    optimizer.iterations.assign(step)
    assert float(optimizer.ema_momentum) == pytest.approx(expected, abs=1e-4)


def test_averages_follow_the_weights_of_a_short_training():
    optimizer, (kernel, *_) = build(ema_momentum=0.999, weight_decay=0.0, gradient_clip=0.0)
    values = []
    for _ in range(20):
        optimizer.apply([np.ones(2, np.float32)] * 4)
        values.append(keras.ops.convert_to_numpy(kernel).mean())
    optimizer.finalize_variable_values(optimizer._trainable_variables)
    average = keras.ops.convert_to_numpy(kernel).mean()
    # Nearer to the last values than to the first, from which a constant momentum of 0.999 would hardly move.
    assert abs(average - values[-1]) < abs(average - values[0])

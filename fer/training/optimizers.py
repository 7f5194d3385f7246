"""Optimisers with averaged weights that are useful from the first step on."""

from typing import Any

import keras
from keras import ops

from fer.config import TrainingConfig
from fer.training.schedule import PhaseSchedule


class _WarmUpAverages:
    """A momentum of the averaged weights that grows to its final value: min(m, (1 + t) / (10 + t)) at step t.

    With a constant momentum of 0.999 the averages are mostly initial weights for the first thousand steps, which is all
    that a short training has.

    Reference:
        TensorFlow, ``tf.train.ExponentialMovingAverage``, argument ``num_updates``.
    """

    iterations: Any

    @property
    def ema_momentum(self) -> Any:
        """Momentum at the current step."""
        step = ops.cast(self.iterations, "float32")
        return ops.minimum(self._final_momentum, (1.0 + step) / (10.0 + step))

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self._final_momentum = value


class _AdamW(_WarmUpAverages, keras.optimizers.AdamW):
    """AdamW."""


class _SGD(_WarmUpAverages, keras.optimizers.SGD):
    """SGD."""


def build_optimizer(training: TrainingConfig, schedule: PhaseSchedule) -> keras.optimizers.Optimizer:
    """Return AdamW or SGD with Nesterov momentum; biases and batch normalisation are not decayed."""
    shared: dict[str, Any] = {
        "learning_rate": schedule,
        "weight_decay": training.weight_decay,
        "global_clipnorm": training.gradient_clip or None,
        "use_ema": training.ema_momentum > 0,
        "ema_momentum": training.ema_momentum,
    }
    optimizer = _SGD(momentum=0.9, nesterov=True, **shared) if training.optimizer == "sgd" else _AdamW(**shared)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer

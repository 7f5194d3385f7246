"""Learning-rate schedule over all phases of a run."""

from typing import Any

import keras
import numpy as np
from keras import ops

from fer.config import PhaseConfig


class PhaseSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then a constant or a half cosine, phase after phase.

    Args:
        phases: the phases of the run, in order.
        steps_per_epoch: optimiser steps in an epoch.

    Reference:
        Loshchilov and Hutter, 2017, "SGDR", arXiv:1608.03983, equation 5, without restarts inside a phase.
    """

    def __init__(self, phases: tuple[PhaseConfig, ...], steps_per_epoch: int) -> None:
        self.phases = phases
        self.steps_per_epoch = steps_per_epoch

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of optimiser step number ``step`` (from 0)."""
        step = ops.cast(step, "float32")
        rate = ops.zeros_like(step)
        starts = np.cumsum([0, *(phase.epochs for phase in self.phases)]) * self.steps_per_epoch
        for phase, start in zip(self.phases, starts, strict=False):
            rate = ops.where(step >= float(start), self._rate_within(phase, step - float(start)), rate)
        return rate

    def _rate_within(self, phase: PhaseConfig, step: Any) -> Any:
        warmup = phase.warmup_epochs * self.steps_per_epoch
        remaining = max(phase.epochs * self.steps_per_epoch - warmup, 1)
        progress = ops.clip((step - warmup) / remaining, 0.0, 1.0)
        peak, final = phase.learning_rate, phase.final_learning_rate
        cosine = final + (peak - final) * 0.5 * (1.0 + ops.cos(np.pi * progress))
        rate = cosine if phase.schedule == "cosine" else peak * ops.ones_like(step)
        return ops.where(step < warmup, peak * (step + 1.0) / max(warmup, 1), rate)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments as plain values."""
        return {"phases": [phase.model_dump() for phase in self.phases], "steps_per_epoch": self.steps_per_epoch}

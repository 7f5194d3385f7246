"""Progress bar of a whole run."""

from collections.abc import Callable
from typing import Any

import keras

from fer.progress import Progress
from fer.training.schedule import PhaseSchedule

#: Steps between updates of accuracy and learning rate: reading them waits for the device.
_EVERY = 10


class ProgressBar(keras.callbacks.Callback):
    """Show steps done, time left, running accuracy and learning rate.

    Args:
        schedule: gives the learning rate of a step.
        steps_per_epoch: optimiser steps in an epoch.
        first_epoch: number of epochs done before.
        last_epoch: number of epochs of the run.
        describe: returns the line that is printed at the end of an epoch.
        shown: print the bar, and a line per epoch.
    """

    async_safe = True

    def __init__(
        self,
        schedule: PhaseSchedule,
        steps_per_epoch: int,
        first_epoch: int,
        last_epoch: int,
        *,
        describe: Callable[[], str],
        shown: bool,
    ) -> None:
        super().__init__()
        self.describe = describe
        self.schedule = schedule
        self.step = first_epoch * steps_per_epoch
        # The first step compiles the network.
        self.bar = Progress(
            total=last_epoch * steps_per_epoch, initial=self.step, disable=not shown, unit=" steps", skip_first=True
        )
        self.last_epoch = last_epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Show the number of the epoch."""
        self.bar.set_description(f"epoch {epoch + 1}/{self.last_epoch}", refresh=False)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance by one step; update accuracy and learning rate every tenth step."""
        self.step += 1
        self.bar.update()
        if self.step % _EVERY == 0 and not self.bar.disable:
            rate = float(self.schedule(self.step))
            self.bar.set_postfix_str(f"accuracy {float(logs['accuracy']):.3f}, lr {rate:.2e}", refresh=False)

    def advance(self, steps: int) -> None:
        """Advance by several steps at once."""
        self.step += steps
        self.bar.update(steps)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the line of the epoch."""
        if not self.bar.disable:
            self.bar.write(self.describe())

    def on_train_end(self, logs: Any = None) -> None:
        """Close the bar."""
        self.bar.close()

"""What can happen to one of several training processes; each function prepares it in that process."""

import os
import signal

from fer.config import load_config
from fer.errors import OutputError
from fer.training import hosts, lock, loop, trainer


def shorten_limits(seconds):
    """Wait only some seconds for a lost process, a missing one, and a file of another host."""
    hosts.START_SECONDS, hosts.HEARTBEAT_SECONDS, lock._VISIBLE_SECONDS = 1, seconds, 0.5


def send_signal_at_batch(number, count):
    """Send a signal to this process when it prepares its batch with a number."""
    take_share, batches = hosts.Hosts.take_share, []

    def take_and_signal(self, rows):
        batches.append(rows)
        if len(batches) == count:
            os.kill(os.getpid(), number)
        return take_share(self, rows)

    hosts.Hosts.take_share = take_and_signal
    shorten_limits(5)


def fill_disk_at_epoch(epoch):
    """Let the checkpoint of an epoch fail."""
    save_state = trainer.save_state

    def save(folder, state):
        if state.epoch == epoch:
            raise OutputError("An output file must be writable. Received: state (No space left on device).")
        return save_state(folder, state)

    trainer.save_state = save


def train_short_teachers():
    """Train missing teachers for one epoch."""
    phases = 'training.phases=[{"name": "main", "epochs": 1, "learning_rate": 0.002}]'
    loop.load_config = lambda preset, overrides: load_config(preset, overrides=[phases, *overrides])


def kill_now(number=signal.SIGKILL):
    os.kill(os.getpid(), number)

"""What can happen to one of several training processes; each function prepares it in that process."""

import json
import os

from fer.config import load_config
from fer.errors import OutputError
from fer.training import connection, hosts, lock, loop, trainer

#: Layers of a network that compiles fast.
SMALL = {"stem": [[8, 3, 2]], "stages": [{"filters": [8]}]}


def shorten_limits(seconds):
    """Wait only some seconds for a lost process, a missing one, and a file of another host."""
    connection.START_SECONDS, connection.HEARTBEAT_SECONDS, lock._VISIBLE_SECONDS = 1, seconds, 0.5


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
    """Train missing teachers, very small networks, for one epoch."""
    phases = [{"name": "main", "epochs": 1, "learning_rate": 0.002}]
    short = [f"model.{name}={json.dumps(value)}" for name, value in SMALL.items()]
    short.append(f"training.phases={json.dumps(phases)}")
    loop.load_config = lambda preset, overrides: load_config(preset, overrides=[*short, *overrides])

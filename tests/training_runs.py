"""Settings of short trainings on the drawn sample, and a log that prints nothing."""

from typing import Any

from fer.config import Config, load_config, parse_config

PHASES = [
    {"name": "main", "epochs": 3, "learning_rate": 0.002},
    {"name": "fine-tune", "epochs": 1, "learning_rate": 0.0002, "augmentation_strength": 0.5, "mixup": False},
]
#: One epoch, for tests that need a finished run but not its quality.
ONE_EPOCH = 'training.phases=[{"name": "main", "epochs": 1, "learning_rate": 0.002}]'
#: Two epochs in small batches, as values of ``--set``.
SHORT = ('training.phases=[{"name": "only", "epochs": 2, "learning_rate": 0.002}]', "training.batch_size=16")
#: What a training writes into its run folder.
RUN_FILES = {
    "model.keras",
    "model.keras.sha256",
    "config.json",
    "calibration.json",
    "provenance.json",
    "history.csv",
    "curves.png",
}


def make_config(**training: Any) -> Config:
    """Return settings of four epochs in two phases that use dropout, mixup, erasing and averaged weights."""
    config = load_config("sample").model_dump()
    config["training"] |= {"phases": PHASES, "batch_size": 16, "ema_momentum": 0.9} | training
    config["model"] |= {"dropout": 0.3}
    config["augmentation"] |= {"mixup": 0.2, "erasing": 0.3}
    return parse_config(config)


def ignore(line):
    """Receive a line of output."""

"""Checks and look-ups of options that several commands share."""

from collections.abc import Callable

import fer
from fer.data import Dataset, load_dataset
from fer.errors import SettingsError
from fer.runs import Run

#: Called with each line of output.
Log = Callable[[str], None]


def check_positive(flag: str, value: int | None) -> None:
    """Raise a :class:`~fer.errors.SettingsError` unless a number is at least 1 or not given."""
    if value is not None and value < 1:
        raise SettingsError(f"{flag} must be at least 1. Received: {value}.")


def load_dataset_of(run: Run, name: str | None) -> Dataset:
    """Load a prepared data set by its name, or the one that a run was trained on."""
    return load_dataset(name or run.read_config().data.name)


def load_classifier(run: str | None) -> "fer.Classifier":
    """Load the network of a run by its name, or the shipped one."""
    return fer.Classifier.load(None if run is None else Run.find_trained(run).folder)

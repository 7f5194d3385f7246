"""``provenance.json``: digests of the data set, the teachers and the initial weights that a run was trained with."""

from collections.abc import Mapping
from typing import Any

from fer.config import Config
from fer.data.dataset import Dataset
from fer.errors import DataError, ModelError
from fer.files import compute_digest
from fer.runs import Run
from fer.training.distillation import Teachers


def describe_provenance(dataset: Dataset, config: Config, teachers: Teachers | None) -> dict[str, Any]:
    """Return the content of ``provenance.json``.

    Args:
        dataset: the data set as it was prepared.
        config: gives ``training.initial_run``.
        teachers: the ensemble, if any.

    Returns:
        ``data_sha256``; ``teachers``, sha256 by path; and ``initial_run``, sha256 by name, empty without one.
    """
    name = config.training.initial_run
    model = Run.find_trained(name).model
    return {
        "data_sha256": dataset.fingerprint,
        "teachers": teachers.digests if teachers else {},
        "initial_run": {name: compute_digest(model)} if name and model.is_file() else {},
    }


def check_fingerprint(run: Run, dataset: Dataset) -> None:
    """Raise a :class:`~fer.errors.DataError` if a run records that it began with another data set."""
    expected = run.read_provenance()["data_sha256"]
    if expected not in (None, dataset.fingerprint):
        raise DataError(
            "A run must be resumed, recalibrated or averaged with the data set it began with. Received: fingerprint"
            f" {dataset.fingerprint}, expected {expected}. Remedy: prepare that data set again with"
            " `invoke preprocess`."
        )


def check_teachers(run: Run, current: Mapping[str, Any]) -> None:
    """Raise a :class:`~fer.errors.ModelError` if the teachers' files are not those that a run began with."""
    expected = run.read_provenance()["teachers"]
    if expected != current["teachers"]:
        raise ModelError(
            f"The teachers changed since this run began. Received: sha256 {current['teachers']}, expected"
            f" {expected}. Remedy: restore those files, or start a new run."
        )

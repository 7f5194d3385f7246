"""Robustness of a run: its accuracy on validation faces under corruptions of increasing severity.

The corruptions and their severities are those of :data:`fer.vision.corruptions.CORRUPTIONS`. A turned face is only of
use if it is found: under yaw, an answer counts as right only if YuNet finds a face in the turned one.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import recall_score

from fer.data.dataset import Dataset
from fer.errors import DataError
from fer.evaluation.metrics_file import read_metrics, round_figures
from fer.evaluation.model_card import write_model_card
from fer.evaluation.origin import describe_data, describe_network
from fer.evaluation.predictions import Kind, list_answers
from fer.evaluation.robustness_plot import plot_robustness
from fer.files import write_atomically
from fer.inference import Classifier
from fer.progress import Progress
from fer.runs import Run
from fer.vision.corruptions import CORRUPTIONS, NUM_SEVERITIES, corrupt_faces
from fer.vision.framing import detect_prepared

#: The answers that are measured: the default one, and each head against its own targets.
_KINDS: tuple[Kind, ...] = ("default", "labels", "votes")
#: Corruptions under which a face that is not detected has no right answer.
_DETECTED = ("yaw",)


class _Measurement:
    """Figures of each answer under one corruption after the other."""

    def __init__(self, classifier: Classifier, split: Dataset) -> None:
        answers = list_answers(classifier, split)
        self.classifier = classifier
        # A network with one head, or faces without votes, have fewer answers.
        self.answers = {kind: answers[kind] for kind in _KINDS if (answers[kind][1] >= 0).any()}
        self.correct = np.zeros(len(split))

    def measure(self, faces: np.ndarray, detected: np.ndarray | None = None) -> dict[str, dict[str, float]]:
        """Return ``accuracy`` and ``mean_recall`` of each answer; a face that is not detected has no right answer."""
        raw, figures = self.classifier.predict_heads(faces), {}
        for kind, (answering, y_true) in self.answers.items():
            y_pred = answering.calibrate(raw).argmax(axis=1)
            if detected is not None:
                y_pred = np.where(detected, y_pred, -1)
            if kind == "default":
                self.correct = (y_pred == y_true).astype(np.float64)
            rows = y_true >= 0
            figures[str(kind)] = _compute_figures(y_true[rows], y_pred[rows])
        return figures


def measure_robustness(
    classifier: Classifier, split: Dataset, *, progress: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Measure a classifier on faces as they are and under every corruption in every severity.

    Args:
        classifier: the network; its prior is that of the default answer.
        split: the faces, with their labels and votes.
        progress: show a progress bar.
        seed: of what is random in the corruptions.

    Returns:
        ``clean`` and ``mean``: ``accuracy`` and ``mean_recall`` of each answer, on faces as they are and as means over
        all corruptions and severities, with the 95 % interval ``accuracy_ci95`` of the default answer's mean;
        ``corruptions``: per corruption its ``unit``, the ``values`` of the severities and, for each answer, lists of
        the same figures. ``detected`` is the share of faces that YuNet finds, where that counts, and
        ``clean_detected`` that of faces as they are.

    Raises:
        DataError: there are no faces.
    """
    if not len(split):
        raise DataError(
            "A robustness report needs validation faces. Received: none. Remedy: prepare a source with a validation"
            " split."
        )
    measurement = _Measurement(classifier, split)
    clean = measurement.measure(split.faces)
    corruptions: dict[str, dict[str, Any]] = {}
    num_correct = np.zeros(len(split))
    bar = Progress(total=len(CORRUPTIONS) * NUM_SEVERITIES, unit=" corruptions", disable=not progress)
    for name, corruption in CORRUPTIONS.items():
        severities, shares = [], []
        for severity in range(1, NUM_SEVERITIES + 1):
            faces = corrupt_faces(split.faces, name, severity, seed=seed)
            detected = _detect(faces) if name in _DETECTED else None
            severities.append(measurement.measure(faces, detected))
            shares += [] if detected is None else [float(detected.mean())]
            num_correct += measurement.correct
            bar.update()
        corruptions[name] = {"title": corruption.title, "unit": corruption.unit, "values": list(corruption.values)}
        corruptions[name] |= _list_figures(severities)
        if shares:
            corruptions[name]["detected"] = shares
    bar.close()
    means = {kind: _average([block[kind] for block in corruptions.values()]) for kind in clean}
    means["default"]["accuracy_ci95"] = _compute_interval(num_correct / bar.total)
    return {
        "n": len(split),
        "seed": seed,
        "mean": means,
        "clean": clean,
        "clean_detected": float(_detect(split.faces).mean()),
        "corruptions": corruptions,
    }


def report_robustness(
    run_folder: str | Path, dataset: Dataset, *, limit: int | None = None, progress: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Measure a run on corrupted validation faces and write ``robustness.json`` and its plot into its folder.

    The model card of an evaluated run is written anew, with these figures.

    Args:
        run_folder: the run folder.
        dataset: a prepared data set with a validation split.
        limit: number of faces to take from the start; None takes all.
        progress: show a progress bar.
        seed: of what is random in the corruptions.

    Returns:
        The content of ``robustness.json``.
    """
    run, split = Run(Path(run_folder)), take_rows(dataset.part("validation"), limit)
    classifier = Classifier.load(run.folder, runtime="keras")
    origin = describe_network(run, classifier) | describe_data(dataset) | {"part": "validation"}
    origin["prior"] = classifier.prior if classifier.joint else None
    measured = measure_robustness(classifier, split, progress=progress, seed=seed)
    figures: dict[str, Any] = round_figures(origin | measured)
    plot_robustness(figures, run.robustness_plot)
    write_atomically(run.robustness, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    if run.metrics.is_file():
        write_model_card(run, read_metrics(run.folder), classifier.config)
    return figures


def take_rows(dataset: Dataset, limit: int | None) -> Dataset:
    """Return the first rows of a data set; None takes all."""
    names = ("faces", "labels", "split", "votes", "clean")
    return replace(dataset, **{name: getattr(dataset, name)[:limit] for name in names})


def _detect(faces: np.ndarray) -> np.ndarray:
    return np.array([detection is not None for detection in detect_prepared(faces)])


def _compute_figures(y_true: np.ndarray, y_pred: np.ndarray) -> dict[str, float]:
    recall = recall_score(y_true, y_pred, labels=np.unique(y_true), average="macro", zero_division=0)
    return {"accuracy": float((y_pred == y_true).mean()), "mean_recall": float(recall)}


def _list_figures(severities: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, list[float]]]:
    """Return the figures of each answer as lists with one entry per severity."""
    return {
        kind: {name: [figures[kind][name] for figures in severities] for name in severities[0][kind]}
        for kind in severities[0]
    }


def _average(blocks: list[dict[str, list[float]]]) -> dict[str, Any]:
    return {name: float(np.mean([block[name] for block in blocks])) for name in blocks[0]}


def _compute_interval(shares: np.ndarray) -> list[float]:
    """Return the 95 % interval of the mean of the faces' shares of right answers, under the normal distribution."""
    mean, error = float(shares.mean()), float(shares.std()) / len(shares) ** 0.5
    return [mean - 1.96 * error, mean + 1.96 * error]

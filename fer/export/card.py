"""The card of an exported file: what it takes and returns, what it was made of, and how equal it is."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer import __version__
from fer.data import Dataset
from fer.evaluation.metrics import compute_accuracy, compute_per_class
from fer.files import compute_digest, write_atomically
from fer.inference import Classifier
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.runs import Run, name_card, to_json

_INPUT = {
    "name": "faces",
    "dtype": "float32",
    "shape": ["N", FACE_SIZE, FACE_SIZE, 1],
    "units": "grey levels 0..255 of a face as fer.vision.alignment crops it, not scaled",
}
_EVIDENCE = {
    "dtype": "float32",
    "shape": ["N", "heads", len(EXPRESSIONS), "h", "w"],
    "units": "last feature maps weighted as for each logit; their mean is the logit without its bias",
}


@dataclass(frozen=True)
class Export:
    """An exported file.

    Args:
        format: its format.
        precision: 'float32' or 'int8'.
        path: where it goes.
        temporary: where it lies until its card is written.
    """

    format: str
    precision: str
    path: Path
    temporary: Path


@dataclass(frozen=True)
class Parity:
    """How equal the answers of an exported file and of `fer.Classifier` are on the same faces.

    Args:
        data: name of the data set.
        data_sha256: its fingerprint.
        split: its split.
        n: number of faces.
        largest_difference: largest difference of two probabilities.
        mean_difference: mean difference.
        equal_labels: number of faces with the same label.
        accuracy: of the file.
        mean_recall: of the file, over the expressions that occur.
        accuracy_of_classifier: of `fer.Classifier`.
        mean_recall_of_classifier: of `fer.Classifier`.
    """

    data: str
    data_sha256: str
    split: str
    n: int
    largest_difference: float
    mean_difference: float
    equal_labels: int
    accuracy: float
    mean_recall: float
    accuracy_of_classifier: float
    mean_recall_of_classifier: float

    def describe(self) -> str:
        """Return one line."""
        return (
            f"largest difference {self.largest_difference:.1e}, {self.equal_labels:,} of {self.n:,} labels equal,"
            f" accuracy {self.accuracy:.4f} (Classifier {self.accuracy_of_classifier:.4f}),"
            f" mean recall {self.mean_recall:.4f} ({self.mean_recall_of_classifier:.4f})"
        )


def measure_parity(received: np.ndarray, expected: np.ndarray, labels: np.ndarray, dataset: Dataset) -> Parity:
    """Compare two answers to the faces of one split.

    Args:
        received: float (N, 7), the exported file's.
        expected: float (N, 7), the classifier's.
        labels: int (N,), the classes of the validation split.
        dataset: the data set.
    """
    differences = np.abs(received.astype(np.float64) - expected)
    return Parity(
        data=dataset.name,
        data_sha256=dataset.fingerprint,
        split="validation",
        n=len(labels),
        largest_difference=float(differences.max()),
        mean_difference=float(differences.mean()),
        equal_labels=int((received.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        accuracy=compute_accuracy(received, labels),
        mean_recall=_compute_mean_recall(received, labels),
        accuracy_of_classifier=compute_accuracy(expected, labels),
        mean_recall_of_classifier=_compute_mean_recall(expected, labels),
    )


def write_card(export: Export, run: Run, classifier: Classifier, parity: Parity) -> dict[str, Any]:
    """Move an exported file to its place, write its card beside it, and return the card.

    The card is written first and holds the file's digest, so that an interruption leaves no file with a wrong card
    unnoticed.
    """
    export.path.parent.mkdir(parents=True, exist_ok=True)
    card = describe_export(export, run, classifier, parity)
    write_atomically(name_card(export.path), to_json(card))
    for path in export.temporary.parent.glob(f"{export.temporary.stem}.*"):
        if path.suffix == ".bin":  # the weights of OpenVINO lie beside the graph
            shutil.copyfile(path, export.path.with_suffix(".bin"))
    write_atomically(export.path, export.temporary.read_bytes())
    return card


def describe_export(export: Export, run: Run, classifier: Classifier, parity: Parity) -> dict[str, Any]:
    """Return the content of a card."""
    num_heads, num_classes = len(classifier.heads), len(EXPRESSIONS)
    return {
        "file": export.path.name,
        "format": export.format,
        "precision": export.precision,
        "bytes": export.temporary.stat().st_size,
        "sha256": compute_digest(export.temporary),
        "run": run.name,
        "model_sha256": compute_digest(run.model),
        "params": classifier.num_params,
        "fer": __version__,
        "input": _INPUT,
        "outputs": {
            "probabilities": {
                "dtype": "float32",
                "shape": ["N", num_classes],
                "units": "the calibrated answer of fer.Classifier.predict; rows sum to 1",
            },
            "heads": {
                "dtype": "float32",
                "shape": ["N", num_heads, num_classes],
                "units": f"probabilities of each head ({', '.join(classifier.heads)}) before calibration",
            },
        }
        | ({} if export.format == "litert" else {"evidence": _EVIDENCE}),
        "classes": list(EXPRESSIONS),
        "prior": classifier.prior,
        "uncertain_below": classifier.calibration.uncertain_below,
        "parity": asdict(parity),
    }


def _compute_mean_recall(probabilities: np.ndarray, y_true: np.ndarray) -> float:
    per_class = compute_per_class(probabilities, y_true)
    return float(np.mean([row["recall"] for row in per_class.values() if row["support"]]))

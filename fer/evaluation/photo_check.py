"""Accuracy on faces shown as photos, compared with the accuracy on their original pixels.

Faces are enlarged, tilted a little and placed at random in a larger image. They then pass through the whole photo
pipeline, with detection and alignment, and the accuracy is compared with that on the 48x48 pixels of the same faces.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer.analysis import Analyzer
from fer.data import Dataset
from fer.errors import SettingsError
from fer.evaluation.metrics_file import round_figures
from fer.files import compute_digest, write_atomically
from fer.inference import Classifier
from fer.progress import Progress
from fer.runs import Run
from fer.vision.images import prepare_face
from fer.vision.synthetic_photos import show_as_photo


@dataclass(frozen=True)
class PhotoCheck:
    """Result of :func:`measure_photo_accuracy`; every accuracy is a share, 0..1.

    Attributes:
        n: number of faces.
        num_undetected: number of photos in which no face was detected; the whole photo is then taken as the face.
        accuracy_original: on the original pixels.
        accuracy_original_flip: on the original pixels, flip-averaged.
        accuracy_photo: on all photos.
        accuracy_original_detected: on the original pixels of the faces that were detected in their photos.
        accuracy_photo_detected: on the photos of the same faces.
        agreement: share of the faces whose photo and original pixels get the same label.
        difference_points: accuracy on the photos minus accuracy on the original pixels, in percentage points.
        difference_ci95: 95 % interval of that difference.
        seed: of the photos.
    """

    n: int
    num_undetected: int
    accuracy_original: float
    accuracy_original_flip: float
    accuracy_photo: float
    accuracy_original_detected: float
    accuracy_photo_detected: float
    agreement: float
    difference_points: float
    difference_ci95: tuple[float, float]
    seed: int


def measure_photo_accuracy(
    faces: np.ndarray,
    y_true: np.ndarray,
    analyzer: Analyzer,
    *,
    limit: int | None = None,
    progress: bool = False,
    seed: int = 0,
) -> PhotoCheck:
    """Compare the accuracy on faces shown as photos with the accuracy on their original pixels.

    Args:
        faces: uint8 (N, 48, 48), grey values 0..255.
        y_true: int (N,), indices into ``fer.EXPRESSIONS``.
        analyzer: detects and classifies the faces of the photos.
        limit: number of faces to take from the start; None takes all.
        progress: show a progress bar.
        seed: of the positions, sizes, tilts and backgrounds.

    Raises:
        SettingsError: there are no faces.
    """
    faces, y_true = faces[:limit], y_true[:limit]
    if not len(faces):
        raise SettingsError(
            "A photo check needs at least one face. Received: none. Remedy: prepare a source with a validation split."
        )
    original = analyzer.classifier.predict(faces, flip=analyzer.flip).argmax(axis=1)
    original_flip = analyzer.classifier.predict(faces, flip=True).argmax(axis=1)
    photo, detected = _predict_photos(faces, analyzer, progress, seed)
    correct_original, correct_photo = original == y_true, photo == y_true
    difference, interval = compute_difference(correct_original, correct_photo)
    return PhotoCheck(
        n=len(faces),
        num_undetected=int((~detected).sum()),
        accuracy_original=float(correct_original.mean()),
        accuracy_original_flip=float((original_flip == y_true).mean()),
        accuracy_photo=float(correct_photo.mean()),
        accuracy_original_detected=_compute_mean(correct_original[detected]),
        accuracy_photo_detected=_compute_mean(correct_photo[detected]),
        agreement=float((original == photo).mean()),
        difference_points=difference,
        difference_ci95=interval,
        seed=seed,
    )


def compute_difference(before: np.ndarray, after: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return the difference between two accuracies on the same faces and its 95 % interval.

    Args:
        before: bool (N,), whether each prediction is correct.
        after: bool (N,), the same for the predictions to compare.

    Returns:
        The difference and the ends of its interval, in percentage points.

    Reference:
        Agresti, 2013, "Categorical Data Analysis", 3rd edition, section 11.1 (the difference of dependent proportions).
    """
    change = after.astype(np.float64) - before
    mean, error = 100.0 * float(change.mean()), 100.0 * float(change.std()) / len(change) ** 0.5
    return mean, (mean - 1.96 * error, mean + 1.96 * error)


def check_run(
    run_folder: str | Path, dataset: Dataset, *, limit: int | None = None, progress: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Measure a run's accuracy on validation faces shown as photos and write ``photo_check.json`` into its folder.

    Args:
        run_folder: the run folder.
        dataset: a prepared data set with a validation split.
        limit: number of faces to take from the start; None takes all.
        progress: show a progress bar.
        seed: of the photos.

    Returns:
        The content of ``photo_check.json``.
    """
    run, split = Run(Path(run_folder)), dataset.part("validation")
    classifier = Classifier.load(run.folder, runtime="keras")
    # The figures are measured against the data set's labels, as in the evaluation.
    analyzer = Analyzer(classifier.with_head("labels") if "labels" in classifier.heads else classifier)
    check = measure_photo_accuracy(split.faces, split.labels, analyzer, limit=limit, progress=progress, seed=seed)
    origin = {
        "data": dataset.name,
        "data_sha256": dataset.fingerprint,
        "model_sha256": compute_digest(run.model),
        "part": "validation",
    }
    figures: dict[str, Any] = round_figures(origin | asdict(check))
    write_atomically(run.photo_check, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    return figures


def render_photo_check(figures: dict[str, Any]) -> str:
    """Return the content of a ``photo_check.json`` as a Markdown table with a legend."""
    low, high = figures["difference_ci95"]
    num_detected = figures["n"] - figures["num_undetected"]
    original, photo = figures["accuracy_original_detected"], figures["accuracy_photo_detected"]
    return "\n".join(
        (
            "| faces | n | original pixels | shown as photos | difference in points |",
            "| --- | ---: | ---: | ---: | --- |",
            f"| all | {figures['n']:,} | {figures['accuracy_original']:.4f} | {figures['accuracy_photo']:.4f}"
            f" | {figures['difference_points']:+.2f} ({low:+.2f} to {high:+.2f}) |",
            f"| detected in their photos | {num_detected:,} | {original:.4f} | {photo:.4f}"
            f" | {100 * (photo - original):+.2f} |",
            "",
            f"Data set `{figures['data']}`, {figures['part']}, fingerprint `{figures['data_sha256'][:12]}`; network"
            f" `{figures['model_sha256'][:12]}`; 95 % interval in brackets. Original pixels are predicted without flip"
            f" averaging; with it, the accuracy on all faces is {figures['accuracy_original_flip']:.4f}.",
        )
    )


def _predict_photos(faces: np.ndarray, analyzer: Analyzer, progress: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the predicted class of each photo, int64 (N,), and whether a face was detected in it, bool (N,)."""
    y_pred, detected = np.zeros(len(faces), np.int64), np.zeros(len(faces), bool)
    photos = Progress(_show_all(faces, seed), total=len(faces), unit=" photos", disable=not progress)
    for index, photo in enumerate(photos):
        photo_faces = analyzer.analyze(photo)
        if photo_faces:
            probabilities = photo_faces[0].probabilities
        else:
            probabilities = analyzer.classifier.predict(prepare_face(photo)[None], flip=analyzer.flip)[0]
        y_pred[index], detected[index] = probabilities.argmax(), bool(photo_faces)
    return y_pred, detected


def _show_all(faces: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    for index, face in enumerate(faces):
        # One generator per face, so that a photo does not depend on the faces before it.
        yield show_as_photo(face, np.random.default_rng((seed, index)))


def _compute_mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0

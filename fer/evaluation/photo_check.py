"""Does the network do as well on a photo as on the pixels that it was tested on?

FER2013's faces are shown as photos: enlarged, tilted a little and laid into a larger picture at a random place. They
then take the whole way of a photo, through detection and alignment, and the accuracy is compared with that on the
original 48x48 pixels of the same faces.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from fer.analysis import Analyzer
from fer.data import Dataset
from fer.errors import SettingsError
from fer.evaluation.metrics_file import round_figures
from fer.files import compute_digest, write_atomically
from fer.vision.images import prepare_face
from fer.vision.synthetic_photos import show_as_photo

PHOTO_CHECK_FILE = "photo_check.json"


@dataclass(frozen=True)
class PhotoCheck:
    """What :func:`measure_photo_accuracy` found; every accuracy is a share, 0..1.

    Args:
        n: faces shown.
        num_undetected: photos in which no face was found; they are read as one face, whole.
        accuracy_original: on the original pixels.
        accuracy_original_flip: the same, averaged over each face and its mirror image.
        accuracy_photo: on the photos, all of them.
        accuracy_original_detected: on the original pixels of the faces that were found in their photos.
        accuracy_photo_detected: on the same faces in their photos.
        agreement: share of the faces that get the same label both ways.
        difference_points: accuracy on the photos less that on the original pixels, in points (hundredths).
        difference_ci95: 95 % interval of that difference, from the faces that are right in one way alone.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as JSON takes them."""
        return asdict(self)

    def describe(self) -> str:
        """Return the figures in one line."""
        return (
            f"{self.n} faces: accuracy {self.accuracy_original:.4f} on the original pixels, {self.accuracy_photo:.4f}"
            f" shown as photos ({self.difference_points:+.2f} points);"
            f" {self.num_undetected} faces not found"
        )


def measure_photo_accuracy(
    faces: np.ndarray,
    y_true: np.ndarray,
    analyzer: Analyzer,
    *,
    limit: int | None = None,
    progress: bool = False,
    seed: int = 0,
) -> PhotoCheck:
    """Compare the accuracy on faces shown as photos with that on their own pixels.

    Args:
        faces: uint8 (N, 48, 48), grey.
        y_true: int (N,), indices into ``fer.EXPRESSIONS``.
        analyzer: what finds and reads the faces.
        limit: take only the first so many; None takes all.
        progress: show a bar.
        seed: of the places, sizes, tilts and backgrounds.

    Raises:
        SettingsError: there is no face to show.
    """
    faces, y_true = faces[:limit], y_true[:limit]
    if not len(faces):
        raise SettingsError(
            "Photos are made of at least one face. Received: none. Remedy: prepare a source with a validation part."
        )
    original = analyzer.classifier.predict(faces, flip=analyzer.flip).argmax(axis=1)
    original_flip = analyzer.classifier.predict(faces, flip=True).argmax(axis=1)
    photo, detected = _read_photos(faces, analyzer, progress, seed)
    right_original, right_photo = original == y_true, photo == y_true
    difference, interval = compute_difference(right_original, right_photo)
    return PhotoCheck(
        n=len(faces),
        num_undetected=int((~detected).sum()),
        accuracy_original=float(right_original.mean()),
        accuracy_original_flip=float((original_flip == y_true).mean()),
        accuracy_photo=float(right_photo.mean()),
        accuracy_original_detected=_compute_mean(right_original[detected]),
        accuracy_photo_detected=_compute_mean(right_photo[detected]),
        agreement=float((original == photo).mean()),
        difference_points=difference,
        difference_ci95=interval,
        seed=seed,
    )


def compute_difference(before: np.ndarray, after: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Return by how many points an accuracy changed on the same faces, and the 95 % interval of that.

    Args:
        before: bool (N,), whether each answer was right.
        after: bool (N,), the same after the change.

    Reference:
        Agresti, 2013, "Categorical Data Analysis", 3rd edition, section 11.1 (the difference of dependent proportions).
    """
    change = after.astype(np.float64) - before
    mean, error = 100.0 * float(change.mean()), 100.0 * float(change.std()) / len(change) ** 0.5
    return mean, (mean - 1.96 * error, mean + 1.96 * error)


def check_run(
    run_folder: str | Path, dataset: Dataset, *, limit: int | None = None, progress: bool = False, seed: int = 0
) -> dict[str, Any]:
    """Show the validation faces to a run's network as photos and write ``photo_check.json`` into its folder.

    Args:
        run_folder: the run.
        dataset: the prepared set that holds the faces.
        limit: take only the first so many faces; None takes all.
        progress: show a bar.
        seed: of the photos.

    Returns:
        The content of the file.
    """
    from fer.evaluation.evaluate import choose_head
    from fer.inference import Classifier

    folder, part = Path(run_folder), dataset.part("validation")
    # The faces count as FER2013's labels, so the head that was taught these answers, as in the evaluation.
    analyzer = Analyzer(choose_head(Classifier.load(folder), "labels"))
    check = measure_photo_accuracy(part.faces, part.labels, analyzer, limit=limit, progress=progress, seed=seed)
    origin = {
        "data": dataset.name,
        "data_sha256": dataset.fingerprint,
        "model_sha256": compute_digest(folder / "model.keras"),
    }
    figures = round_figures(origin | {"part": "validation"} | check.to_dict())
    write_atomically(folder / PHOTO_CHECK_FILE, json.dumps(figures, indent=2, allow_nan=False) + "\n")
    return figures


def render_photo_check(figures: dict[str, Any]) -> str:
    """Return the content of a ``photo_check.json`` as a Markdown table."""
    low, high = figures["difference_ci95"]
    found = figures["n"] - figures["num_undetected"]
    return "\n".join(
        (
            "| faces | n | original pixels | shown as photos | difference in points |",
            "| --- | ---: | ---: | ---: | --- |",
            f"| all | {figures['n']:,} | {figures['accuracy_original']:.4f} | {figures['accuracy_photo']:.4f}"
            f" | {figures['difference_points']:+.2f} ({low:+.2f} to {high:+.2f}) |",
            f"| found in their photos | {found:,} | {figures['accuracy_original_detected']:.4f}"
            f" | {figures['accuracy_photo_detected']:.4f}"
            f" | {100 * (figures['accuracy_photo_detected'] - figures['accuracy_original_detected']):+.2f} |",
            "",
            f"Data set `{figures['data']}`, {figures['part']}, fingerprint `{figures['data_sha256'][:12]}`; network"
            f" `{figures['model_sha256'][:12]}`; in brackets the 95 % interval. Original pixels are seen once; averaged"
            f" with their mirror image, all give {figures['accuracy_original_flip']:.4f}.",
        )
    )


def _read_photos(faces: np.ndarray, analyzer: Analyzer, progress: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what is answered to each photo, int64 (N,), and whether a face was found, bool (N,)."""
    answers, detected = np.zeros(len(faces), np.int64), np.zeros(len(faces), bool)
    photos = tqdm(_show_all(faces, seed), total=len(faces), unit="photo", disable=not progress)
    for index, photo in enumerate(photos):
        found = analyzer.analyze(photo)
        if found:
            probabilities = found[0].probabilities
        else:
            probabilities = analyzer.classifier.predict(prepare_face(photo)[None], flip=analyzer.flip)[0]
        answers[index], detected[index] = probabilities.argmax(), bool(found)
    return answers, detected


def _show_all(faces: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    for index, face in enumerate(faces):
        # A generator a face: the photo of a face does not depend on how many came before it.
        yield show_as_photo(face, np.random.default_rng((seed, index)))


def _compute_mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0

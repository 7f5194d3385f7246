"""Does the network do as well on a photo as on the pixels that it was tested on?

FER2013's faces are shown as photos: enlarged, tilted a little and laid into a larger picture at a random place. They
then take the whole way of a photo, through detection and alignment, and the accuracy is compared with that on the
original 48x48 pixels of the same faces.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fer.analysis import Analyzer
from fer.errors import SettingsError
from fer.vision.images import prepare_face
from fer.vision.photos import show_as_photo


@dataclass(frozen=True)
class PhotoCheck:
    """What :func:`measure_photo_accuracy` found; every accuracy is a share, 0..1.

    Args:
        n: faces shown.
        num_undetected: photos in which no face was found; they are read as one face, whole.
        accuracy_original: on the original pixels.
        accuracy_photo: on the photos, all of them.
        accuracy_original_detected: on the original pixels of the faces that were found in their photos.
        accuracy_photo_detected: on the same faces in their photos.
        agreement: share of the faces that get the same label both ways.
        seed: of the photos.
    """

    n: int
    num_undetected: int
    accuracy_original: float
    accuracy_photo: float
    accuracy_original_detected: float
    accuracy_photo_detected: float
    agreement: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as JSON takes them."""
        return asdict(self)

    def describe(self) -> str:
        """Return the figures in one line."""
        return (
            f"{self.n} faces: accuracy {self.accuracy_original:.4f} on the original pixels, {self.accuracy_photo:.4f}"
            f" shown as photos ({(self.accuracy_photo - self.accuracy_original) * 100:+.2f} points);"
            f" {self.num_undetected} faces not found"
        )


def measure_photo_accuracy(
    faces: np.ndarray, y_true: np.ndarray, analyzer: Analyzer, *, limit: int | None = None, seed: int = 0
) -> PhotoCheck:
    """Compare the accuracy on faces shown as photos with that on their own pixels.

    Args:
        faces: uint8 (N, 48, 48), grey.
        y_true: int (N,), indices into ``fer.EXPRESSIONS``.
        analyzer: what finds and reads the faces.
        limit: take only the first so many; None takes all.
        seed: of the places, sizes, tilts and backgrounds.

    Raises:
        SettingsError: there is no face to show.
    """
    faces, y_true = faces[:limit], y_true[:limit]
    if not len(faces):
        raise SettingsError("Photos are made of at least one face. Received: none.")
    original = analyzer.classifier.predict(faces, flip=analyzer.flip).argmax(axis=1)
    crops, detected = _cut_out(faces, analyzer, seed)
    photo = analyzer.classifier.predict(crops, flip=analyzer.flip).argmax(axis=1)
    right_original, right_photo = original == y_true, photo == y_true
    return PhotoCheck(
        n=len(faces),
        num_undetected=int((~detected).sum()),
        accuracy_original=float(right_original.mean()),
        accuracy_photo=float(right_photo.mean()),
        accuracy_original_detected=_compute_mean(right_original[detected]),
        accuracy_photo_detected=_compute_mean(right_photo[detected]),
        agreement=float((original == photo).mean()),
        seed=seed,
    )


def _cut_out(faces: np.ndarray, analyzer: Analyzer, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the network sees of each photo, uint8 (N, 48, 48), and whether a face was found, bool (N,)."""
    crops, detected = np.empty_like(faces), np.zeros(len(faces), bool)
    for index, photo in enumerate(_show_all(faces, seed)):
        found = analyzer.find_crops(photo)
        crops[index] = found[0] if found else prepare_face(photo)
        detected[index] = bool(found)
    return crops, detected


def _show_all(faces: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    for index, face in enumerate(faces):
        # A generator a face: the photo of a face does not depend on how many came before it.
        yield show_as_photo(face, np.random.default_rng((seed, index)))


def _compute_mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0

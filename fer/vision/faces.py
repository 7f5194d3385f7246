"""Faces before and after classification, and the images and frames that show them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fer.errors import SettingsError, shorten
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.vision.boxes import Box, clip_box, scale_box
from fer.vision.detection import Detection
from fer.vision.frames import VideoFrame
from fer.vision.images import ImageSource
from fer.vision.quality import UNCERTAIN_WARNINGS, compute_warnings


@dataclass(frozen=True, eq=False)
class Face:
    """One person's face in an image or frame, and its expression.

    Args:
        box: (x_min, y_min, x_max, y_max) in pixels, clipped to the image.
        detection_score: the detector's score, 0..1.
        landmarks: float32 (5, 2) in pixels: eyes, nose, corners of the mouth, each pair from left to right in the
            image; None if the detector gives none.
        probabilities: float32 (7,) in the order of ``fer.EXPRESSIONS``, summing to 1; smoothed over time in a stream.
        label: the most probable expression.
        confidence: its calibrated probability, 0..1.
        uncertain: whether the confidence is below the threshold chosen on the validation split, or the face is dark.
        track_id: number of the person in a stream, from 1; None in an image.
        warnings: reasons to doubt the prediction, of "small", "blurred", "profile", "edge", "dark".
        crop: uint8 (48, 48), the grey face that the network saw.
        raw_probabilities: float32 (7,), the prediction of this frame alone, before smoothing.
        baseline_probabilities: float32 (7,), the probabilities without the person's resting face; None if no resting
            face of the person is known (:mod:`fer.vision.baseline`).

    Example:
        >>> import skimage.data
        >>> from fer import Analyzer
        >>> (face,) = Analyzer().analyze(skimage.data.astronaut())
        >>> face.label
        'happy'
        >>> face.probabilities.shape, face.warnings
        ((7,), ())
        >>> face.to_dict()["label"]
        'happy'
    """

    box: Box
    detection_score: float
    landmarks: np.ndarray | None
    probabilities: np.ndarray
    label: str
    confidence: float
    uncertain: bool
    track_id: int | None = None
    warnings: tuple[str, ...] = ()
    crop: np.ndarray = field(default_factory=lambda: np.zeros((FACE_SIZE, FACE_SIZE), np.uint8))
    raw_probabilities: np.ndarray = field(default_factory=lambda: np.zeros(len(EXPRESSIONS), np.float32))
    baseline_probabilities: np.ndarray | None = None

    @property
    def baseline_label(self) -> str | None:
        """The most probable expression without the person's resting face; None if that face is not known."""
        if self.baseline_probabilities is None:
            return None
        return EXPRESSIONS[int(self.baseline_probabilities.argmax())]

    def __repr__(self) -> str:
        person = "" if self.track_id is None else f", track_id={self.track_id}"
        warnings = f", warnings={self.warnings}" if self.warnings else ""
        unsure = ", uncertain=True" if self.uncertain else ""
        box = tuple(round(float(side), 1) for side in self.box)
        return f"Face({self.label!r}, confidence={self.confidence:.3f}{unsure}, box={box}{person}{warnings})"

    def to_dict(self) -> dict[str, Any]:
        """Return the face as plain Python values for JSON, without its crop and the probabilities before smoothing."""
        return {
            "label": self.label,
            "confidence": float(self.confidence),
            "uncertain": bool(self.uncertain),
            "probabilities": _name_probabilities(self.probabilities),
            "baseline_label": self.baseline_label,
            "baseline_probabilities": _name_probabilities(self.baseline_probabilities),
            "box": [float(side) for side in self.box],
            "detection_score": float(self.detection_score),
            "landmarks": None if self.landmarks is None else self.landmarks.tolist(),
            "track_id": self.track_id,
            "warnings": list(self.warnings),
        }

    def smooth(self, track_id: int, probabilities: np.ndarray, uncertain_below: float) -> "Face":
        """Return the face of a tracked person with smoothed probabilities, and the label that follows from these.

        Args:
            track_id: number of the person.
            probabilities: float32 (7,), smoothed.
            uncertain_below: confidence below which the label is uncertain.
        """
        label = _choose_label(probabilities, uncertain_below, self.warnings)
        return replace(self, track_id=track_id, probabilities=probabilities, **label)

    def resize(self, factor: float) -> "Face":
        """Return the face in the pixels of an image that is resized by a factor."""
        landmarks = None if self.landmarks is None else (self.landmarks * factor).astype(np.float32)
        return replace(self, box=scale_box(self.box, factor), landmarks=landmarks)


def list_faces(faces: Face | Iterable[Face]) -> list[Face]:
    """Return the faces of an image as a list; a single face is a list of one.

    Raises:
        SettingsError: it is neither a face nor several.
    """
    if isinstance(faces, Face):
        return [faces]
    listed = list(faces) if isinstance(faces, Iterable) else [faces]
    if others := [value for value in listed if not isinstance(value, Face)]:
        raise SettingsError(
            f"Faces must be one or several fer.Face objects of one image. Received: {shorten(repr(others[0]))}."
            " Remedy: give what fer.Analyzer.analyze returns."
        )
    return listed


def _name_probabilities(probabilities: np.ndarray | None) -> dict[str, float] | None:
    return None if probabilities is None else dict(zip(EXPRESSIONS, map(float, probabilities), strict=True))


@dataclass(frozen=True, eq=False)
class DetectedFace:
    """A face before classification.

    Args:
        detection: the detector's result, in pixels of the image.
        views: uint8 (V, 48, 48), crops of the face, the first one with FER2013's framing.
        image_shape: (H, W) or (H, W, 3) of the image.
        scale: size of the image relative to its source; 1 unless it was read at reduced size.
    """

    detection: Detection
    views: np.ndarray
    image_shape: tuple[int, ...]
    scale: float = 1.0

    def classify(self, probabilities: np.ndarray, uncertain_below: float) -> Face:
        """Return the face with its expression.

        Args:
            probabilities: float32 (7,), the mean over the views.
            uncertain_below: confidence below which the label is uncertain.
        """
        crop = self.views[0]
        warnings = compute_warnings(self.detection, crop, self.image_shape)
        face = Face(
            box=clip_box(self.detection.box, *self.image_shape[:2]),
            detection_score=self.detection.score,
            landmarks=self.detection.landmarks,
            probabilities=probabilities,
            warnings=warnings,
            crop=crop,
            raw_probabilities=probabilities,
            **_choose_label(probabilities, uncertain_below, warnings),
        )
        return face if self.scale == 1.0 else face.resize(1.0 / self.scale)


@dataclass(frozen=True, eq=False)
class AnalyzedImage:
    """One image of many with its faces, or with the reason why it cannot be used.

    Args:
        source: the image as it was given.
        image: uint8 (H, W, 3), RGB; None if the image cannot be used.
        faces: its faces, by falling detection score, in the pixels of the source.
        error: one line that says why the image cannot be used, or None.
        scale: size of ``image`` relative to its source; below 1 if a large JPEG was read at reduced size.
    """

    source: ImageSource
    image: np.ndarray | None
    faces: list[Face]
    error: str | None = None
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class AnalyzedFrame:
    """One frame of a stream with its faces.

    Args:
        frame: the frame with its index and time.
        faces: its faces, each with a ``track_id`` and smoothed probabilities.
        duration: seconds until the next frame.
    """

    frame: VideoFrame
    faces: list[Face]
    duration: float


def _choose_label(probabilities: np.ndarray, uncertain_below: float, warnings: tuple[str, ...]) -> dict[str, Any]:
    index = int(probabilities.argmax())
    confidence = float(probabilities[index])
    uncertain = confidence < uncertain_below or any(name in UNCERTAIN_WARNINGS for name in warnings)
    return {"label": EXPRESSIONS[index], "confidence": confidence, "uncertain": uncertain}

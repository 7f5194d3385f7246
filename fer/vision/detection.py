"""What a face detector returns, and the merging of detections of one face.

Images are uint8 (H, W, 3), RGB. Boxes are (x_min, y_min, x_max, y_max) in pixels of the image.
Landmarks are float32 (5, 2), x and y in the same pixels: left eye, right eye, tip of the nose, left and right corner of
the mouth, where left and right are those of the image.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from fer.vision.boxes import Box, compute_iou, scale_box, shift_box

#: Of two boxes with a larger intersection over union than this, the one with the lower score is dropped.
MERGE_OVERLAP = 0.3


@dataclass(frozen=True, eq=False)
class Detection:
    """One face that a detector found.

    Args:
        box: (x_min, y_min, x_max, y_max) in pixels; it may reach beyond the edge of the image.
        score: the detector's confidence, 0..1.
        landmarks: float32 (5, 2) as described at the head of the module, or None if the detector has none.
    """

    box: Box
    score: float
    landmarks: np.ndarray | None = None


class Detector(Protocol):
    """Finds the faces of an image; safe to call from several threads."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of a uint8 RGB image (H, W, 3), best score first."""


def merge_detections(detections: list[Detection]) -> list[Detection]:
    """Keep the best detection of every group of overlapping boxes (non-maximum suppression).

    Returns:
        The detections that are kept, best score first; equal scores are ordered by their boxes, from the left.
    """
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda detection: (-detection.score, detection.box)):
        if all(compute_iou(detection.box, better.box) <= MERGE_OVERLAP for better in kept):
            kept.append(detection)
    return kept


def scale_detection(detection: Detection, factor: float) -> Detection:
    """Return a detection in the pixels of an image that is resized by a factor."""
    landmarks = None if detection.landmarks is None else (detection.landmarks * factor).astype(np.float32)
    return replace(detection, box=scale_box(detection.box, factor), landmarks=landmarks)


def shift_detection(detection: Detection, x: float, y: float) -> Detection:
    """Return a detection moved by x and y pixels."""
    landmarks = None if detection.landmarks is None else detection.landmarks + np.array([x, y], np.float32)
    return replace(detection, box=shift_box(detection.box, x, y), landmarks=landmarks)

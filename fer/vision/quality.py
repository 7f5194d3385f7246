"""Reasons to trust an answer less: a face that is small, blurred, turned away or cut by the picture's edge."""

import cv2
import numpy as np

from fer.vision.alignment import compute_crop_matrix
from fer.vision.detection import Box, Detection

#: Longer side of a box, in pixels, under which the network sees an enlargement of too little.
SMALLEST_SIDE = 32.0
#: Sharpness under which a crop is called blurred: 0.3 % of FER2013's training faces lie below it.
LOWEST_SHARPNESS = 0.35
#: How far the nose may lie off the face's middle, in widths between eyes: 8 % of FER2013's training faces exceed it.
LARGEST_TURN = 0.4
#: Share of a crop that may lie outside the picture.
LARGEST_CUT = 0.1

WARNINGS: tuple[str, ...] = ("small", "blurred", "profile", "edge")


def compute_warnings(detection: Detection, crop: np.ndarray, image_shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return what speaks against a face's answer, in the order of :data:`WARNINGS`.

    Args:
        detection: the face, in the picture's pixels.
        crop: uint8 (48, 48), its prepared crop.
        image_shape: (H, W) or (H, W, 3) of the picture.
    """
    x_min, y_min, x_max, y_max = detection.box
    found = (
        max(x_max - x_min, y_max - y_min) < SMALLEST_SIDE,
        compute_sharpness(crop) < LOWEST_SHARPNESS,
        compute_turn(detection.landmarks) > LARGEST_TURN,
        compute_cut(detection, image_shape) > LARGEST_CUT,
    )
    return tuple(name for name, holds in zip(WARNINGS, found, strict=True) if holds)


def compute_sharpness(crop: np.ndarray) -> float:
    """Return the spread of a crop's Laplacian over the spread of its grey, about 0.8 for a face of FER2013.

    Args:
        crop: uint8 (48, 48), grey.

    Reference:
        Pech-Pacheco et al., 2000, "Diatom autofocusing in brightfield microscopy" (the variance of the Laplacian).
    """
    edges = cv2.Laplacian(crop, cv2.CV_32F)[2:-2, 2:-2]
    return float(edges.std() / (crop.std() + 1.0))


def compute_turn(landmarks: np.ndarray | None) -> float:
    """Return how far the nose lies to the side of the eyes and mouth, in their mean width: 0 without landmarks.

    Args:
        landmarks: float (5, 2), or None.
    """
    if landmarks is None:
        return 0.0
    eyes, mouth = landmarks[1] - landmarks[0], landmarks[4] - landmarks[3]
    width = float(np.linalg.norm(eyes + mouth)) / 2
    if width < 1e-6:
        return float("inf")
    axis = (eyes + mouth) / (2 * width)
    return float(abs((landmarks[2] - landmarks[[0, 1, 3, 4]].mean(0)) @ axis)) / width


def compute_cut(detection: Detection, image_shape: tuple[int, ...]) -> float:
    """Return the share of a face's crop, 0..1, that lies outside the picture."""
    matrix = cv2.invertAffineTransform(compute_crop_matrix(detection, 12))
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), axis=-1).reshape(-1, 2)
    points = grid @ matrix[:, :2].T + matrix[:, 2]
    inside = (points >= -0.5).all(1) & (points[:, 0] < image_shape[1] - 0.5) & (points[:, 1] < image_shape[0] - 0.5)
    return float(1.0 - inside.mean())


def build_whole_box(image_shape: tuple[int, ...]) -> Box:
    """Return the box of a picture that is one face."""
    return 0.0, 0.0, float(image_shape[1]), float(image_shape[0])

"""Warnings that a prediction is less reliable: the face is small, blurred, turned away, cut or nearly black."""

from itertools import compress

import cv2
import numpy as np

from fer.vision.alignment import compute_crop_matrix
from fer.vision.boxes import compute_longer_side
from fer.vision.detection import Detection

#: A box is small if its longer side, in pixels, is below this.
SMALLEST_SIDE = 32.0
#: A crop is blurred if its sharpness is below this, as for 0.3 % of FER2013's training faces.
LOWEST_SHARPNESS = 0.35
#: A face is in profile if its turn is above this, as for 8 % of FER2013's training faces.
LARGEST_TURN = 0.4
#: A face is cut by the edge if more than this share of its crop lies outside the image.
LARGEST_CUT = 0.1

#: A face is dark if 99 % of its crop are below this grey value.
DARKEST_HIGHLIGHT = 32.0

WARNINGS: tuple[str, ...] = ("small", "blurred", "profile", "edge", "dark")
#: With one of these, a prediction is uncertain whatever its confidence: the network was not trained on such faces.
UNCERTAIN_WARNINGS: tuple[str, ...] = ("dark",)


def compute_warnings(detection: Detection, crop: np.ndarray, image_shape: tuple[int, ...]) -> tuple[str, ...]:
    """Return the warnings of a face, in the order of :data:`WARNINGS`.

    Args:
        detection: the face, in the image's pixels.
        crop: uint8 (48, 48), the face's crop.
        image_shape: (H, W) or (H, W, 3) of the image.
    """
    holds = (
        compute_longer_side(detection.box) < SMALLEST_SIDE,
        compute_sharpness(crop) < LOWEST_SHARPNESS,
        compute_turn(detection.landmarks) > LARGEST_TURN,
        compute_cut(detection, image_shape) > LARGEST_CUT,
        float(np.percentile(crop, 99)) < DARKEST_HIGHLIGHT,
    )
    return tuple(compress(WARNINGS, holds))


def compute_sharpness(crop: np.ndarray) -> float:
    """Return the standard deviation of a crop's Laplacian over that of its grey values, about 0.8 for FER2013's faces.

    Args:
        crop: uint8 (48, 48), grey.

    Reference:
        Pech-Pacheco et al., 2000, "Diatom autofocusing in brightfield microscopy" (the variance of the Laplacian).
    """
    edges = cv2.Laplacian(crop, cv2.CV_32F)[2:-2, 2:-2]
    return float(edges.std() / (crop.std() + 1.0))


def compute_turn(landmarks: np.ndarray | None) -> float:
    """Return how far a face is turned: the nose's distance from the middle of eyes and mouth, in their mean width.

    Args:
        landmarks: float (5, 2), or None.

    Returns:
        0 for a frontal face or without landmarks; infinite if eyes and mouth coincide.
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
    """Return the share of a face's crop, 0..1, that lies outside the image."""
    matrix = cv2.invertAffineTransform(compute_crop_matrix(detection, 12))
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), axis=-1).reshape(-1, 2)
    points = grid @ matrix[:, :2].T + matrix[:, 2]
    inside = (points >= -0.5).all(1) & (points[:, 0] < image_shape[1] - 0.5) & (points[:, 1] < image_shape[0] - 0.5)
    return float(1.0 - inside.mean())

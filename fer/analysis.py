"""Detection and classification of the faces in images, frames and videos.

Images are decoded, faces are detected and cropped with FER2013's framing, and crops are classified in batches.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from fer.calibration import Calibration
from fer.errors import ImageError, SettingsError, is_whole_number, shorten
from fer.joint import OperatingPoint
from fer.labels import EXPRESSIONS
from fer.vision.alignment import align_face, align_views
from fer.vision.baseline import Baseline
from fer.vision.boxes import build_whole_box
from fer.vision.decoding import DecodedImage
from fer.vision.detection import Detection, Detector
from fer.vision.faces import AnalyzedFrame, AnalyzedImage, DetectedFace, Face
from fer.vision.images import ImageSource, check_several, decode_scaled, prepare_face
from fer.vision.streams import Stream
from fer.vision.tracking import Tracker
from fer.vision.video import VideoReader
from fer.vision.yunet import choose_detector
from fer.wording import format_count

__all__ = ["BATCH_SIZE", "AnalyzedFrame", "AnalyzedImage", "Analyzer", "Face", "FaceClassifier"]

#: Largest number of faces per batch, and of the images, and their bytes, that wait for a batch to fill.
BATCH_SIZE = 64
_WAITING_IMAGES = 256
_WAITING_BYTES = 256 * 2**20


class FaceClassifier(Protocol):
    """The part of :class:`fer.Classifier` that an :class:`Analyzer` uses."""

    @property
    def calibration(self) -> Calibration | OperatingPoint:
        """Smoothing, offsets, temperature and threshold of the predictions."""

    def predict(self, faces: np.ndarray, flip: bool = False) -> np.ndarray:
        """Return calibrated probabilities, float32 (N, 7), of uint8 faces (N, 48, 48)."""

    def explain(self, faces: np.ndarray, class_index: int | None = None) -> np.ndarray:
        """Return class activation maps, float32 (N, 48, 48), 0..1, of uint8 faces (N, 48, 48)."""


class Analyzer:
    """Detects the faces of images and videos and predicts their expressions.

    Args:
        classifier: predicts the probabilities of a crop; None loads the shipped network.
        detector: detects faces; None builds YuNet.
        whole_image: take every image as one face, without detection.
        flip: average over each crop and its mirror image: slightly more accurate, half as fast.
        several_views: in photos, average over four crops of each face: as framed, 10 % closer, and two mirrored ones
            that are 20 % closer and 20 % wider. Frames of a stream are averaged over time instead, whole images are
            not averaged.
        max_side: None searches photos at several scales, which also finds small faces. A number searches one copy with
            this longer side in pixels, which suits streams; ``fer.vision.yunet.STREAM_SIDE`` suits cameras.

    Raises:
        ModelError: the shipped network or YuNet cannot be loaded.
        SettingsError: the options contradict each other, or one is invalid.

    Example:
        >>> import skimage.data
        >>> analyzer = Analyzer(max_side=320)
        >>> [face.label for face in analyzer.analyze(skimage.data.astronaut())]
        ['happy']
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
        self.detector = choose_detector(detector, whole_image, max_side)
        self.classifier = _load_classifier() if classifier is None else _check_classifier(classifier)
        self.flip = flip
        self.several_views = several_views

    def analyze(self, image: ImageSource) -> list[Face]:
        """Return the faces of one image with their expressions, by falling detection score.

        Args:
            image: a path, the bytes of a file, an open binary file, a PIL image, or an array (H, W) grey or (H, W, 3)
                RGB, uint8 or fractions 0..1. Boxes are in its pixels, also if it is so large that it is read at
                reduced size.

        Raises:
            ImageError: the image cannot be used.
        """
        return self._classify(self._detect(decode_scaled(image), self.several_views))

    def analyze_batch(self, images: Iterable[ImageSource], *, batch_size: int = BATCH_SIZE) -> list[list[Face]]:
        """Return the faces of each of many images; crops of different images share batches.

        Args:
            images: images as :meth:`analyze` takes them.
            batch_size: largest number of faces per batch.

        Raises:
            ImageError: an image cannot be used, or ``images`` is a single one. :meth:`analyze_images` continues after
                an image that cannot be used.
            SettingsError: ``batch_size`` is no whole number of at least 1.
        """
        return [_get_faces(image) for image in self.analyze_images(images, batch_size=batch_size)]

    def analyze_images(self, images: Iterable[ImageSource], *, batch_size: int = BATCH_SIZE) -> Iterator[AnalyzedImage]:
        """Yield each image with its faces or its error, in order, reading only as many images as a batch needs.

        Args:
            images: images as :meth:`analyze` takes them.
            batch_size: largest number of faces per batch.

        Raises:
            ImageError: ``images`` is a single one.
            SettingsError: ``batch_size`` is no whole number of at least 1.
        """
        check_several(images)
        _check_batch_size(batch_size)
        waiting: list[tuple[AnalyzedImage, list[DetectedFace]]] = []
        for source in images:
            waiting.append(self._read_image(source))
            if _is_full(waiting, batch_size):
                yield from self._classify_images(waiting)
                waiting = []
        yield from self._classify_images(waiting)

    def analyze_frame(self, image: ImageSource, tracker: Tracker, seconds: float) -> list[Face]:
        """Return the faces of one frame of a stream, each with a ``track_id`` and smoothed probabilities.

        Args:
            image: the frame, as :meth:`analyze` takes images.
            tracker: the tracker of this stream.
            seconds: time of the frame, from the start of the stream.

        Raises:
            ImageError: the frame cannot be used.
        """
        faces = self._classify(self._detect(decode_scaled(image), several_views=False))
        track_ids = tracker.update([face.box for face in faces], seconds)
        threshold = self.classifier.calibration.uncertain_below
        return [
            face.smooth(track_id, tracker.smooth(track_id, face.raw_probabilities, seconds), threshold)
            for face, track_id in zip(faces, track_ids, strict=True)
        ]

    def analyze_stream(
        self, stream: Stream, *, tracker: Tracker | None = None, baseline: Baseline | None = None
    ) -> Iterator[AnalyzedFrame]:
        """Yield each frame of a stream with its faces and its duration.

        Args:
            stream: a video or camera, with its limits.
            tracker: tracks and smooths the people; None uses the defaults.
            baseline: the resting faces that are subtracted; until its range is over, it learns them.

        Raises:
            VideoError: the video holds no frame, or a frame has too many pixels.
        """
        people = Tracker() if tracker is None else tracker
        for frame, duration in stream:
            faces = self.analyze_frame(frame.image, people, frame.seconds)
            if baseline is not None:
                faces = self.apply_baseline(baseline, faces, frame.seconds, duration)
            yield AnalyzedFrame(frame, faces, duration)

    def apply_baseline(self, baseline: Baseline, faces: list[Face], seconds: float, duration: float) -> list[Face]:
        """Return the faces of one frame with their ``baseline_probabilities``; within the range, learn from them.

        Args:
            baseline: the resting faces of the stream.
            faces: the faces, as :meth:`analyze_frame` returns them.
            seconds: time of the frame.
            duration: seconds until the next frame.
        """
        return baseline.update(faces, seconds, duration, np.array(self.classifier.calibration.neutral_log_odds))

    def read_baseline(self, image: ImageSource) -> Baseline:
        """Return the baseline of a photo of one neutral face, which counts for every person of a stream.

        Args:
            image: a photo, as :meth:`analyze` takes images.

        Raises:
            ImageError: the photo cannot be used, or does not show exactly one face.
        """
        faces = self.analyze(image)
        if len(faces) != 1:
            raise ImageError(
                f"A neutral photo must show exactly one face. Received: {format_count(len(faces), 'face')}."
                " Remedy: crop it to the person of the video."
            )
        return Baseline(photo=faces[0])

    def analyze_video(
        self, path: str | Path, *, every: int = 1, tracker: Tracker | None = None
    ) -> Iterator[tuple[int, float, list[Face]]]:
        """Yield (frame_index, seconds, faces) of each frame of a video, with or without a face.

        Args:
            path: a video file, or the number of a camera.
            every: analyze only frames whose index is a multiple of this.
            tracker: tracks and smooths the people; None uses the defaults.

        Raises:
            VideoError: the video cannot be opened or holds no frame.
        """
        with VideoReader(path) as video:
            for analyzed in self.analyze_stream(Stream(video, every=every), tracker=tracker):
                yield analyzed.frame.index, analyzed.frame.seconds, analyzed.faces

    def explain(self, face: Face, class_index: int | None = None) -> np.ndarray:
        """Return the class activation map of a face: where in its crop the evidence for an expression lies.

        Args:
            face: a face that this analyzer returned.
            class_index: index into ``fer.EXPRESSIONS``; None explains the face's own label.

        Returns:
            float32 (48, 48), 0..1, in the pixels of the crop.

        Raises:
            SettingsError: ``face`` is no face.

        Reference:
            Zhou et al., 2016, "Learning Deep Features for Discriminative Localization", arXiv:1512.04150.
        """
        if not isinstance(face, Face):
            raise SettingsError(
                f"An explanation must be of one fer.Face. Received: {shorten(repr(face))}. Remedy: explain each face"
                " that analyze returns."
            )
        index = EXPRESSIONS.index(face.label) if class_index is None else class_index
        activation: np.ndarray = self.classifier.explain(face.crop[None], index)[0]
        return activation

    def _detect(self, decoded: DecodedImage, several_views: bool) -> list[DetectedFace]:
        image, scale = decoded
        if self.detector is None:
            whole = Detection(build_whole_box(image.shape), 1.0)
            return [DetectedFace(whole, prepare_face(image)[None], image.shape, scale)]
        crop = align_views if several_views else lambda image, detection: align_face(image, detection)[None]
        detections = self.detector.detect(image)
        return [DetectedFace(detection, crop(image, detection), image.shape, scale) for detection in detections]

    def _read_image(self, source: ImageSource) -> tuple[AnalyzedImage, list[DetectedFace]]:
        try:
            decoded = decode_scaled(source)
            image = AnalyzedImage(source, decoded.pixels, [], scale=decoded.scale)
            return image, self._detect(decoded, self.several_views)
        except ImageError as error:
            return AnalyzedImage(source, None, [], str(error)), []

    def _classify_images(self, waiting: list[tuple[AnalyzedImage, list[DetectedFace]]]) -> Iterator[AnalyzedImage]:
        faces = iter(self._classify([face for _, detected in waiting for face in detected]))
        for image, detected in waiting:
            yield replace(image, faces=list(islice(faces, len(detected))))

    def _classify(self, detected: list[DetectedFace]) -> list[Face]:
        if not detected:
            return []
        rows = self.classifier.predict(np.concatenate([face.views for face in detected]), flip=self.flip)
        means = rows.reshape(len(detected), -1, len(EXPRESSIONS)).mean(axis=1)
        threshold = self.classifier.calibration.uncertain_below
        return [face.classify(mean, threshold) for face, mean in zip(detected, means, strict=True)]


def _check_classifier(classifier: FaceClassifier) -> FaceClassifier:
    if not callable(getattr(classifier, "predict", None)):
        raise SettingsError(
            f"A classifier must have the method predict. Received: {shorten(repr(classifier))}."
            " Remedy: fer.Classifier.load with the path of a run."
        )
    return classifier


def _check_batch_size(batch_size: int) -> None:
    if not is_whole_number(batch_size, 1):
        raise SettingsError(
            f"batch_size must be a whole number of at least 1. Received: {shorten(repr(batch_size))}."
            f" Remedy: leave it out for {BATCH_SIZE}."
        )


def _load_classifier() -> FaceClassifier:
    # Keras and JAX take seconds to import; a caller who passes a classifier has them already.
    from fer.inference import Classifier

    return Classifier.load()


def _is_full(waiting: list[tuple[AnalyzedImage, list[DetectedFace]]], batch_size: int) -> bool:
    if len(waiting) >= _WAITING_IMAGES:
        return True
    num_faces = sum(len(detected) for _, detected in waiting)
    num_bytes = sum(image.image.nbytes for image, _ in waiting if image.image is not None)
    return num_faces >= batch_size or num_bytes >= _WAITING_BYTES


def _get_faces(image: AnalyzedImage) -> list[Face]:
    if image.error is not None:
        raise ImageError(image.error)
    return image.faces

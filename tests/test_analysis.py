import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from stream_media import write_irregular_video
from vision_media import StubClassifier, StubDetector, draw_frames, find_media, write_video

from fer.analysis import Analyzer
from fer.errors import ImageError, SettingsError, VideoError
from fer.labels import EXPRESSIONS
from fer.vision import decoding
from fer.vision.alignment import align_views
from fer.vision.faces import Face
from fer.vision.images import prepare_face
from fer.vision.streams import Stream
from fer.vision.tracking import Tracker
from fer.vision.video import VideoReader
from fer.vision.yunet import YuNetDetector


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def yunet() -> YuNetDetector:
    return YuNetDetector()


def make_analyzer(detector=None, **options) -> Analyzer:
    return Analyzer(StubClassifier(), detector or StubDetector([(10.0, 10.0, 60.0, 60.0)]), **options)


def find_by_grey(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    """Return as many separate boxes as the value of the first pixel."""
    return [(20.0 * index, 5.0, 20.0 * index + 18.0, 30.0) for index in range(int(image[0, 0, 0]))]


def test_the_astronaut_is_one_face(astronaut, yunet):
    (face,) = Analyzer(StubClassifier(), yunet).analyze(astronaut)
    assert isinstance(face, Face)
    assert face.probabilities.shape == (7,)
    assert face.probabilities.dtype == np.float32
    assert face.probabilities.sum() == pytest.approx(1.0, abs=1e-5)
    assert face.label == EXPRESSIONS[face.probabilities.argmax()]
    assert face.confidence == pytest.approx(float(face.probabilities.max()))
    assert face.landmarks.shape == (5, 2)
    assert face.track_id is None
    assert face.warnings == ()
    assert face.crop.shape == (48, 48)
    np.testing.assert_array_equal(face.raw_probabilities, face.probabilities)
    assert "probabilities" not in repr(face)


def test_every_source_of_an_image_gives_the_same_faces(tmp_path, astronaut, yunet):
    path = tmp_path / "a.png"
    Image.fromarray(astronaut).save(path)
    analyzer = Analyzer(StubClassifier(), yunet)
    (expected,) = analyzer.analyze(astronaut)
    for source in (path, str(path), path.read_bytes(), Image.open(path)):
        (face,) = analyzer.analyze(source)
        assert face.box == expected.box
        np.testing.assert_array_equal(face.probabilities, expected.probabilities)


def test_no_face_is_an_empty_list(yunet):
    assert Analyzer(StubClassifier(), yunet).analyze(np.zeros((100, 100, 3), np.uint8)) == []


def test_a_whole_image_is_one_face(astronaut):
    (face,) = Analyzer(StubClassifier(), whole_image=True).analyze(astronaut)
    assert face.box == (0.0, 0.0, 512.0, 512.0)
    assert face.landmarks is None
    np.testing.assert_array_equal(face.crop, prepare_face(astronaut))


def test_a_whole_image_needs_no_detector(monkeypatch):
    def fail(max_side=None):
        raise AssertionError("a detector was built")

    monkeypatch.setattr("fer.vision.yunet.build_detector", fail)
    assert Analyzer(StubClassifier(), whole_image=True).detector is None


@pytest.mark.parametrize("options", [{"detector": StubDetector([])}, {"max_side": 320}])
def test_a_whole_image_takes_no_detection_option(options):
    with pytest.raises(SettingsError, match="whole_image"):
        Analyzer(StubClassifier(), whole_image=True, **options)


def test_max_side_is_refused_beside_a_detector():
    with pytest.raises(SettingsError, match="max_side=320"):
        Analyzer(StubClassifier(), StubDetector([]), max_side=320)


def test_a_face_of_the_data_set_reaches_the_network_unchanged():
    """Training and application prepare pixels identically, bit for bit."""
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    (face,) = Analyzer(StubClassifier(), whole_image=True).analyze(pixels)
    np.testing.assert_array_equal(face.crop, pixels)


def test_many_images_share_full_batches_in_order():
    counts = [0, 3, 1, 0, 0, 5, 2, 2, 4, 0]
    images = [np.full((40, 120, 3), count, np.uint8) for count in counts]
    analyzer = make_analyzer(StubDetector(find_by_grey))
    results = analyzer.analyze_batch(images, batch_size=6)
    assert [len(faces) for faces in results] == counts
    assert analyzer.classifier.batches == [4 * 9, 4 * 8]  # four views of each face


def test_a_batch_reads_no_further_than_it_needs():
    read = []

    def read_images():
        for index in range(10):
            read.append(index)
            yield np.full((40, 60, 3), 2, np.uint8)

    next(make_analyzer(StubDetector(find_by_grey)).analyze_images(read_images(), batch_size=4))
    assert read == [0, 1]


def test_waiting_images_without_faces_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("fer.analysis._WAITING_BYTES", 3 * 40 * 60 * 4)
    read = []

    def read_images():
        for index in range(10):
            read.append(index)
            yield np.zeros((40, 60, 3), np.uint8)

    next(make_analyzer(StubDetector([])).analyze_images(read_images()))
    assert read == [0, 1, 2, 3]


def test_images_that_cannot_be_read_do_not_wait_for_a_batch_to_fill():
    read = []

    def read_images():
        for index in range(10_000):
            read.append(index)
            yield b"damaged"

    next(make_analyzer().analyze_images(read_images()))
    assert len(read) < 1000


@pytest.mark.parametrize(
    "one", ["photo.jpg", b"bytes", Path("photo.jpg"), io.BytesIO(), Image.new("L", (9, 9)), None, 3]
)
def test_one_image_is_not_taken_for_several(one):
    with pytest.raises(ImageError, match=f"Several images must be .*{type(one).__name__}"):
        make_analyzer().analyze_batch(one)


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3), (40, 60, 1)])
def test_an_array_of_one_image_is_not_taken_for_its_rows(shape):
    with pytest.raises(ImageError, match="Several images must be"):
        make_analyzer().analyze_batch(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(2, 40, 60), (2, 40, 60, 3)])
def test_an_array_may_hold_several_images(shape):
    assert len(make_analyzer().analyze_batch(np.zeros(shape, np.uint8))) == 2


@pytest.mark.parametrize(
    "options", [{"classifier": "artifacts/xception"}, {"classifier": Path("run")}, {"detector": "haar"}]
)
def test_a_path_or_name_is_no_classifier_and_no_detector(options):
    with pytest.raises(SettingsError, match="must have the method"):
        Analyzer(**{"classifier": StubClassifier()} | options)


@pytest.fixture
def mixed_images(tmp_path):
    """A good image with one face, a damaged file, and a good image with two faces."""
    damaged = tmp_path / "bad.jpg"
    damaged.write_bytes(b"nothing")
    return [np.full((40, 60, 3), 1, np.uint8), damaged, np.full((40, 60, 3), 2, np.uint8)]


def test_a_damaged_image_among_many_has_an_error(mixed_images):
    images = list(make_analyzer(StubDetector(find_by_grey)).analyze_images(mixed_images))
    assert [len(image.faces) for image in images] == [1, 0, 2]
    assert [image.error is None for image in images] == [True, False, True]
    assert "bad.jpg" in images[1].error
    assert images[1].image is None


def test_a_damaged_image_ends_a_batch(mixed_images):
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        make_analyzer(StubDetector(find_by_grey)).analyze_batch(mixed_images)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 9))
def test_batching_changes_no_prediction(counts, batch_size):
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (40, 120, 3), dtype=np.uint8) for _ in counts]
    for image, count in zip(images, counts, strict=True):
        image[0, 0] = count
    analyzer = make_analyzer(StubDetector(find_by_grey))
    together = analyzer.analyze_batch(images, batch_size=batch_size)
    for faces, image in zip(together, images, strict=True):
        alone = analyzer.analyze(image)
        assert [face.box for face in faces] == [face.box for face in alone]
        for one, other in zip(faces, alone, strict=True):
            np.testing.assert_array_equal(one.crop, other.crop)
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_a_crop_is_the_same_in_a_stream_and_in_a_batch(astronaut, yunet):
    frames = [np.roll(astronaut, shift, axis=1) for shift in (0, 7, 31)]
    analyzer = Analyzer(StubClassifier(), yunet, several_views=False)
    tracker = Tracker()
    streamed = [analyzer.analyze_frame(frame, tracker, index / 25) for index, frame in enumerate(frames)]
    for faces, other in zip(analyzer.analyze_batch(frames), streamed, strict=True):
        assert len(faces) == len(other) == 1
        np.testing.assert_array_equal(faces[0].crop, other[0].crop)
        np.testing.assert_array_equal(faces[0].probabilities, other[0].raw_probabilities)


def test_a_photo_is_averaged_over_four_views_and_a_frame_is_not(astronaut, yunet):
    analyzer = Analyzer(StubClassifier(), yunet)
    views = align_views(astronaut, yunet.detect(astronaut)[0])
    rows = StubClassifier().predict(views)
    (photo,), (frame,) = analyzer.analyze(astronaut), analyzer.analyze_frame(astronaut, Tracker(), 0.0)
    np.testing.assert_array_equal(photo.crop, views[0])
    np.testing.assert_array_equal(frame.crop, views[0])
    np.testing.assert_allclose(photo.probabilities, rows.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(frame.raw_probabilities, rows[0], atol=1e-6)
    assert np.abs(photo.probabilities - frame.probabilities).max() > 1e-3


def test_a_stream_labels_the_smoothed_probabilities():
    analyzer, tracker = make_analyzer(), Tracker(smoothing_seconds=0.5)
    bright, dark = (np.full((90, 90, 3), grey, np.uint8) for grey in (200, 10))
    (first,) = analyzer.analyze_frame(bright, tracker, 0.0)
    (second,) = analyzer.analyze_frame(dark, tracker, 0.1)
    assert first.track_id == second.track_id == 1
    past = np.exp(-0.2)
    expected = first.probabilities * past + second.raw_probabilities * (1 - past)
    np.testing.assert_allclose(second.probabilities, expected, atol=1e-6)
    assert second.label == EXPRESSIONS[expected.argmax()]
    assert second.confidence == pytest.approx(expected.max(), abs=1e-6)


@pytest.fixture
def interrupted_video(tmp_path):
    """Twelve frames at 10 frames/s; the analyzer finds one person except in frames 4 to 7, whose grey is 16 to 28."""
    detector = StubDetector(lambda image: [] if 14 < image.mean() < 30 else [(5.0, 5.0, 35.0, 40.0)])
    return make_analyzer(detector), write_video(tmp_path / "a.avi", draw_frames(12), rate=10.0)


def test_a_video_gives_one_item_per_frame(interrupted_video):
    analyzer, path = interrupted_video
    items = list(analyzer.analyze_video(path))
    assert [index for index, _, _ in items] == list(range(12))
    np.testing.assert_allclose([seconds for _, seconds, _ in items], np.arange(12) / 10)
    assert [len(faces) for _, _, faces in items] == [1] * 4 + [0] * 4 + [1] * 4


def test_a_person_who_is_hidden_for_half_a_second_keeps_the_number(interrupted_video):
    analyzer, path = interrupted_video
    assert {face.track_id for _, _, faces in analyzer.analyze_video(path) for face in faces} == {1}


def test_every_fifth_frame_of_a_video(interrupted_video):
    analyzer, path = interrupted_video
    assert [index for index, _, _ in analyzer.analyze_video(path, every=5)] == [0, 5, 10]


def test_a_missing_video_is_an_error(tmp_path):
    with pytest.raises(VideoError):
        next(make_analyzer().analyze_video(tmp_path / "missing.mp4"))


def test_an_analyzed_stream_has_the_durations_of_the_frames(tmp_path):
    with VideoReader(write_irregular_video(tmp_path / "a.mkv")) as video:
        frames = list(make_analyzer(StubDetector([(5.0, 5.0, 35.0, 40.0)])).analyze_stream(Stream(video)))
    assert [len(analyzed.faces) for analyzed in frames] == [1] * 6
    assert sum(analyzed.duration for analyzed in frames) == pytest.approx(1.5)


def test_two_videos_at_once_share_nothing(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_frames(4))
    analyzer = make_analyzer(StubDetector([(5.0, 5.0, 35.0, 40.0)]))
    both = zip(analyzer.analyze_video(path), analyzer.analyze_video(path), strict=True)
    for (_, _, one), (_, _, other) in both:
        assert one[0].track_id == other[0].track_id == 1
        np.testing.assert_array_equal(one[0].probabilities, other[0].probabilities)


def test_an_explanation_is_of_the_faces_label_by_default(astronaut, yunet):
    analyzer = Analyzer(StubClassifier(), yunet)
    (face,) = analyzer.analyze(astronaut)
    assert analyzer.explain(face).shape == (48, 48)
    asked = []
    analyzer.classifier.explain = lambda faces, index: asked.append(index) or np.zeros((len(faces), 48, 48))
    analyzer.explain(face)
    analyzer.explain(face, 2)
    assert asked == [EXPRESSIONS.index(face.label), 2]


@pytest.mark.parametrize("face", [None, [], "happy"])
def test_an_explanation_of_what_is_no_face_is_refused_in_one_line(face):
    with pytest.raises(SettingsError, match=r"one fer\.Face\. Received: .*Remedy") as caught:
        make_analyzer(StubDetector([])).explain(face)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch_size", [None, "3", 0, 1.5])
def test_a_batch_size_that_is_no_positive_whole_number_is_refused(batch_size):
    with pytest.raises(SettingsError, match=r"batch_size must be .*Received: .*Remedy"):
        make_analyzer(StubDetector([])).analyze_batch([np.zeros((9, 9), np.uint8)], batch_size=batch_size)


def test_the_group_photo_has_five_faces():
    faces = Analyzer(StubClassifier()).analyze(find_media("multi_face.jpg"))
    assert len(faces) == 5
    assert all(face.warnings == () for face in faces)


def test_an_image_is_turned_upright_before_detection(tmp_path, astronaut, yunet):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.ascontiguousarray(np.rot90(astronaut))).save(path, exif=exif, quality=95)
    (face,) = Analyzer(StubClassifier(), yunet).analyze(path)
    (upright,) = Analyzer(StubClassifier(), yunet).analyze(astronaut)
    np.testing.assert_allclose(face.box, upright.box, atol=4)


def test_flip_reaches_the_classifier(astronaut, yunet):
    asked = []

    class RecordingClassifier(StubClassifier):
        def predict(self, faces, flip=False):
            asked.append(flip)
            return super().predict(faces)

    Analyzer(RecordingClassifier(), yunet, flip=True).analyze(astronaut)
    Analyzer(RecordingClassifier(), yunet).analyze(astronaut)
    assert asked == [True, False]


def test_importing_the_analysis_loads_no_network_and_no_plotting():
    code = "import sys, fer.analysis; print([n for n in ('keras', 'jax', 'matplotlib', 'pandas') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_frame_is_not_copied_before_detection(astronaut):
    """Measured in copies instead of time: the detector gets the frame itself."""
    frame = cv2.resize(astronaut, (640, 480))
    seen = []
    make_analyzer(StubDetector(lambda image: seen.append(image) or [])).analyze(frame)
    assert np.shares_memory(seen[0], frame)


def test_boxes_are_in_the_pixels_of_a_photo_that_was_read_at_reduced_size(monkeypatch):
    stream = io.BytesIO()
    Image.fromarray(np.kron(skimage.data.astronaut(), np.ones((2, 2, 1), np.uint8))).save(stream, "JPEG", quality=95)
    analyzer = Analyzer(StubClassifier(), max_side=320)
    (expected,) = analyzer.analyze(stream.getvalue())
    monkeypatch.setattr(decoding, "MAX_PIXELS", 300_000)
    (face,) = analyzer.analyze(stream.getvalue())
    (analyzed,) = analyzer.analyze_images([stream.getvalue()])
    assert (analyzed.image.shape, analyzed.scale) == ((512, 512, 3), 0.5)
    np.testing.assert_allclose(face.box, expected.box, atol=12)
    np.testing.assert_allclose(face.landmarks, expected.landmarks, atol=12)
    assert analyzed.faces[0].box == face.box


@pytest.mark.parametrize("kind", ["plain", "anamorphic", "interlaced", "turned", "recorded by a browser"])
def test_the_expression_is_that_of_the_plain_video(tmp_path, astronaut, yunet, kind):
    """The same face in a video with pixels that are not square, interlaced, or lying on its side."""
    face = cv2.resize(astronaut, (384, 384), interpolation=cv2.INTER_AREA)
    options, name = {"codec": "libx264"}, "v.mp4"
    if kind == "anamorphic":
        face, options["aspect"] = cv2.resize(face, (270, 384), interpolation=cv2.INTER_AREA), Fraction(64, 45)
    elif kind == "interlaced":
        options["codec_options"] = {"flags": "+ilme+ildct", "x264opts": "tff=1"}
    elif kind == "turned":
        face, options["rotation"] = np.rot90(face, -1), 90
    elif kind == "recorded by a browser":
        options, name = {"codec": "libvpx", "container_options": {"live": "1"}}, "v.webm"
    path = write_video(tmp_path / name, [face] * 10, 25.0, times=[index / 25 for index in range(10)], **options)
    items = list(Analyzer(max_side=320).analyze_video(path))
    assert [index for index, _, _ in items] == list(range(10))
    np.testing.assert_allclose([seconds for _, seconds, _ in items], np.arange(10) / 25, atol=2e-3)
    assert [[face.label for face in faces] for _, _, faces in items] == [["happy"]] * 10

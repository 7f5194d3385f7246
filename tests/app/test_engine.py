import threading

import numpy as np
import pytest
from app_media import build_stub_analyzer

from fer.app.engine import Engine
from fer.errors import ModelError
from fer.model.batching import run_in_batches
from fer.vision.yunet import DEFAULT_SIDE, STREAM_SIDE


def raise_error(error):
    raise error


def test_analyzers_share_one_network():
    built = []

    def build():
        built.append(build_stub_analyzer())
        return built[-1]

    photo, video, live = Engine(build).analyzers
    assert photo is built[0]
    assert photo.classifier is video.classifier is live.classifier
    assert len(built) == 1


def test_videos_are_searched_more_finely_than_cameras():
    _, video, live = Engine(build_stub_analyzer).analyzers
    assert video.detector.max_side == DEFAULT_SIDE
    assert live.detector.max_side == STREAM_SIDE


def compute_batch_sizes(face_counts):
    """Return the sizes of the batches that these numbers of faces are padded to."""
    sizes = set()

    def forward(faces):
        sizes.add(len(faces))
        return np.zeros((len(faces), 7), np.float32)

    for count in face_counts:
        run_in_batches(forward, np.zeros((count, 48, 48), np.uint8))
    return sizes


def test_batch_sizes_of_streams_are_compiled_before_the_first_viewer():
    engine = Engine(build_stub_analyzer)
    compiled = compute_batch_sizes(engine.analyzers.live.classifier.batches)
    assert {1, 8} <= compute_batch_sizes(range(1, 100))
    assert compute_batch_sizes(range(1, 100)) <= compiled


def test_is_loading_until_the_network_is_loaded():
    go = threading.Event()

    def build():
        go.wait(10)
        return build_stub_analyzer()

    engine = Engine(build)
    assert engine.is_loading
    go.set()
    assert engine.analyzers
    assert not engine.is_loading


def test_an_unexpected_error_names_the_exception_in_one_line():
    engine = Engine(lambda: raise_error(RuntimeError("no space on the device\nsecond line")))
    with pytest.raises(ModelError, match=r"Received: RuntimeError: no space on the device\. Remedy:") as caught:
        _ = engine.analyzers
    assert "\n" not in str(caught.value)


def test_an_unexpected_error_leaves_its_traceback_in_the_log(caplog):
    engine = Engine(lambda: raise_error(RuntimeError("no space on the device")))
    with pytest.raises(ModelError):
        _ = engine.analyzers
    assert "in raise_error" in caplog.text


def test_an_error_of_the_package_keeps_its_text():
    engine = Engine(lambda: raise_error(ModelError("The shipped network must be in artifacts/. Received: nothing.")))
    for _ in range(2):
        with pytest.raises(ModelError, match=r"^The shipped network must be in artifacts/\. Received: nothing\.$"):
            _ = engine.analyzers


def test_a_repeated_error_does_not_grow():
    engine = Engine(lambda: raise_error(ModelError("The shipped network must be in artifacts/.")))
    lengths = []
    for _ in range(3):
        with pytest.raises(ModelError) as caught:
            _ = engine.analyzers
        lengths.append(len(list(walk_traceback(caught.value.__cause__))))
    assert len(set(lengths)) == 1


def walk_traceback(error):
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next

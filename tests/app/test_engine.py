import threading

import numpy as np
import pytest
from app_media import build_stub_analyzer

from fer.app.engine import Engine
from fer.errors import ModelError
from fer.model.forward import run_in_batches


def test_one_network_stands_behind_all_three_and_is_loaded_once():
    built = []

    def build():
        built.append(build_stub_analyzer())
        return built[-1]

    engine = Engine(build)
    engine.start()
    assert engine.photo.classifier is engine.video.classifier is engine.live.classifier is built[0].classifier
    assert len(built) == 1


def find_sizes(counts):
    """The sizes that pictures with so many faces each are passed through the network in."""
    sizes = set()

    def forward(faces):
        sizes.add(len(faces))
        return np.zeros((len(faces), 7), np.float32)

    for count in counts:
        run_in_batches(forward, np.zeros((count, 48, 48), np.uint8))
    return sizes


def test_every_size_that_a_stream_meets_is_compiled_before_the_first_viewer():
    engine = Engine(build_stub_analyzer)
    warmed = find_sizes(engine.live.classifier.batches)
    assert {1, 8} <= find_sizes(range(1, 100))
    assert find_sizes(range(1, 100)) <= warmed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unexpected_fault_is_told_with_a_remedy():
    def build():
        raise RuntimeError("a fault in the network")

    engine = Engine(build)
    with pytest.raises(ModelError, match=r"Received: .* Remedy: see the server's log"):
        _ = engine.photo
    engine.join()


def test_loading_is_told_and_waited_for():
    go = threading.Event()

    def build():
        go.wait(10)
        return build_stub_analyzer()

    engine = Engine(build)
    assert not engine.is_loading
    engine.start()
    assert engine.is_loading
    go.set()
    engine.join()
    assert not engine.is_loading
    assert engine.live is not engine.photo


def test_every_use_says_why_the_network_cannot_be_loaded():
    def build():
        raise ModelError("The shipped network must stand there. Received: nothing.")

    engine = Engine(build)
    engine.start()
    for use in ("photo", "video", "live"):
        with pytest.raises(ModelError, match="must stand there"):
            getattr(engine, use)

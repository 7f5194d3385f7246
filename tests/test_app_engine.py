import threading

import pytest
from app_media import build_stub_analyzer

from fer.app.engine import Engine
from fer.errors import ModelError


def test_one_network_stands_behind_all_three_and_is_loaded_once():
    built = []

    def build():
        built.append(build_stub_analyzer())
        return built[-1]

    engine = Engine(build)
    engine.start()
    assert engine.photo.classifier is engine.video.classifier is engine.live.classifier is built[0].classifier
    assert len(built) == 1
    # One face and two, so that neither is compiled while a viewer waits.
    assert built[0].classifier.batches == [1, 2]


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

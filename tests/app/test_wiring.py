"""The traps of Gradio that the wiring steps around; those that only show in a running server are tested there."""

import ast
import inspect
from pathlib import Path

import pytest
from app_media import build_stub_analyzer
from vision_media import draw_frames, write_video

from fer.app.engine import Engine

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wiring():
    import gradio_app

    return gradio_app


@pytest.fixture(scope="module")
def app(wiring, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        yield wiring.build_app(Engine(build_stub_analyzer))


def find(app, name):
    return next(each for each in app.fns.values() if each.name == name or each.api_name == name)


def test_no_frame_is_dropped_by_a_trigger_mode(app):
    # "once" and "always_last" handle one frame in each time window, and look alive.
    assert find(app, "live").trigger_mode == "multiple"
    assert find(app, "live").connection == "stream"


def test_viewers_share_the_network_fairly(app, wiring):
    live = find(app, "live")
    assert live.time_limit == wiring.TURN_SECONDS
    network = {each.name for each in app.fns.values() if each.concurrency_id == "network"}
    assert network == {"live", "photo", "analyze_image"}
    assert {each.name for each in app.fns.values() if each.concurrency_id == "video"} == {"video", "analyze_video"}
    assert {find(app, name).concurrency_limit for name in network} == {wiring.VIEWERS}
    assert find(app, "video").concurrency_limit == find(app, "analyze_video").concurrency_limit == 1


def test_two_endpoints_are_public_and_describe_their_answers(app):
    from fer.app.api import IMAGE_SCHEMA, VIDEO_SCHEMA

    endpoints = app.get_api_info()["named_endpoints"]
    assert endpoints.keys() == {"/analyze_image", "/analyze_video"}
    for name, schema in (("/analyze_image", IMAGE_SCHEMA), ("/analyze_video", VIDEO_SCHEMA)):
        (answer,) = endpoints[name]["returns"]
        assert answer["type"]["properties"].keys() == schema["properties"].keys()
        assert "expressions" in endpoints[name]["description"]
    assert [each["parameter_name"] for each in endpoints["/analyze_video"]["parameters"]] == ["video", "every"]


def test_every_handler_states_what_it_returns(wiring):
    for _, method in inspect.getmembers(wiring.Events, inspect.isfunction):
        if method.__name__ != "__init__":
            assert inspect.signature(method).return_annotation is not inspect.Signature.empty


def test_telemetry_is_off_and_files_are_deleted(app, wiring):
    import os

    assert app.analytics_enabled is False
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert app.delete_cache == (60, wiring.OLDEST_FILE_SECONDS)


def test_a_frame_is_neither_written_nor_decoded_by_gradio(wiring):
    from gradio.data_classes import ImageData

    camera = wiring.CameraInput(sources=["webcam"], streaming=True)
    assert camera.preprocess(ImageData(url="data:image/jpeg;base64,AAAA")) == "data:image/jpeg;base64,AAAA"
    shown = wiring.MemoryImage().postprocess("data:image/jpeg;base64,AAAA")
    assert shown.model_dump() == {"url": "data:image/jpeg;base64,AAAA"}


def test_a_corrupt_upload_reaches_the_packages_decoder(wiring, tmp_path):
    from gradio.data_classes import FileData, ImageData

    path = tmp_path / "x.jpg"
    path.write_bytes(b"no picture")
    assert wiring.PhotoInput().preprocess(ImageData(path=str(path), orig_name="me.jpg")) == ("me.jpg", path)
    assert wiring.VideoInput().preprocess(FileData(path=str(path), orig_name="me.mp4")) == ("me.mp4", path)
    assert wiring.PhotoInput().preprocess(None) is None


def test_the_annotated_video_is_never_converted(wiring, tmp_path, monkeypatch):
    # With ffmpeg on the machine Gradio converts what it takes for unplayable, into a folder that nobody deletes.
    monkeypatch.setattr("gradio.processing_utils.ffmpeg_installed", lambda: True)
    monkeypatch.setattr("gradio.processing_utils.video_is_playable", lambda path: False)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = write_video(tmp_path / "annotated.mp4", draw_frames(3))
    shown = wiring.VideoOutput().postprocess(path)
    assert (shown.path, shown.orig_name) == (str(path), "annotated.mp4")
    assert list(tmp_path.rglob("*")) == [path]
    assert wiring.VideoOutput().postprocess(None) is None


def test_own_components_use_gradios_frontend(wiring):
    components = (wiring.PhotoInput, wiring.VideoInput, wiring.CameraInput, wiring.MemoryImage, wiring.VideoOutput)
    for kind in (*components, wiring.Answer):
        assert kind.is_template
        assert kind.__base__.__module__.startswith("gradio.components"), "templates look at the first base"


def test_the_wiring_is_only_wiring():
    source = (ROOT / "gradio_app.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    assert len(source.splitlines()) <= 350
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert max(node.end_lineno - node.lineno for node in functions) < 60
    for path in (ROOT / "fer" / "app").glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) < 400
        assert not any(line.startswith(("import gradio", "from gradio")) for line in lines)

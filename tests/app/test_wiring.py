"""The wiring of gradio_app.py and fer.app.web, without a server: settings of Gradio that look right and are not."""

import ast
import gc
import inspect
import os
import socket
from pathlib import Path

import pytest
from app_media import build_stub_analyzer
from vision_media import draw_frames, write_video

from fer.app.engine import Engine
from fer.app.sessions import Sessions
from fer.errors import SettingsError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wiring():
    import gradio_app

    return gradio_app


@pytest.fixture(scope="module")
def components(wiring):
    from fer.app.web import components

    return components


@pytest.fixture(scope="module")
def app(wiring, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        engine = Engine(build_stub_analyzer)
        yield wiring.build_app(engine, Sessions(folder))
        engine.join()


def find_event(app, name):
    return next(event for event in app.fns.values() if event.name == name or event.api_name == name)


def list_events(app, queue):
    return {event.name for event in app.fns.values() if event.concurrency_id == queue}


def test_no_frame_is_dropped_by_a_trigger_mode(app):
    # "once" and "always_last" handle one frame in each time window, and look alive.
    assert find_event(app, "live").trigger_mode == "multiple"
    assert find_event(app, "live").connection == "stream"


def test_a_live_viewer_has_a_time_limit(app, wiring):
    assert find_event(app, "live").time_limit == wiring.TURN_SECONDS


def test_live_and_photos_share_the_queue_of_the_network(app, wiring):
    assert list_events(app, "network") == {"live", "photo", "analyze_image"}
    assert {find_event(app, name).concurrency_limit for name in ("live", "photo", "analyze_image")} == {wiring.VIEWERS}


def test_the_buttons_of_the_neutral_face_do_not_wait_in_the_queue(app):
    for name in ("neutral", "clear_neutral"):
        assert find_event(app, name).queue is False


def test_videos_run_one_at_a_time_in_their_own_queue(app):
    assert list_events(app, "video") == {"video", "analyze_video"}
    assert find_event(app, "video").concurrency_limit == find_event(app, "analyze_video").concurrency_limit == 1


@pytest.fixture(scope="module")
def endpoints(app):
    return app.get_api_info()["named_endpoints"]


def test_two_endpoints_are_public(endpoints):
    assert endpoints.keys() == {"/analyze_image", "/analyze_video"}


def test_the_endpoints_describe_their_answers(endpoints):
    from fer.app.api import IMAGE_SCHEMA, VIDEO_SCHEMA

    for name, schema in (("/analyze_image", IMAGE_SCHEMA), ("/analyze_video", VIDEO_SCHEMA)):
        (answer,) = endpoints[name]["returns"]
        assert answer["type"]["properties"].keys() == schema["properties"].keys()
        assert "expressions" in endpoints[name]["description"]


def test_the_endpoints_keep_the_names_of_their_parameters(endpoints):
    names = {name: [each["parameter_name"] for each in endpoint["parameters"]] for name, endpoint in endpoints.items()}
    assert names == {"/analyze_image": ["image"], "/analyze_video": ["video", "every"]}


def test_the_endpoint_accepts_any_step(endpoints):
    (step,) = [each for each in endpoints["/analyze_video"]["parameters"] if each["parameter_name"] == "every"]
    assert "enum" not in step["type"]
    assert step["type"]["type"] in ("number", "integer")


def test_every_event_annotates_what_it_returns(wiring):
    from fer.app.web.events import Events

    # Gradio reads the annotations of an event's arguments; a missing one shifts them.
    for _, method in inspect.getmembers(Events, inspect.isfunction):
        assert method.__name__ == "__init__" or inspect.signature(method).return_annotation is not inspect._empty


def test_telemetry_is_off(app):
    assert app.analytics_enabled is False
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_gradio_does_not_decode_a_camera_frame(components):
    from gradio.data_classes import ImageData

    camera = components.CameraInput(sources=["webcam"], streaming=True)
    assert camera.preprocess(ImageData(url="data:image/jpeg;base64,AAAA")) == "data:image/jpeg;base64,AAAA"


def test_gradio_does_not_write_the_live_image_to_a_file(components):
    image = components.MemoryImage().postprocess("data:image/jpeg;base64,AAAA")
    assert image.model_dump() == {"url": "data:image/jpeg;base64,AAAA"}


def test_gradio_does_not_convert_the_annotated_video(components, tmp_path, monkeypatch):
    # If ffmpeg is installed, Gradio converts videos that it considers unplayable, and never deletes the copy.
    monkeypatch.setattr("gradio.processing_utils.ffmpeg_installed", lambda: True)
    monkeypatch.setattr("gradio.processing_utils.video_is_playable", lambda path: False)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = write_video(tmp_path / "annotated.mp4", draw_frames(3))
    shown = components.VideoOutput().postprocess(path)
    assert (shown.path, shown.orig_name) == (str(path), "annotated.mp4")
    assert list(tmp_path.rglob("*")) == [path]


def test_the_app_shows_the_annotated_video_as_it_is(app, components):
    (annotated,) = [block for block in app.blocks.values() if getattr(block, "elem_id", None) == "video-annotated"]
    assert isinstance(annotated, components.VideoOutput)
    assert annotated.postprocess(None) is None


def test_gradio_does_not_decode_an_upload(components, tmp_path):
    from gradio.data_classes import FileData, ImageData

    path = tmp_path / "x.jpg"
    path.write_bytes(b"not an image")
    assert components.PhotoInput().preprocess(ImageData(path=str(path), orig_name="me.jpg")) == ("me.jpg", path)
    assert components.VideoInput().preprocess(FileData(path=str(path), orig_name="me.mp4")) == ("me.mp4", path)


def test_an_empty_photo_input_has_no_upload(components):
    assert components.PhotoInput().preprocess(None) is None


@pytest.mark.parametrize("name", ["PhotoInput", "VideoInput", "CameraInput", "MemoryImage", "VideoOutput", "Answer"])
def test_components_keep_gradios_frontend(components, name):
    component = getattr(components, name)
    assert component.is_template
    assert component.__base__.__module__.startswith("gradio.components"), "Gradio looks at the first base class"


def launch_in_vain(wiring, app, port, tmp_path):
    """Return the message of a launch that fails, and close the sockets that Gradio leaves open."""
    with pytest.raises(SettingsError) as caught:
        wiring.launch(app, None, Sessions(tmp_path), port=port)
    message = str(caught.value)
    del caught
    gc.collect()
    return message


@pytest.mark.filterwarnings("ignore:.*unclosed:pytest.PytestUnraisableExceptionWarning", "ignore:unclosed")
def test_a_port_out_of_range_is_one_line(app, wiring, tmp_path):
    message = launch_in_vain(wiring, app, 80000, tmp_path)
    assert "65535" in message
    assert "--port" in message
    assert "\n" not in message


@pytest.mark.filterwarnings("ignore:.*unclosed:pytest.PytestUnraisableExceptionWarning", "ignore:unclosed")
def test_a_port_in_use_is_one_line(app, wiring, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = launch_in_vain(wiring, app, port, tmp_path)
    assert str(port) in message
    assert "--port" in message
    assert "\n" not in message


def test_the_wiring_imports_only_the_apps_package():
    """gradio_app.py holds no logic, so it needs no other part of the package."""
    tree = ast.parse((ROOT / "gradio_app.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported = {module for module in modules if module.startswith("fer")}
    assert imported - {"fer.errors"}
    assert all(module.startswith("fer.app") for module in imported - {"fer.errors"})

"""The endpoints for programs, without the page."""

import asyncio
import base64
import io
import threading

import jsonschema
import numpy as np
import pytest
from app_media import build_stub_analyzer
from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient
from vision_media import draw_frames, write_video

from fer.app import rest
from fer.app.api import IMAGE_SCHEMA, VIDEO_SCHEMA
from fer.app.engine import Engine
from fer.app.rest import Limiter, build_openapi, build_routes
from fer.app.sessions import Sessions
from fer.errors import ModelError


def build_client(tmp_path, build=build_stub_analyzer):
    engine = Engine(build)
    client = TestClient(Starlette(routes=build_routes(engine, Sessions(tmp_path))))
    client.engine = engine
    return client


@pytest.fixture
def client(tmp_path):
    client = build_client(tmp_path)
    client.engine.join()
    return client


@pytest.fixture(scope="module")
def photo():
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(content, "PNG")
    return content.getvalue()


def send_form(client, content):
    return client.post("/v1/image", files={"file": ("photo.png", content)})


def send_json(client, content):
    return client.post("/v1/image", json={"file": base64.b64encode(content).decode()})


def send_body(client, content):
    return client.post("/v1/image", content=content, headers={"content-type": "image/png"})


@pytest.mark.parametrize("send", [send_form, send_json, send_body])
def test_one_request_answers_with_the_faces_of_an_image(client, photo, send):
    response = send(client, photo)
    assert response.status_code == 200
    jsonschema.validate(response.json(), IMAGE_SCHEMA)
    assert (response.json()["width"], response.json()["height"]) == (64, 48)
    assert response.json()["faces"][0]["box"] == [8, 8, 40, 40]


@pytest.mark.parametrize("every", [1, 3])
def test_one_request_answers_with_the_frames_of_a_video(client, tmp_path, every):
    path = write_video(tmp_path / "talk.mp4", draw_frames(9, 64, 48))
    response = client.post(f"/v1/video?every={every}", files={"file": path.read_bytes()})
    jsonschema.validate(response.json(), VIDEO_SCHEMA)
    assert [frame["frame"] for frame in response.json()["frames"]] == list(range(0, 9, every))
    assert not [*(tmp_path / "results").rglob("video")]


@pytest.mark.parametrize("send", [send_form, send_json, send_body])
def test_a_file_that_is_no_image_is_an_error_of_one_line(client, send):
    response = send(client, b"no image")
    assert response.status_code == 422
    assert "Remedy" in response.json()["error"]
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize(
    "request_options",
    [
        {"content": b""},
        {"data": {"file": "text"}, "files": {"other": b"1"}},
        {"json": {"image": "AAAA"}},
        {"json": {"file": "no base64!"}},
        {"json": ["AAAA"]},
        {"json": {"file": None}},
        {"content": b"{" * 100_000, "headers": {"content-type": "application/json"}},
        {"content": b"[" * 100_000, "headers": {"content-type": "application/json"}},
        {"content": b"broken", "headers": {"content-type": "multipart/form-data"}},
        {"content": b"broken", "headers": {"content-type": "multipart/form-data; boundary=x"}},
    ],
)
def test_a_request_without_a_file_is_refused(client, request_options):
    response = client.post("/v1/image", **request_options)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize("send", [send_form, send_json, send_body])
def test_a_file_that_is_too_large_is_refused(client, monkeypatch, send):
    monkeypatch.setattr(rest, "MAX_IMAGE_BYTES", 1000)
    assert send(client, b"1" * 1001).status_code == 413
    assert send(client, b"1" * 3 * 2**20).status_code == 413


@pytest.mark.parametrize("every", ["0", "-1", "x", "1.5", "9" * 5000, "²"])
def test_a_wrong_step_is_refused(client, every):
    response = client.post("/v1/video", params={"every": every}, content=b"1")
    assert response.status_code == 400
    assert len(response.json()["error"]) < 300


def test_readiness_follows_the_network(tmp_path, photo):
    loaded = threading.Event()

    def build():
        loaded.wait(30)
        return build_stub_analyzer()

    client = build_client(tmp_path, build)
    assert client.get("/health").status_code == 200
    assert client.get("/ready").json() == {"status": "loading"}
    loaded.set()
    client.engine.join()
    assert client.get("/ready").status_code == 200


def test_a_network_that_cannot_be_loaded_is_not_ready(tmp_path, photo):
    def build():
        raise ModelError("No network. Remedy: none.")

    client = build_client(tmp_path, build)
    client.engine.join()
    assert client.get("/health").status_code == 200
    assert client.get("/ready").status_code == 503
    assert send_body(client, photo).status_code == 422


def test_the_description_names_every_route(client):
    paths = client.get("/v1/openapi.json").json()["paths"]
    for path, methods in paths.items():
        for method in methods:
            assert client.request(method, path).status_code not in (404, 405)
    assert paths == build_openapi()["paths"]


def test_requests_beyond_the_limit_are_refused():
    limiter = Limiter(running=1, waiting=1)
    with limiter.admit(), limiter.admit(), pytest.raises(HTTPException) as refused, limiter.admit():
        pass
    assert refused.value.status_code == 503
    with limiter.admit():
        pass


def test_a_slow_request_holds_up_no_other(tmp_path, photo, monkeypatch):
    monkeypatch.setattr(rest, "_IMAGES", (1, 1))
    engine = Engine(build_stub_analyzer)
    engine.join()
    app = Starlette(routes=build_routes(engine, Sessions(tmp_path)))

    async def run():
        arrived = asyncio.Event()

        async def receive_slowly():
            await arrived.wait()
            return {"type": "http.request", "body": photo}

        async def receive():
            return {"type": "http.request", "body": photo}

        async def call(receive):
            status = []

            async def send(message):
                status.append(message.get("status"))

            scope = {"type": "http", "method": "POST", "path": "/v1/image", "headers": [], "query_string": b""}
            await app(scope, receive, send)
            return status[0]

        slow = asyncio.create_task(call(receive_slowly))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(call(receive), 30) == 200
        arrived.set()
        assert await asyncio.wait_for(slow, 30) == 200

    asyncio.run(run())

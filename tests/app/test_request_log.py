import json

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from fer.app.request_log import RequestLog, shorten_path


async def answer(request):
    await request.body()
    return PlainTextResponse("an answer", 201)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def client(lines):
    routes = [Route("/v1/image", answer, methods=["POST"])]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(RequestLog, write=lines.append)]))


def test_a_request_is_a_line_of_json(client, lines):
    client.post("/v1/image?name=secret", content=b"12345")
    (entry,) = map(json.loads, lines)
    assert entry["milliseconds"] >= 0
    assert {key: entry[key] for key in ("method", "path", "status", "received_bytes")} == {
        "method": "POST",
        "path": "/v1/image",
        "status": 201,
        "received_bytes": 5,
    }


def test_a_path_that_does_not_exist_is_not_logged(client, lines):
    client.get("/my-name/is-secret")
    assert "secret" not in lines[0]
    assert json.loads(lines[0])["status"] == 404


@pytest.mark.parametrize("path", ["/gradio_api/file=/tmp/anna.jpg", "/gradio_api/heartbeat/anna", "/gradio_api"])
def test_names_of_files_and_visitors_are_cut(path):
    assert "anna" not in shorten_path(path)
    assert shorten_path(path).startswith("/gradio_api")

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from fer.app.server import build_server_options
from fer.app.sessions import Sessions


@pytest.fixture
def client(tmp_path):
    options = build_server_options(None, Sessions(tmp_path), None, "")
    answer = Route("/{path:path}", lambda request: PlainTextResponse("answered"))
    with TestClient(Starlette(**options | {"routes": [*options["routes"], answer]})) as client:
        yield client


@pytest.mark.parametrize("path", ["/gradio_api/file=http://a.example/b", "/file=https://a.example/b", "/file=HTTP://a"])
def test_a_file_at_an_address_is_refused(client, path):
    assert client.get(path).status_code == 403


def test_other_requests_are_answered_with_security_headers(client):
    answer = client.get("/gradio_api/file=/tmp/a.jpg")
    assert answer.text == "answered"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"

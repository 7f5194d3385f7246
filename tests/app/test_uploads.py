import asyncio

import pytest
from starlette.applications import Starlette
from starlette.formparsers import MultiPartException
from starlette.testclient import TestClient

from fer.app.sessions import Sessions
from fer.app.uploads import PATH, build_upload_route


async def save_body(request, folder):
    (folder / "a.jpg").write_bytes(await request.body())
    return [str(folder / "a.jpg")]


@pytest.fixture
def sessions(tmp_path):
    return Sessions(tmp_path)


def post(sessions, content, save=save_body, **options):
    route = build_upload_route(sessions, save, **({"max_bytes": 1000} | options))
    return TestClient(Starlette(routes=[route])).post(PATH, content=content)


def test_equal_uploads_are_different_files(sessions):
    paths = {post(sessions, b"x").json()[0] for _ in range(2)}
    assert len(paths) == 2


def test_a_body_above_the_limit_is_refused_even_in_parts(sessions):
    answer = post(sessions, (b"x" * 2**16 for _ in range(100)))
    assert answer.status_code == 413
    assert list(sessions.uploads.iterdir()) == []


def test_an_upload_that_takes_too_long_is_broken_off(sessions):
    async def wait(request, folder):
        await asyncio.sleep(30)

    answer = post(sessions, b"x", wait, seconds=0.05)
    assert answer.status_code == 408
    assert list(sessions.uploads.iterdir()) == []


@pytest.mark.parametrize(("message", "status"), [("File size exceeded maximum allowed size", 413), ("no form", 400)])
def test_a_bad_form_is_refused(sessions, message, status):
    async def fail(request, folder):
        raise MultiPartException(message)

    answer = post(sessions, b"x", fail)
    assert (answer.status_code, answer.text) == (status, message)
    assert list(sessions.uploads.iterdir()) == []

"""The endpoints of a running server, asked by Gradio's own client, and what the server keeps and gives away."""

import json
import time
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from app_media import APP, list_files, read_astronaut
from PIL import Image

import fer
from fer.app.api import describe_image
from fer.vision.video import VideoWriter


@pytest.fixture(scope="module")
def client(app_server):
    from gradio_client import Client

    client = Client(app_server.url, verbose=False, analytics_enabled=False)
    yield client
    client.close()


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("portrait") / "portrait.png"
    Image.fromarray(read_astronaut()).save(path)
    return path


def send(path):
    from gradio_client import handle_file

    return handle_file(str(path))


def wait_until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def test_analyze_image_answers_as_the_package_does_and_keeps_nothing(client, app_server, portrait):
    answer = client.predict(send(portrait), api_name="/analyze_image")
    image = np.asarray(Image.open(portrait))
    expected = describe_image(image, fer.Analyzer().analyze(image))
    assert answer["width"] == image.shape[1]
    assert [face["label"] for face in answer["faces"]] == [face["label"] for face in expected["faces"]]
    np.testing.assert_allclose(answer["faces"][0]["box"], expected["faces"][0]["box"], atol=0.2)
    for name, value in expected["faces"][0]["probabilities"].items():
        assert answer["faces"][0]["probabilities"][name] == pytest.approx(value, abs=1e-3)
    assert list_files(app_server.temporary) == []


def test_analyze_video_answers_every_frame_and_keeps_nothing(client, app_server, tmp_path):
    path, image = tmp_path / "talk.mp4", read_astronaut()
    with VideoWriter(path, 20.0) as writer:
        for _ in range(20):
            writer.write(image)
    answer = client.predict(send(path), 5, api_name="/analyze_video")
    assert [frame["frame"] for frame in answer["frames"]] == [0, 5, 10, 15]
    assert [frame["faces"][0]["track_id"] for frame in answer["frames"]] == [1] * 4
    assert answer["people"][0]["seconds"] == pytest.approx(1.0, abs=0.05)
    assert list_files(app_server.temporary) == []


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("cut.jpg", b"\xff\xd8\xff\xe0" + b"0" * 50, "cut.jpg"),
        ("text.png", b"no picture at all", "text.png"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing.svg"),
    ],
)
def test_a_bad_picture_gives_a_sentence_that_names_it_and_no_path(
    client, app_server, tmp_path, name, content, sentence
):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Exception, match="Received") as caught:
        client.predict(send(path), api_name="/analyze_image")
    assert sentence in str(caught.value)
    for part in ("Traceback", str(app_server.temporary), "site-packages"):
        assert part not in str(caught.value)
    assert list_files(app_server.temporary) == []


@pytest.mark.parametrize("name", ["portrait.jpg", "seven drawn expressions.png"])
def test_an_example_that_an_endpoint_is_handed_stays(client, app_server, name):
    (path,) = app_server.temporary.rglob(f"examples/{name}")
    sent = {"path": str(path), "orig_name": name, "meta": {"_type": "gradio.FileData"}}
    assert client.predict(sent, api_name="/analyze_image")["faces"]
    assert path.is_file()


def test_a_bad_video_gives_a_sentence(client, app_server, tmp_path):
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"no video" * 100)
    with pytest.raises(Exception, match=r"talk\.mp4") as caught:
        client.predict(send(path), 1, api_name="/analyze_video")
    assert str(app_server.temporary) not in str(caught.value)
    assert list_files(app_server.temporary) == []


def test_no_file_of_the_server_can_be_read(app_server):
    secret = APP.parent / "pyproject.toml"
    run = APP.parent / "artifacts" / "xception" / "model.keras"
    for path in (secret, run, "/etc/passwd", f"{app_server.temporary}/../../etc/passwd"):
        answer = httpx.get(f"{app_server.url}/gradio_api/file={quote(str(path))}")
        assert answer.status_code in (403, 404), path
    body = {"data": [{"path": str(secret), "meta": {"_type": "gradio.FileData"}}]}
    answer = httpx.post(f"{app_server.url}/gradio_api/call/analyze_image", json=body)
    if answer.is_success:
        url = f"{app_server.url}/gradio_api/call/analyze_image/{answer.json()['event_id']}"
        assert "event: complete" not in httpx.get(url, timeout=30).text
    assert secret.exists()
    assert "file://" not in json.dumps(httpx.get(f"{app_server.url}/config").json())


def test_an_upload_above_the_cap_is_refused(app_server):
    class Zeros:
        left = 201 * 2**20

        def read(self, size=-1):
            size = min(self.left, size if size > 0 else self.left)
            self.left -= size
            return b"\0" * size

    answer = httpx.post(f"{app_server.url}/gradio_api/upload", files={"files": ("big.mp4", Zeros())}, timeout=120)
    assert answer.status_code == 413
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_page_of_another_origin_may_not_ask(app_server):
    answer = httpx.get(f"{app_server.url}/config", headers={"Origin": "http://evil.example"})
    assert answer.headers.get("access-control-allow-origin") != "http://evil.example"

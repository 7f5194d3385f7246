"""The endpoints of a running server, called by Gradio's client, and the server's protection of files."""

import json
import os
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from app_media import APP, list_files, read_astronaut
from PIL import Image
from vision_media import write_video

import fer
from fer.app.api import describe_image
from fer.bench.api_clients import ApiClient, open_upload, run_together, send_together
from fer.runs import SHIPPED_RUNS
from fer.vision.video_writer import VideoWriter


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


def test_analyze_image_answers_like_the_package(client, portrait):
    answer = client.predict(send(portrait), api_name="/analyze_image")
    image = np.asarray(Image.open(portrait))
    expected = describe_image(image, fer.Analyzer().analyze(image))
    assert answer["width"] == image.shape[1]
    assert [face["label"] for face in answer["faces"]] == [face["label"] for face in expected["faces"]]
    np.testing.assert_allclose(answer["faces"][0]["box"], expected["faces"][0]["box"], atol=0.2)
    for name, value in expected["faces"][0]["probabilities"].items():
        assert answer["faces"][0]["probabilities"][name] == pytest.approx(value, abs=1e-3)


def test_analyze_image_keeps_no_file(client, app_server, portrait):
    client.predict(send(portrait), api_name="/analyze_image")
    assert list_files(app_server.temporary) == []


def test_analyze_video_answers_each_frame_and_keeps_no_file(client, app_server, tmp_path):
    path, image = tmp_path / "talk.mp4", read_astronaut()
    with VideoWriter(path, 20.0) as writer:
        for _ in range(20):
            writer.write(image)
    answer = client.predict(send(path), 5, api_name="/analyze_video")
    assert [frame["frame"] for frame in answer["frames"]] == [0, 5, 10, 15]
    assert [frame["faces"][0]["track_id"] for frame in answer["frames"]] == [1] * 4
    assert answer["people"][0]["seconds"] == pytest.approx(1.0, abs=0.05)
    assert list_files(app_server.temporary) == []


def test_a_client_never_gets_the_face_of_another_clients_video(app_server, tmp_path):
    """An interlaced plain white video, sent after one with a face, was once answered with that face."""
    from gradio_client import Client

    portrait = write_video(tmp_path / "face.mp4", [read_astronaut()] * 5, codec="libx264")
    options = {"flags": "+ilme+ildct", "x264opts": "tff=1"}
    frames = [np.full((480, 480, 3), 255, np.uint8)] * 5
    white = write_video(tmp_path / "white.mp4", frames, codec="libx264", codec_options=options)
    clients = [Client(app_server.url, verbose=False, analytics_enabled=False) for _ in range(2)]
    for _ in range(2):
        seen, unseen = (
            client.predict(send(path), 1, api_name="/analyze_video")
            for client, path in zip(clients, (portrait, white), strict=True)
        )
        assert [len(frame["faces"]) for frame in seen["frames"]] == [1] * 5
        assert [len(frame["faces"]) for frame in unseen["frames"]] == [0] * 5
    for client in clients:
        client.close()


def test_a_file_that_two_clients_send_is_not_removed_by_the_first(client, app_server, portrait):
    """Both are uploaded before the first is analyzed; equal files once had one path."""
    content = portrait.read_bytes()
    with ApiClient(app_server.url) as ada, ApiClient(app_server.url) as ben:
        paths = [client.upload("portrait.png", content) for client in (ada, ben)]
        assert paths[0] != paths[1]
        for client, path in zip((ada, ben), paths, strict=True):
            assert len(client.call("analyze_image", path, "portrait.png")["faces"]) == 1
    assert list_files(app_server.temporary) == []


def test_a_file_of_a_photo_tab_is_not_removed_by_an_endpoint(app_server, portrait):
    page, content = uuid.uuid4().hex, portrait.read_bytes()
    with ApiClient(app_server.url) as client:
        kept = client.upload("portrait.png", content)
        body = {
            "data": [{"path": kept, "orig_name": "portrait.png", "meta": {"_type": "gradio.FileData"}}, False],
            "fn_index": find_event(app_server, "photo"),
            "session_hash": page,
        }
        httpx.post(f"{app_server.url}/gradio_api/queue/join", json=body).raise_for_status()
        client.analyze("analyze_image", "portrait.png", content)
        assert Path(kept).is_file()
        with httpx.stream("GET", f"{app_server.url}/gradio_api/queue/data?session_hash={page}", timeout=60) as stream:
            assert any("fer-card" in line for line in stream.iter_lines())
    os.unlink(kept)


def find_event(server, name):
    events = httpx.get(f"{server.url}/config").json()["dependencies"]
    return next(event["id"] for event in events if event["api_name"] == name)


def test_32_clients_that_send_the_same_photo_get_their_answers(app_server, portrait):
    reports = send_together(app_server.url, portrait.read_bytes(), 32, 4.0)
    assert [error for report in reports for error in report.errors] == []
    assert all(report.seconds for report in reports)
    assert list_files(app_server.temporary) == []


def test_32_clients_that_send_the_built_in_example_get_their_answers(app_server):
    (path,) = app_server.temporary.rglob("examples/two people.jpg")
    faces, errors = [], []

    def call():
        with ApiClient(app_server.url) as client:
            try:
                faces.append(len(client.call("analyze_image", str(path), "people.jpg")["faces"]))
            except (httpx.HTTPError, ValueError) as error:
                errors.append(str(error))

    run_together([call] * 32)
    assert errors == []
    assert faces == [2] * 32
    assert path.is_file()


def test_a_video_that_two_clients_send_is_not_removed_by_the_first(app_server, tmp_path):
    content = write_video(tmp_path / "talk.mp4", [read_astronaut()] * 3, codec="libx264").read_bytes()
    with ApiClient(app_server.url) as ada, ApiClient(app_server.url) as ben:
        paths = [client.upload("talk.mp4", content) for client in (ada, ben)]
        for client, path in zip((ada, ben), paths, strict=True):
            assert len(client.call("analyze_video", path, "talk.mp4", 1)["frames"]) == 3
    assert list_files(app_server.temporary) == []


def test_an_upload_that_breaks_off_leaves_no_file(app_server):
    with open_upload(app_server.url) as upload:
        upload.sendall(b"x" * 100_000)
        assert wait_until(lambda: list_files(app_server.temporary) != [])
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_slow_upload_holds_no_place(app_server, portrait):
    with ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(open_upload(app_server.url)).sendall(b"x" * 1000)
        with ApiClient(app_server.url) as client:
            assert client.analyze("analyze_image", "portrait.png", portrait.read_bytes())["faces"]
    assert wait_until(lambda: list_files(app_server.temporary) == [])


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.jpg", "https://example.org/a.jpg"])
def test_no_address_is_fetched(app_server, address):
    for name in ("gradio_api/file=", "file="):
        answer = httpx.get(f"{app_server.url}/{name}{address}")
        assert (answer.status_code, answer.text) == (403, "Only files of this server are served.")
    with ApiClient(app_server.url) as client, pytest.raises(ValueError, match="must be uploaded"):
        client.call("analyze_image", address, "a.jpg")


@pytest.mark.parametrize("text", ["ffconcat version 1.0\nfile {path}\n", "#EXTM3U\n#EXTINF:1,\n{path}\n"])
def test_an_upload_cannot_show_another_video_of_the_server(client, tmp_path, text):
    secret = write_video(tmp_path / "secret.mp4", [read_astronaut()] * 3, codec="libx264")
    (tmp_path / "list.mp4").write_text(text.format(path=secret))
    with pytest.raises(Exception, match=r"list\.mp4"):
        client.predict(send(tmp_path / "list.mp4"), 1, api_name="/analyze_video")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.jpg", b"\xff\xd8\xff\xe0" + b"0" * 50),
        ("text.png", b"not an image"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ],
)
def test_a_bad_image_gives_an_error_with_its_name_and_no_path(client, app_server, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Exception, match="Received") as caught:
        client.predict(send(path), api_name="/analyze_image")
    assert name in str(caught.value)
    for part in ("Traceback", str(app_server.temporary), "site-packages"):
        assert part not in str(caught.value)
    assert list_files(app_server.temporary) == []


@pytest.mark.parametrize("name", ["two people.jpg", "seven drawn people.png"])
def test_an_example_sent_to_an_endpoint_is_not_removed(client, app_server, name):
    (path,) = app_server.temporary.rglob(f"examples/{name}")
    sent = {"path": str(path), "orig_name": name, "meta": {"_type": "gradio.FileData"}}
    assert client.predict(sent, api_name="/analyze_image")["faces"]
    assert path.is_file()


def test_a_bad_video_gives_an_error_with_its_name_and_no_path(client, app_server, tmp_path):
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"not a video" * 100)
    with pytest.raises(Exception, match=r"talk\.mp4") as caught:
        client.predict(send(path), 1, api_name="/analyze_video")
    assert str(app_server.temporary) not in str(caught.value)
    assert list_files(app_server.temporary) == []


SECRET = APP.parent / "pyproject.toml"


@pytest.mark.parametrize("path", [SECRET, SHIPPED_RUNS[-1] / "model.keras", "/etc/passwd", "{root}/../../etc/passwd"])
def test_no_file_of_the_server_can_be_downloaded(app_server, path):
    path = str(path).format(root=app_server.temporary)
    assert httpx.get(f"{app_server.url}/gradio_api/file={quote(path)}").status_code in (403, 404)


def test_an_endpoint_reads_no_file_of_the_server(app_server):
    body = {"data": [{"path": str(SECRET), "meta": {"_type": "gradio.FileData"}}]}
    answer = httpx.post(f"{app_server.url}/gradio_api/call/analyze_image", json=body)
    if answer.is_success:
        url = f"{app_server.url}/gradio_api/call/analyze_image/{answer.json()['event_id']}"
        assert "event: complete" not in httpx.get(url, timeout=30).text
    assert SECRET.exists()


def test_the_page_names_no_file_of_the_server(app_server):
    assert "file://" not in json.dumps(httpx.get(f"{app_server.url}/config").json())


def test_an_upload_above_the_limit_is_refused(app_server):
    class Zeros:
        left = 201 * 2**20

        def read(self, size=-1):
            size = min(self.left, size if size > 0 else self.left)
            self.left -= size
            return b"\0" * size

    answer = httpx.post(f"{app_server.url}/gradio_api/upload", files={"files": ("big.mp4", Zeros())}, timeout=120)
    assert answer.status_code == 413
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_page_of_another_origin_is_refused(app_server):
    answer = httpx.get(f"{app_server.url}/config", headers={"Origin": "http://evil.example"})
    assert answer.headers.get("access-control-allow-origin") != "http://evil.example"

"""The folder of a static Space, and its page in Chromium."""

import functools
import http.server
import json
import re
import threading

import numpy as np
import pytest
from app_media import SCREENSHOTS, read_astronaut
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from vision_media import MEDIA

import fer
from fer import commands
from fer.app import static_space
from fer.app.drawn_people import draw_group
from fer.bench.camera import pan_over, read_portrait
from fer.bench.chromium import find_chromium, open_chromium, write_camera_video
from fer.errors import ModelError, SettingsError, SpaceError

needs_chromium = pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="session")
def runtime():
    """The npm package of ONNX Runtime Web, downloaded once."""
    path = MEDIA / f"onnxruntime-web-{static_space.RUNTIME_VERSION}.tgz"
    if not path.is_file():
        try:
            content = static_space.fetch_runtime()
        except SpaceError as error:
            pytest.skip(str(error))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory, runtime):
    pytest.importorskip("onnx", reason="needs pip install 'fer-dl[export]'")
    folder = tmp_path_factory.mktemp("static") / "space"
    commands.space(str(folder), static=True, runtime=str(runtime), log=str)
    return folder


def test_the_folder_is_a_static_space(folder):
    from huggingface_hub import metadata_load

    front = metadata_load(folder / "README.md")
    assert front["sdk"] == "static"
    assert (folder / front["app_file"]).is_file()


def test_the_page_keeps_every_file_of_the_folder(folder):
    files = json.loads((folder / "settings.json").read_text())["files"]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {*files} == {*names, "./"} - {"README.md"}


def test_a_second_build_replaces_the_first(folder, runtime, tmp_path):
    for _ in range(2):
        commands.space(str(tmp_path / "space"), static=True, runtime=str(runtime), log=str)
    assert (tmp_path / "space" / "index.html").is_file()


def test_another_package_is_refused(tmp_path):
    (tmp_path / "other.tgz").write_bytes(b"something else")
    with pytest.raises(SpaceError, match=r"sha256 e29355.*other\.tgz"):
        static_space.read_runtime(tmp_path / "other.tgz")


def test_a_missing_package_is_one_line(tmp_path):
    with pytest.raises(SpaceError, match="--runtime"):
        static_space.read_runtime(tmp_path / "missing.tgz")


def test_a_network_that_was_not_exported_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_MODEL", str(tmp_path))
    with pytest.raises(ModelError, match="invoke export"):
        static_space.build_static_space(tmp_path / "space")


def test_the_option_for_the_package_needs_a_static_space():
    with pytest.raises(SettingsError, match="--static"):
        commands.space(runtime="a.tgz")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(folder):
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    SCREENSHOTS.mkdir(exist_ok=True)
    camera = write_camera_video(pan_over(read_portrait(), 100), tmp_path_factory.mktemp("camera") / "camera.mjpeg")
    with open_chromium(camera) as browser:
        yield browser


@pytest.fixture
def visit(server):
    """Open the page; the test fails if it requests another host or reports an error."""
    url = f"http://127.0.0.1:{server.server_port}/"
    requested, errors, contexts = [], [], []

    def visit(browser, **settings):
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(url)
        page.wait_for_selector("#people li", timeout=60_000)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not [address for address in requested if not address.startswith((url, "blob:"))]
    assert not errors


def wait_for_status(page, pattern):
    page.wait_for_function(f"() => {pattern}.test(document.querySelector('#status').textContent)", timeout=60_000)


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("name", ["astronaut", "drawn"])
def test_the_answers_are_those_of_the_analyzer(visit, browser, tmp_path, name):
    image = read_astronaut() if name == "astronaut" else draw_group()
    Image.fromarray(image).save(tmp_path / "photo.png")
    page = visit(browser)
    page.locator("#photo").set_input_files(tmp_path / "photo.png")
    wait_for_status(page, r"/^photo\.png: \d/")
    cards = page.locator("#people li").evaluate_all("cards => cards.map(card => ({...card.dataset}))")
    expected = fer.Analyzer().analyze(image)
    assert len(cards) == len(expected) > 0
    for card, face in zip(cards, expected, strict=True):
        np.testing.assert_allclose(json.loads(card["box"]), face.box, atol=2)
        np.testing.assert_allclose(json.loads(card["probabilities"]), face.probabilities, atol=1e-2)


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("laptop", {"viewport": {"width": 1366, "height": 768}}),
        ("phone", {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "is_mobile": True}),
    ],
)
def test_the_camera_gives_frames(visit, browser, name, settings):
    page = visit(browser, permissions=["camera"], **settings)
    page.locator("#camera").click()
    wait_for_status(page, "/frames per second/")
    print(page.locator("#status").text_content())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=SCREENSHOTS / f"static-{name}.png", full_page=True)
    assert re.fullmatch(r"\d+ \w+\?? (> )?\d+ %", page.locator("#people h2").first.text_content())
    page.locator("#camera").click()
    assert page.locator("#camera").text_content() == "Start the camera"


@pytest.mark.browser
@needs_chromium
def test_a_blocked_camera_gets_a_remedy(visit, browser):
    page = visit(browser)
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') } }"
    )
    page.locator("#camera").click()
    wait_for_status(page, "/allow it for this page/")


@pytest.mark.browser
@needs_chromium
def test_a_file_that_is_no_image_gets_a_remedy(visit, browser, tmp_path):
    (tmp_path / "no.jpg").write_bytes(b"no image")
    page = visit(browser)
    page.locator("#photo").set_input_files(tmp_path / "no.jpg")
    wait_for_status(page, r"/no\.jpg.*Remedy/")


@pytest.mark.browser
@needs_chromium
def test_the_page_opens_without_a_connection_after_the_first_visit(visit, browser, server):
    page = visit(browser)
    page.evaluate("navigator.serviceWorker.ready")
    server.shutdown()
    page.reload()
    page.wait_for_selector("#people li", timeout=60_000)


@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_complaint(visit, browser, scheme):
    page = visit(browser, color_scheme=scheme, bypass_csp=True)
    violations = Axe().run(page).response["violations"]
    assert [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in violations] == []

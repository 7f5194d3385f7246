"""The app in Chromium, as a visitor uses it. Pictures of what was seen go to ``screenshots/``, which git ignores."""

import base64
import csv
import io
import re
import time

import numpy as np
import pytest
from app_media import SCREENSHOTS, list_files, read_astronaut, write_camera_film
from PIL import Image

from fer.app.pages.cards import read_data_url
from fer.bench.app import open_live, watch_live
from fer.bench.chromium import find_chromium, launch_chromium, open_chromium, pan_over, write_film
from fer.vision.video import VideoReader, VideoWriter
from fer.vision.yunet import YuNetDetector

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt-get install chromium"),
]
LAPTOP = {"viewport": {"width": 1366, "height": 768}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
CLEAR_PHOTO = "#photo-input button[aria-label='Remove Image'], #photo-input button[aria-label='Clear']"
STATUS = "#live-status [data-frame]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    SCREENSHOTS.mkdir(exist_ok=True)
    with open_chromium(write_camera_film(tmp_path_factory.mktemp("film") / "camera.mjpeg")) as browser:
        yield browser


@pytest.fixture
def launch(browser):
    """Launch a browser with another film, or none, for its camera."""
    browsers = []

    def launch(film):
        browsers.append(launch_chromium(browser.browser_type, film))
        return browsers[-1]

    yield launch
    for each in browsers:
        each.close()


@pytest.fixture
def visit(browser, launch, app_server):
    """Open a page; it may ask no foreign host and report no error, and whatever it sent is gone when it is closed."""
    contexts, asked, faults = [], [], []

    def visit(settings=LAPTOP, *, scheme="light", server=app_server, visitor=browser):
        contexts.append(visitor.new_context(**settings, color_scheme=scheme, permissions=["camera"]))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(server.url)
        page.wait_for_selector("#fer-head h1")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [url for url in asked if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", url)] == []
    assert faults == []


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def shoot(page, name):
    page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), full_page=True)


def check_width(page, settings):
    # A phone's browser zooms out of a page that is too wide, so its own width says nothing.
    assert page.evaluate("() => document.documentElement.scrollWidth") <= settings["viewport"]["width"]


def read_picture(page):
    source = page.locator("#live-picture img").get_attribute("src")
    assert source.startswith("data:image/jpeg;base64,"), "webp would take half the time of a frame"
    return np.asarray(Image.open(io.BytesIO(read_data_url(source))).convert("RGB"))


def read_frame_number(page):
    return int(page.locator(STATUS).get_attribute("data-frame"))


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def write_talk(path, count):
    with VideoWriter(path, 25.0, codec="vp09") as writer:
        for frame in pan_over(read_astronaut(), count):
            writer.write(frame)
    return path


def test_live_counts_frames_boxes_a_face_moves_its_timeline_and_pauses(visit, app_server):
    page = visit()
    shoot(page, "live-start")
    open_live(page, app_server.url)
    page.wait_for_function("() => document.querySelector('#live-status [data-frame]').dataset.faces === '1'")
    one, curve = read_picture(page), page.locator("#live-timeline svg").inner_html()
    frames = watch_live(page, 4.0)
    assert len(frames) >= 8
    assert (np.diff(frames[:, 0]) > 0).all()
    assert page.locator("#live-people .fer-card tr").count() == 7
    assert "Person 1" in page.locator("#live-people").inner_text()
    assert (read_picture(page) != one).any()
    assert page.locator("#live-timeline svg").inner_html() != curve
    assert re.search(r"[\d.]+ frames/s\s+\d+ ms on the server\s+1 face", page.locator("#live-status").inner_text())
    page.get_by_label("Activation map", exact=True).check()
    page.wait_for_function("() => document.querySelectorAll('#live-people .fer-card img').length === 2")
    shoot(page, "live")
    page.get_by_label("Pause").check()
    page.wait_for_timeout(1500)
    paused = read_frame_number(page)
    page.wait_for_timeout(1500)
    assert read_frame_number(page) == paused
    page.get_by_label("Pause").uncheck()
    assert wait_until(lambda: read_frame_number(page) > paused + 2)
    # Every streamed frame would become a file.
    assert list_files(app_server.temporary) == []


def test_the_mirror_turns_the_picture_round(visit, launch, app_server, tmp_path):
    film = write_film(pan_over(read_astronaut(), 1), tmp_path / "left.mjpeg")
    page = visit(visitor=launch(film))
    open_live(page, app_server.url)

    def read_place():
        picture = read_picture(page)
        found = YuNetDetector().detect(picture)
        return (found[0].box[0] + found[0].box[2]) / 2 / picture.shape[1] if found else 0.5

    # The face stands on the left in the film, so on the right in a mirror.
    assert wait_until(lambda: read_place() > 0.6)
    page.get_by_label("Mirror").uncheck()
    assert wait_until(lambda: read_place() < 0.4)


def test_nobody_before_the_camera_is_said(visit, launch, app_server):
    page = visit(visitor=launch(None))
    open_live(page, app_server.url)
    assert "no face" in page.locator("#live-status").inner_text()
    assert "No face in view" in page.locator("#live-people").inner_text()
    shoot(page, "live-nobody")


def test_two_pages_at_once_each_get_their_frames(visit, app_server):
    pages = [visit(), visit()]
    for page in pages:
        open_live(page, app_server.url)
    first = [read_frame_number(page) for page in pages]
    assert wait_until(lambda: all(read_frame_number(page) > n + 5 for page, n in zip(pages, first, strict=True)))


def test_a_second_viewer_is_told_that_it_waits_and_gets_its_turn(visit, narrow_server):
    one, two = visit(server=narrow_server), visit(server=narrow_server)
    open_live(one, narrow_server.url)
    camera = two.locator("#live-camera button:visible")
    camera.first.click()
    camera.filter(has_text="Record").first.click()
    two.wait_for_function(
        "() => { const told = document.querySelector('#live-picture[data-waiting] .progress-text');"
        " return told?.checkVisibility() && told.textContent.includes('queue'); }"
    )
    two.screenshot(path=str(SCREENSHOTS / "live-waiting.png"))
    two.wait_for_selector(STATUS)
    assert wait_until(lambda: two.locator("#live-picture[data-waiting]").count() == 0)


@pytest.mark.parametrize(
    ("settings", "scheme"), [(LAPTOP, "light"), (LAPTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_a_photo_gives_cards_and_downloads(visit, app_server, tmp_path, settings, scheme):
    page = visit(settings, scheme=scheme)
    open_tab(page, "Photo")
    assert "64 MB" in page.locator("body").inner_text()
    path = tmp_path / "astronaut.png"
    Image.fromarray(read_astronaut()).save(path)
    page.locator("#photo-input input[type=file]").set_input_files(path)
    page.get_by_label("Activation maps").check()
    page.wait_for_function("() => document.querySelectorAll('#photo-cards .fer-card img').length === 2")
    link = page.get_by_role("link", name="Save table")
    assert link.get_attribute("download") == "astronaut expressions.csv"
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(link.get_attribute("href").split(",")[1]).decode())))
    assert rows[0]["label"] in page.locator("#photo-cards h3").inner_text()
    name = f"photo-{'phone' if settings is PHONE else 'laptop'}-{scheme}"
    shoot(page, name)
    check_width(page, settings)
    assert list_files(app_server.temporary) != []
    page.context.close()
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_snapshot_is_a_photo(visit, app_server):
    page = visit()
    open_tab(page, "Photo")
    page.get_by_role("button", name="Capture from camera").click()
    page.locator("#photo-input button:visible").filter(has_text="Webcam").click()
    page.locator("#photo-input button[aria-label='capture photo']").click()
    page.wait_for_selector("#photo-cards .fer-card")
    assert page.locator("#photo-cards .fer-card").count() == 1
    page.context.close()
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_corrupt_an_empty_and_a_good_picture_after_another(visit, tmp_path):
    page = visit()
    open_tab(page, "Photo")
    page.locator("#photo-examples button, #photo-examples img").first.click()
    page.wait_for_selector("#photo-cards .fer-card")
    for name, content in (("cut.jpg", b"\xff\xd8\xff\xe0" + b"0" * 99), ("empty.png", b"")):
        (tmp_path / name).write_bytes(content)
        page.locator(CLEAR_PHOTO).click()
        page.wait_for_selector("#photo-cards .fer-empty")
        page.locator("#photo-input input[type=file]").set_input_files(tmp_path / name)
        page.wait_for_selector(f"#photo-cards .fer-error:has-text('{name}')")
        assert "Traceback" not in page.locator("body").inner_text()
        # The sentence says what is wrong; the browser's sign of a broken picture would only look like a fault.
        page.wait_for_selector("#photo-input img[data-broken]", state="hidden")
        assert page.locator("#photo-downloads").is_hidden()
    shoot(page, "photo-error")
    page.locator(CLEAR_PHOTO).click()
    page.wait_for_selector("#photo-cards .fer-empty")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    page.locator("#photo-input input[type=file]").set_input_files(tmp_path / "grey.png")
    page.wait_for_selector("#photo-cards :text('No face was found')")


def test_the_examples_outlive_the_visitor_who_chose_one(visit):
    for _ in range(2):
        page = visit()
        open_tab(page, "Photo")
        page.locator("#photo-examples button, #photo-examples img").first.click()
        page.wait_for_selector("#photo-cards .fer-card")
        page.context.close()
        time.sleep(1)


def test_a_video_shows_progress_is_cancelled_and_the_next_one_gives_its_files(visit, app_server, tmp_path):
    page = visit()
    open_tab(page, "Video")
    assert "200 MB and 2 minutes" in page.locator("body").inner_text()
    assert page.locator("#video-cancel").is_disabled()
    file = page.locator("#video-input input[type=file]")
    file.set_input_files(write_talk(tmp_path / "long.mp4", 120))
    page.wait_for_selector("#video-input video")
    page.locator("#video-start").click()
    page.wait_for_function("() => document.querySelector('#video-progress progress')?.value > 0")
    first = page.locator("#video-progress progress").evaluate("bar => bar.value")
    page.wait_for_function(f"() => document.querySelector('#video-progress progress')?.value > {first}")
    shoot(page, "video-progress")
    page.locator("#video-cancel").click()
    page.wait_for_selector("#video-summary :text('Stopped before the end.')")
    page.locator("#video-input button[aria-label=Clear]").click()
    file.set_input_files(write_talk(tmp_path / "short.mp4", 30))
    page.wait_for_selector("#video-input video")
    page.locator("#video-start").click()
    page.wait_for_selector("#video-summary :text('short.mp4: 30 frames, 30 analyzed')")
    page.wait_for_function("() => document.querySelector('#video-plot img')?.naturalWidth > 400")
    page.wait_for_function("() => document.querySelector('#video-annotated video')?.videoWidth === 640")
    shoot(page, "video")
    with page.expect_download() as download:
        page.locator("#video-table").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    assert [int(row["frame"]) for row in rows] == list(range(30))
    source = page.locator("#video-annotated video").get_attribute("src")
    (tmp_path / "copy.mp4").write_bytes(page.request.get(source).body())
    with VideoReader(tmp_path / "copy.mp4") as copy:
        assert sum(1 for _ in copy.read()) == 30
    page.context.close()
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_file_that_is_no_video_is_a_sentence(visit, tmp_path):
    page = visit()
    open_tab(page, "Video")
    (tmp_path / "no.mp4").write_bytes(b"no video" * 500)
    page.locator("#video-input input[type=file]").set_input_files(tmp_path / "no.mp4")
    page.wait_for_selector("#video-input video")
    page.locator("#video-start").click()
    page.wait_for_selector("#video-progress .fer-error:has-text('no.mp4')")


@pytest.mark.parametrize(("settings", "scheme"), [(LAPTOP, "light"), (PHONE, "dark")])
def test_the_model_tab_shows_the_figures_and_every_diagram(visit, settings, scheme):
    page = visit(settings, scheme=scheme)
    open_tab(page, "Model")
    page.wait_for_selector(".fer-tiles")
    page.wait_for_selector("#model-card h3:has-text('Limits')")
    for picture in page.locator(".fer-figures img").all():
        picture.scroll_into_view_if_needed()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.fer-figures img')].every(each => each.naturalWidth > 0)"
    )
    assert page.locator(".fer-confusion tbody tr").count() == 7
    caption = page.locator(".fer-confusion caption span").bounding_box()
    assert caption["x"] + caption["width"] <= settings["viewport"]["width"]
    check_width(page, settings)
    shoot(page, f"model-{'phone' if settings is PHONE else 'laptop'}-{scheme}")


def test_live_on_a_phone_fits_and_shows_the_picture_below_the_camera(visit, app_server):
    page = visit(PHONE)
    open_live(page, app_server.url)
    page.wait_for_selector("#live-people .fer-card")
    page.wait_for_timeout(2000)
    shoot(page, "live-phone-light")
    check_width(page, PHONE)
    tops = [
        page.locator(f"#live-{name}").first.bounding_box()["y"] for name in ("camera", "picture", "people", "timeline")
    ]
    assert tops == sorted(tops)


def test_everything_is_reached_by_the_keyboard(visit):
    page = visit()
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const it = document.activeElement;"
                " return [it.role ?? '', it.type ?? '', (it.ariaLabel ?? it.innerText ?? '').trim(),"
                " it.closest('label')?.innerText.trim() ?? ''].join('|'); }"
            )
        )
    text = "\n".join(reached)
    assert re.search(r"tab\|.*Live", text)
    assert re.search(r"webcam", text, re.IGNORECASE)
    for label in ("Mirror", "Pause", "Activation map"):
        assert re.search(rf"\|checkbox\|.*{label}", text), text
    page.get_by_role("tab", name="Photo", exact=True).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#photo-input:visible")

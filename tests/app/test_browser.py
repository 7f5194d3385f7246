"""The app in Chromium. Screenshots go to ``screenshots/``, which git ignores."""

import base64
import csv
import io
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from app_media import SCREENSHOTS, list_files, read_astronaut, write_camera_film
from PIL import Image, ImageColor

import fer
from fer.app.data_urls import decode_image_url
from fer.app.drawn_people import FILM_PEOPLE, GROUP, SCENES, draw_group
from fer.app.live import LEAST_TEXT
from fer.bench.app import open_live, watch_live
from fer.bench.camera import pan_over
from fer.bench.chromium import find_chromium, launch_chromium, open_chromium, write_camera_video
from fer.labels import COLORS
from fer.vision.video import VideoReader
from fer.vision.video_writer import VideoWriter
from fer.vision.yunet import YuNetDetector

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt-get install chromium"),
]
LAPTOP = {"viewport": {"width": 1366, "height": 768}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
CLEAR_PHOTO = "#photo-input button[aria-label='Remove Image'], #photo-input button[aria-label='Clear']"
#: A card of the visitor's photo; those of the example are followed by a hint.
OWN_CARD = "#photo-cards:not(:has(.fer-empty)) .fer-card"
STATUS = "#live-status [data-frame]"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    SCREENSHOTS.mkdir(exist_ok=True)
    with open_chromium(write_camera_film(tmp_path_factory.mktemp("film") / "camera.mjpeg")) as browser:
        yield browser


@pytest.fixture
def launch(browser):
    """Launch a browser with another camera video, or with no camera."""
    browsers = []

    def launch(film):
        browsers.append(launch_chromium(browser.browser_type, film))
        return browsers[-1]

    yield launch
    for launched in browsers:
        launched.close()


@pytest.fixture
def blocked():
    """Reports of blocked content that a test expects; without them they are a failure."""
    return []


@pytest.fixture
def errors():
    """Errors of the page that a test expects; without them they are a failure."""
    return []


@pytest.fixture
def visit(browser, launch, app_server, blocked, errors):
    """Open a page; the test fails if the page requests another host, or reports an error or something blocked."""
    contexts, requested = [], []

    def visit(settings=LAPTOP, *, scheme="light", server=app_server, visitor=browser):
        contexts.append(visitor.new_context(**settings, color_scheme=scheme, permissions=["camera"]))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.on("request", lambda request: requested.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: blocked.extend([message.text] * ("Security Policy" in message.text)))
        page.goto(server.url)
        page.wait_for_selector("#fer-head h1")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [url for url in requested if not re.match(r"(http://127\.0\.0\.1:\d+/|data:|blob:)", url)] == []
    assert errors == []
    assert blocked == []


def open_tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def unfold_model(page):
    # Gradio loses a click before the tab has its content.
    page.wait_for_selector(".fer-tiles")
    page.get_by_role("button", name="All figures, plots and the model card").click()


def shoot(page, name):
    page.screenshot(path=str(SCREENSHOTS / f"{name}.png"), full_page=True)


def check_width(page, settings):
    # The browser of a phone zooms out of a page that is too wide, so the window's width is no measure.
    assert page.evaluate("() => document.documentElement.scrollWidth") <= settings["viewport"]["width"]


def read_live_image(page):
    source = page.locator("#live-image img").get_attribute("src")
    assert source.startswith("data:image/jpeg;base64,"), "webp would double the time per frame"
    return np.asarray(Image.open(io.BytesIO(decode_image_url(source))).convert("RGB"))


def read_frame_number(page):
    return int(page.locator(STATUS).get_attribute("data-frame"))


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()


def write_talk(path, count):
    with VideoWriter(path, 25.0) as writer:
        for frame in pan_over(read_astronaut(), count):
            writer.write(frame)
    return path


@pytest.fixture
def live_page(visit, app_server):
    page = visit()
    open_live(page, app_server.url)
    page.wait_for_function("() => document.querySelector('#live-status [data-frame]').dataset.faces === '1'")
    return page


@pytest.mark.parametrize(("settings", "scheme"), [(LAPTOP, "light"), (LAPTOP, "dark"), (PHONE, "light")])
def test_the_first_view_has_an_answer_without_a_click(visit, settings, scheme):
    page = visit(settings, scheme=scheme)
    page.wait_for_selector("#photo-cards .fer-card")
    for part in ("#photo-image img", "#photo-cards h2"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= settings["viewport"]["height"]
    numbers = page.locator(".fer-box b").all_inner_texts()
    assert numbers == [text.split()[1] for text in page.locator("#photo-cards .fer-person").all_inner_texts()] != []
    shoot(page, f"first-{'phone' if settings is PHONE else 'laptop'}-{scheme}")
    check_width(page, settings)


def test_the_live_tab_invites_to_start_the_camera(visit):
    page = visit()
    open_tab(page, "Live")
    assert "press Start" in page.locator("#live-people").inner_text()
    shoot(page, "live-start")


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("NotAllowedError", "does not allow"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "cannot be opened"),
    ],
)
def test_a_camera_that_cannot_be_used_gives_a_word(visit, errors, fault, word):
    page = visit()
    page.add_init_script(
        f"MediaDevices.prototype.getUserMedia = async () => {{ throw new DOMException('', '{fault}'); }};"
    )
    page.reload()
    open_tab(page, "Live")
    page.locator("#live-camera button:visible").first.click()
    page.wait_for_selector("#live-faults p:not([hidden])")
    assert word in page.locator("#live-faults").inner_text()
    shoot(page, f"live-{fault}")
    # Gradio itself does not catch the error.
    assert wait_until(lambda: errors == [fault], 5)
    errors.clear()


def test_live_shows_one_image_with_the_people_beside_it(live_page):
    image = live_page.locator("#live-image img").bounding_box()
    card = live_page.locator("#live-people .fer-card").first.bounding_box()
    curve = live_page.locator("#live-timeline svg").first.bounding_box()
    assert image["width"] > 600
    assert card["x"] > image["x"] + image["width"]
    assert max(each["y"] + each["height"] for each in (image, card, curve)) <= 768
    assert curve["y"] >= image["y"] + image["height"]
    assert live_page.locator("#live-camera video").evaluate("video => getComputedStyle(video).opacity") == "0"
    assert live_page.locator("#live-camera button:visible").filter(has_text="Stop").count() == 1


def test_nothing_moves_sideways_when_the_camera_starts(visit, app_server):
    page = visit()
    open_tab(page, "Live")
    before = page.locator("#fer-head").bounding_box()
    open_live(page, app_server.url)
    page.wait_for_selector("#live-people .fer-card")
    assert page.locator("#fer-head").bounding_box() == before


def test_live_counts_frames(live_page):
    frames = watch_live(live_page, 4.0)
    assert len(frames) >= 8
    assert (np.diff(frames[:, 0]) > 0).all()
    status = live_page.locator("#live-status").inner_text()
    assert re.search(r"[\d.]+ frames/s\s+\d+ ms on the server\s+1 face", status)


def test_live_updates_the_image_and_the_timeline(live_page):
    image, curve = read_live_image(live_page), live_page.locator("#live-timeline").inner_html()
    live_page.wait_for_timeout(4000)
    assert (read_live_image(live_page) != image).any()
    assert live_page.locator("#live-timeline").inner_html() != curve


def test_live_shows_a_card_with_seven_bars(live_page):
    assert "Person 1" in live_page.locator("#live-people").inner_text()
    assert live_page.locator("#live-people .fer-card tr").count() == 7


def test_live_shows_activation_maps(live_page):
    live_page.get_by_label("Activation map", exact=True).check()
    live_page.wait_for_function("() => document.querySelectorAll('#live-people .fer-card img').length === 2")
    shoot(live_page, "live")


def test_live_takes_the_neutral_face_off_and_forgets_it(live_page):
    live_page.get_by_role("button", name="This is my neutral face").click()
    live_page.wait_for_function("() => document.querySelector('#live-people').innerText.includes('Hold a neutral')")
    live_page.wait_for_selector("#live-people .fer-baseline", timeout=15_000)
    shoot(live_page, "live-neutral")
    live_page.get_by_role("button", name="Forget my neutral face").click()
    live_page.wait_for_selector("#live-people .fer-baseline", state="detached")


def test_pause_stops_the_frames_until_it_is_cleared(live_page):
    live_page.get_by_label("Pause").check()
    live_page.wait_for_timeout(1500)
    paused = read_frame_number(live_page)
    live_page.wait_for_timeout(1500)
    assert read_frame_number(live_page) == paused
    live_page.get_by_label("Pause").uncheck()
    assert wait_until(lambda: read_frame_number(live_page) > paused + 2)


def test_live_writes_no_file(live_page, app_server):
    watch_live(live_page, 2.0)
    assert list_files(app_server.temporary) == []


def test_mirror_flips_the_image(visit, launch, app_server, tmp_path):
    film = write_camera_video(pan_over(read_astronaut(), 1), tmp_path / "left.mjpeg")
    page = visit(visitor=launch(film))
    open_live(page, app_server.url)

    def read_position():
        """Return the horizontal centre of the face, 0 to 1, or 0.5 without one."""
        image = read_live_image(page)
        detections = YuNetDetector().detect(image)
        return (detections[0].box[0] + detections[0].box[2]) / 2 / image.shape[1] if detections else 0.5

    # The face is on the left of the video, so on the right of its mirror image.
    assert wait_until(lambda: read_position() > 0.6)
    page.get_by_label("Mirror").uncheck()
    assert wait_until(lambda: read_position() < 0.4)


def test_a_camera_without_a_face_gives_a_notice(visit, launch, app_server):
    page = visit(visitor=launch(None))
    open_live(page, app_server.url)
    assert "no face" in page.locator("#live-status").inner_text()
    assert "No face in view" in page.locator("#live-people").inner_text()
    shoot(page, "live-nobody")


def test_two_pages_at_once_both_get_frames(visit, app_server):
    pages = [visit(), visit()]
    for page in pages:
        open_live(page, app_server.url)
    first = [read_frame_number(page) for page in pages]
    assert wait_until(lambda: all(read_frame_number(page) > n + 5 for page, n in zip(pages, first, strict=True)))


def test_a_second_viewer_waits_in_the_queue_for_its_turn(visit, narrow_server):
    one, two = visit(server=narrow_server), visit(server=narrow_server)
    open_live(one, narrow_server.url)
    open_tab(two, "Live")
    camera = two.locator("#live-camera button:visible")
    camera.first.click()
    camera.filter(has_text="Start").first.click()
    two.wait_for_function(
        "() => { const text = document.querySelector('#live-image[data-waiting] .progress-text');"
        " return text?.checkVisibility() && text.textContent.includes('queue'); }"
    )
    two.screenshot(path=str(SCREENSHOTS / "live-waiting.png"))
    two.wait_for_selector(STATUS)
    assert wait_until(lambda: two.locator("#live-image[data-waiting]").count() == 0)


@pytest.mark.parametrize(
    ("settings", "scheme"), [(LAPTOP, "light"), (LAPTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_a_photo_gives_cards_and_downloads(visit, tmp_path, settings, scheme):
    page = visit(settings, scheme=scheme)
    open_tab(page, "Photo")
    assert "64 MB" in page.locator("body").inner_text()
    path = tmp_path / "astronaut.png"
    Image.fromarray(read_astronaut()).save(path)
    page.locator("#photo-input input[type=file]").set_input_files(path)
    page.get_by_label("Activation maps").check()
    page.wait_for_function(f"() => document.querySelectorAll('{OWN_CARD} img').length === 2")
    link = page.get_by_role("link", name="Save table")
    assert link.get_attribute("download") == "astronaut expressions.csv"
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(link.get_attribute("href").split(",")[1]).decode())))
    assert rows[0]["label"] in page.locator("#photo-cards h2").inner_text()
    shoot(page, f"photo-{'phone' if settings is PHONE else 'laptop'}-{scheme}")
    check_width(page, settings)


def test_a_photo_is_deleted_when_the_page_is_closed(visit, app_server, tmp_path):
    page = visit()
    open_tab(page, "Photo")
    path = tmp_path / "astronaut.png"
    Image.fromarray(read_astronaut()).save(path)
    page.locator("#photo-input input[type=file]").set_input_files(path)
    page.wait_for_selector(OWN_CARD)
    assert list_files(app_server.temporary) != []
    page.context.close()
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_snapshot_of_the_camera_is_a_photo(visit, app_server):
    page = visit()
    open_tab(page, "Photo")
    page.get_by_role("button", name="Capture from camera").click()
    page.locator("#photo-input button:visible").filter(has_text="Webcam").click()
    page.locator("#photo-input button[aria-label='capture photo']").click()
    page.wait_for_selector(OWN_CARD)
    assert page.locator("#photo-cards .fer-card").count() == 1
    page.context.close()
    assert wait_until(lambda: list_files(app_server.temporary) == [])


@pytest.fixture
def example_page(visit):
    """The photo tab after a click on the first example."""
    page = visit()
    open_tab(page, "Photo")
    page.locator("#photo-examples button, #photo-examples img").first.click()
    page.wait_for_selector(OWN_CARD)
    return page


def replace_photo(page, path):
    page.locator(CLEAR_PHOTO).click()
    page.wait_for_selector("#photo-cards .fer-empty")
    page.locator("#photo-input input[type=file]").set_input_files(path)


@pytest.mark.parametrize(("name", "content"), [("cut.jpg", b"\xff\xd8\xff\xe0" + b"0" * 99), ("empty.png", b"")])
def test_a_bad_photo_after_a_good_one_shows_only_an_error(example_page, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    replace_photo(example_page, tmp_path / name)
    example_page.wait_for_selector(f"#photo-cards .fer-error:has-text('{name}')")
    assert "Traceback" not in example_page.locator("body").inner_text()
    # The browser's broken-image icon would look like a fault of the page.
    example_page.wait_for_selector("#photo-input img[data-broken]", state="hidden")
    assert example_page.locator("#photo-downloads").is_hidden()
    shoot(example_page, "photo-error")


def test_a_photo_without_a_face_gives_a_notice(example_page, tmp_path):
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "grey.png")
    replace_photo(example_page, tmp_path / "grey.png")
    example_page.wait_for_selector("#photo-cards :text('No face was found')")


def test_an_example_remains_after_its_visitor_leaves(visit):
    for _ in range(2):
        page = visit()
        open_tab(page, "Photo")
        page.locator("#photo-examples button, #photo-examples img").first.click()
        page.wait_for_selector(OWN_CARD)
        page.context.close()
        time.sleep(1)


def start_video(page, path):
    open_tab(page, "Video")
    page.locator("#video-input input[type=file]").set_input_files(path)
    page.wait_for_selector("#video-input video")
    page.locator("#video-start").click()


def test_the_video_tab_states_its_limits(visit):
    page = visit()
    open_tab(page, "Video")
    assert "200 MB and 2 minutes" in page.locator("body").inner_text()
    assert page.locator("#video-cancel").is_disabled()


@pytest.fixture
def cancelled_page(visit, tmp_path):
    """The video tab after a video was started and cancelled."""
    page = visit()
    start_video(page, write_talk(tmp_path / "long.mp4", 120))
    page.wait_for_function("() => document.querySelector('#video-progress progress')?.value > 0")
    first = page.locator("#video-progress progress").evaluate("bar => bar.value")
    page.wait_for_function(f"() => document.querySelector('#video-progress progress')?.value > {first}")
    shoot(page, "video-progress")
    page.locator("#video-cancel").click()
    return page


def test_a_cancelled_video_shows_its_results_so_far(cancelled_page):
    cancelled_page.wait_for_selector("#video-summary :text('Stopped before the end.')")


def test_a_video_after_a_cancelled_one_is_analyzed(cancelled_page, tmp_path):
    cancelled_page.wait_for_selector("#video-summary :text('Stopped before the end.')")
    cancelled_page.locator("#video-input button[aria-label=Clear]").click()
    start_video(cancelled_page, write_talk(tmp_path / "short.mp4", 30))
    cancelled_page.wait_for_selector("#video-summary :text('short.mp4: 30 frames, 30 analyzed')")


@pytest.fixture
def analyzed_page(visit, tmp_path):
    """The video tab after a video of 30 frames."""
    page = visit()
    start_video(page, write_talk(tmp_path / "short.mp4", 30))
    page.wait_for_selector("#video-summary :text('short.mp4: 30 frames, 30 analyzed')")
    return page


def measure_texts(page, part):
    """Return the font sizes on the screen, in CSS pixels, of the visible texts in a part of the page."""
    return page.evaluate(
        """part => [...document.querySelectorAll(`${part} *`)].filter(element => element.checkVisibility()
             && [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim()))
             .map(element => parseFloat(getComputedStyle(element).fontSize))""",
        part,
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_curves_of_a_video_are_legible_on_a_phone(visit, tmp_path, scheme):
    page = visit(PHONE, scheme=scheme)
    start_video(page, write_talk(tmp_path / "short.mp4", 30))
    page.wait_for_selector("#video-timeline svg")
    drawing = page.get_by_role("img", name="Person 1, expressions over time").bounding_box()
    assert drawing["width"] > 240
    assert drawing["height"] >= 60
    assert min(measure_texts(page, "#video-timeline")) >= 11
    assert page.locator("#video-timeline .fer-legend li").count() == 7
    page.wait_for_function("() => document.querySelector('#video-annotated video')?.videoWidth === 640")
    check_width(page, PHONE)
    shoot(page, f"video-phone-{scheme}")


def test_a_video_gives_curves_and_an_annotated_copy(analyzed_page, tmp_path):
    analyzed_page.wait_for_selector("#video-timeline svg")
    analyzed_page.wait_for_function("() => document.querySelector('#video-annotated video')?.videoWidth === 640")
    shoot(analyzed_page, "video")
    source = analyzed_page.locator("#video-annotated video").get_attribute("src")
    (tmp_path / "copy.mp4").write_bytes(analyzed_page.request.get(source).body())
    with VideoReader(tmp_path / "copy.mp4") as copy:
        assert sum(1 for _ in copy.read()) == 30


def test_the_plot_of_a_video_can_be_saved(analyzed_page):
    with analyzed_page.expect_download() as download:
        analyzed_page.locator("#video-plot").click()
    with Image.open(download.value.path()) as plot:
        assert plot.format == "PNG"


def test_a_video_gives_a_table_of_its_frames(analyzed_page):
    with analyzed_page.expect_download() as download:
        analyzed_page.locator("#video-table").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    assert [int(row["frame"]) for row in rows] == list(range(30))


def test_the_files_of_a_video_are_deleted_when_the_page_is_closed(analyzed_page, app_server):
    assert list_files(app_server.temporary) != []
    analyzed_page.context.close()
    assert wait_until(lambda: list_files(app_server.temporary) == [])


def test_a_bad_video_gives_an_error(visit, tmp_path):
    page = visit()
    (tmp_path / "no.mp4").write_bytes(b"not a video" * 500)
    start_video(page, tmp_path / "no.mp4")
    page.wait_for_selector("#video-progress .fer-error:has-text('no.mp4')")


@pytest.mark.parametrize(
    ("settings", "scheme"), [(LAPTOP, "light"), (LAPTOP, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
def test_the_model_tab_shows_figures_and_plots(visit, settings, scheme):
    page = visit(settings, scheme=scheme)
    open_tab(page, "Model")
    page.wait_for_selector(".fer-tiles")
    page.wait_for_selector("#model-limits h3:has-text('Limits')")
    assert page.evaluate("() => document.documentElement.scrollHeight") < 2400, "the rest is folded"
    shoot(page, f"model-short-{'phone' if settings is PHONE else 'laptop'}-{scheme}")
    unfold_model(page)
    page.wait_for_selector("#model-card h3:has-text('Protocol')")
    assert page.locator(".fer-confusion tbody tr").count() == 7
    assert page.get_by_role("img", name="Accuracy against confidence").count() == 2
    assert page.locator(".fer-figures svg[role=img]").count() == 20
    assert min(measure_texts(page, ".fer-figures")) >= 11
    assert min(measure_texts(page, ".fer-confusion")) >= 11
    for chart in page.locator(".fer-plot").all():
        box = chart.bounding_box()
        assert box["width"] > 90
        assert box["x"] + box["width"] <= settings["viewport"]["width"]
    assert page.locator(".fer-confusion").evaluate("table => table.scrollWidth <= table.parentElement.clientWidth")
    check_width(page, settings)
    shoot(page, f"model-{'phone' if settings is PHONE else 'laptop'}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_of_plots_stand_out_from_the_page(visit, scheme):
    page = visit(scheme=scheme)
    open_tab(page, "Model")
    unfold_model(page)
    page.wait_for_selector("#model-plots .fer-chart")
    colors = page.evaluate(
        """() => {
          const read = (element, name) => getComputedStyle(element)[name].match(/[\\d.]+/g).slice(0, 3).map(Number);
          const surface = document.querySelector("#model-all");
          return ["", "-1", "-2"].map(kind => [
            read(document.querySelector(`#model-plots .fer-chart .fer-line${kind}`), "stroke"),
            read(surface, "backgroundColor")]);
        }"""
    )
    for line, surface in colors:
        assert compute_contrast(line, surface) >= 3.0, (line, surface)


def compute_contrast(one, other):
    """Return the contrast of two colours, 0 to 255 per channel, as WCAG 2.2 defines it."""

    def compute_luminance(color):
        share = np.array(color) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted([compute_luminance(one), compute_luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_live_captions_are_legible_on_a_phone(visit, app_server):
    page = visit(PHONE)
    open_live(page, app_server.url)
    page.wait_for_selector("#live-people .fer-card")
    shown = page.locator("#live-image img").evaluate("image => image.clientWidth")
    told = page.locator("#live-width input")
    assert wait_until(lambda: abs(float(told.input_value() or 0) - shown) < 3, 10)
    page.wait_for_timeout(1000)
    image = read_live_image(page)
    label = page.locator("#live-people .fer-person").first.locator("xpath=../..").get_attribute("aria-label")
    color = np.array(ImageColor.getrgb(COLORS[label.split(": ")[1].rstrip("?")]))
    # The caption is the only large area in the colour of the answer.
    is_caption = (np.abs(image.astype(int) - color) < 30).all(axis=2).sum(axis=1) > 60
    height = np.flatnonzero(is_caption).size * shown / image.shape[1]
    assert height >= LEAST_TEXT, "a caption is higher than its text"


def test_nothing_of_gradio_lies_over_the_live_image(live_page):
    live_page.wait_for_timeout(1500)
    for part in (".streaming-bar", "#live-image [data-testid=status-tracker]", "#live-width"):
        assert not live_page.locator(f"{part}:visible").count(), part


def test_the_button_says_stop_between_two_turns(live_page):
    texts = live_page.evaluate(
        """() => {
          const button = document.querySelector("#live-camera .button-wrap button");
          const shown = [];
          for (const text of ["Record", "Waiting"]) {
            const span = button.appendChild(document.createElement("span"));
            span.textContent = text;
            shown.push(new Promise(resolve => setTimeout(() => resolve(span.textContent), 200)));
          }
          return Promise.all(shown);
        }"""
    )
    assert texts == ["Start", "Stop"]


def test_the_button_covers_no_face_on_a_phone(visit, app_server):
    page = visit(PHONE)
    open_live(page, app_server.url)
    page.wait_for_selector("#live-people .fer-card")
    image = page.locator("#live-image img").bounding_box()
    button = page.locator("#live-camera button:visible").filter(has_text="Stop").bounding_box()
    assert button["y"] >= image["y"] + image["height"]


def test_the_live_image_is_as_wide_as_its_column(live_page):
    image, column = (live_page.locator(part).bounding_box() for part in ("#live-image img", "#live-timeline"))
    assert abs(image["width"] - column["width"]) < 2


def read_boxes(page):
    """Return the left edges of the photo's boxes on the screen, in pixels of the photo, and the names beside them."""
    return page.evaluate(
        """() => {
          const image = document.querySelector("#photo-image img").getBoundingClientRect();
          const width = document.querySelector("#photo-image img").naturalWidth;
          return [...document.querySelectorAll("#photo-image .fer-box")].map(box =>
            [(box.getBoundingClientRect().left - image.left) * width / image.width, box.title.split(/[ ?]/)[0]]);
        }"""
    )


@pytest.mark.parametrize(("settings", "name"), [(LAPTOP, "laptop"), (PHONE, "phone")])
def test_the_drawn_group_is_answered_rightly(visit, settings, name):
    page = visit(settings)
    page.locator("#photo-examples .gallery-item").nth(1).click()
    page.wait_for_function(f"() => document.querySelectorAll('{OWN_CARD}').length === {len(GROUP)}")
    faces = sorted(fer.Analyzer().analyze(draw_group()), key=lambda face: face.box[0])
    boxes = read_boxes(page)
    assert [label for _, label in boxes] == [face.label for face in faces]
    # A box lies on its face at every shape of the photo.
    np.testing.assert_allclose([left for left, _ in boxes], [face.box[0] for face in faces], atol=4)
    shoot(page, f"photo-group-{name}")
    check_width(page, settings)


def test_the_film_of_drawn_people_is_answered_rightly(visit):
    page = visit()
    open_tab(page, "Video")
    page.locator("#video-examples .gallery-item").first.click()
    page.wait_for_selector("#video-input video")
    page.locator("#video-start").click()
    page.wait_for_selector("#video-summary :text('two drawn people.mp4: 144 frames, 144 analyzed')")
    for person in range(len(FILM_PEOPLE)):
        text = page.locator("#video-timeline desc").nth(person).text_content()
        names = re.findall(r"(\w+) from", text)
        assert names == [scene[person] for scene in SCENES]
    shoot(page, "video-example")


def test_the_live_tab_of_a_phone_is_one_column(visit, app_server):
    page = visit(PHONE)
    open_live(page, app_server.url)
    page.wait_for_selector("#live-people .fer-card")
    page.wait_for_timeout(2000)
    shoot(page, "live-phone-light")
    check_width(page, PHONE)
    tops = [
        page.locator(f"#live-{name}").first.bounding_box()["y"] for name in ("image", "camera", "people", "timeline")
    ]
    assert tops == sorted(tops)


def test_the_keyboard_reaches_every_control(visit):
    page = visit()
    open_tab(page, "Live")
    reached = set()
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "() => { const focus = document.activeElement;"
                " return [focus.role ?? '', focus.type ?? '', (focus.ariaLabel ?? focus.innerText ?? '').trim(),"
                " focus.closest('label')?.innerText.trim() ?? ''].join('|'); }"
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


HOSTILE_NAMES = [
    "<img src=x onerror=document.title='run'>",
    '"><svg onload=document.title=1>',
    "${document.title=1} {{document.title=1}}",
    "=HYPERLINK(CHAR(104),1)",
    "@SUM(1,1)",
]


def watch_violations(page):
    page.evaluate(
        "() => { window.ferBlocked = []; document.addEventListener('securitypolicyviolation',"
        " event => window.ferBlocked.push(event.effectiveDirective)); }"
    )
    return lambda: page.evaluate("() => window.ferBlocked")


def check_nothing_ran(page):
    assert page.title() == "FER-DL: facial expressions"
    assert page.locator("[onerror], [onload], .fer-card svg[onload]").count() == 0


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_the_name_of_a_photo_does_nothing(visit, tmp_path, name):
    page = visit()
    open_tab(page, "Photo")
    path = tmp_path / f"{name}.png"
    Image.fromarray(read_astronaut()).save(path)
    page.locator("#photo-input input[type=file]").set_input_files(path)
    page.wait_for_selector(OWN_CARD)
    assert page.get_by_role("link", name="Save table").get_attribute("download") == f"{name} expressions.csv"
    check_nothing_ran(page)
    path.write_bytes(b"no image")
    replace_photo(page, path)
    page.wait_for_selector("#photo-cards .fer-error")
    assert name in page.locator("#photo-cards .fer-error").inner_text()
    check_nothing_ran(page)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_the_name_of_a_video_does_nothing(visit, tmp_path, name):
    page = visit()
    start_video(page, write_talk(tmp_path / f"{name}.mp4", 4))
    page.wait_for_selector("#video-summary :text('4 frames, 4 analyzed')")
    assert f"{name}.mp4" in page.locator("#video-summary").inner_text()
    check_nothing_ran(page)
    with page.expect_download() as download:
        page.locator("#video-table").click()
    cells = [cell for row in csv.reader(io.StringIO(download.value.path().read_text("utf-8"))) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t"))]


def test_an_injected_script_does_not_run(visit, foreign_server, blocked):
    page = visit()
    read_blocked = watch_violations(page)
    page.evaluate(
        """url => {
          const inline = document.createElement("script");
          inline.textContent = "document.title = 'run'";
          const foreign = document.createElement("script");
          foreign.src = url + "/run.js";
          const holder = document.createElement("div");
          holder.innerHTML = `<img src=x onerror="document.title='run'">
            <a href="javascript:document.title='run'">x</a>`;
          document.body.append(inline, foreign, holder);
          holder.querySelector("a").click();
        }""",
        foreign_server,
    )
    assert wait_until(lambda: len(read_blocked()) >= 4, 10)
    assert set(read_blocked()) == {"script-src-elem", "script-src-attr"}
    blocked.clear()
    assert page.title() == "FER-DL: facial expressions"


def test_another_site_cannot_frame_the_page(visit, browser, app_server, foreign_server):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{foreign_server}/frame.html?{app_server.url}")
    assert wait_until(lambda: len(page.frames) == 2 and page.frames[1].url.startswith("chrome-error"), 20)
    context.close()


@pytest.fixture
def foreign_server():
    """Another origin, with a script and a page that frames the address in its query."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, _, address = self.path.partition("?")
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if path == "/run.js" else "text/html")
            self.end_headers()
            self.wfile.write(b"document.title = 'run'" if path == "/run.js" else b"<iframe src=%b>" % address.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()

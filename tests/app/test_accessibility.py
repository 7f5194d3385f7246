"""Keyboard, screen readers and contrast, checked by axe in Chromium.

Reference:
    https://github.com/dequelabs/axe-core
"""

import pytest
from app_media import write_camera_film
from axe_playwright_python.sync_playwright import Axe

from fer.bench.chromium import find_chromium, open_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_chromium(write_camera_film(tmp_path_factory.mktemp("film") / "camera.mjpeg")) as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_complaint(browser, app_server, scheme):
    # axe is a script from elsewhere, which the page's own policy would refuse.
    context = browser.new_context(color_scheme=scheme, permissions=["camera"], bypass_csp=True)
    page = context.new_page()
    page.goto(app_server.url)
    page.wait_for_selector("#photo-cards .fer-card", timeout=60_000)
    complaints = []
    for tab, part in (
        ("Photo", "#photo-image img"),
        ("Live", "#live-camera"),
        ("Video", "#video-start"),
        ("Model", "h2"),
    ):
        page.get_by_role("tab", name=tab, exact=True).click()
        page.locator(f"{part}:visible").first.wait_for()
        if tab == "Model":
            page.locator("#model-all button").first.click()
            page.locator("#model-plots .fer-chart:visible").first.wait_for()
        for violation in Axe().run(page).response["violations"]:
            complaints.append((tab, violation["id"], [node["html"][:100] for node in violation["nodes"]]))
    context.close()
    assert complaints == []

import base64
import html
import io
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from app_media import build_stub_analyzer
from PIL import Image

from fer.app.examples import draw_sheet, find_portrait, write_examples
from fer.app.pages import model as model_page
from fer.app.pages.photo import MOST_CARDS, SHOWN_SIDE, view_photo
from fer.app.space import SHIPPED_RUNS
from fer.evaluation.metrics_file import read_metrics
from fer.labels import EXPRESSIONS
from fer.vision.images import decode_image, write_image


def write_picture(path, width, height):
    write_image(np.full((height, width, 3), 90, np.uint8), path)
    return path


def read_links(html, kind):
    link = html.split(f"data:{kind};base64,")[1].split('"')[0]
    return base64.b64decode(link)


def test_a_photo_is_shown_small_enough_and_its_table_has_its_own_pixels(tmp_path):
    path = write_picture(tmp_path / "large.png", 3200, 1600)
    view = view_photo(path, "large.png", build_stub_analyzer([(320, 320, 640, 640)]))
    assert view.image.shape == (1600, 3200, 3)
    assert view.annotated.shape == (SHOWN_SIDE // 2, SHOWN_SIDE, 3)
    changed = np.flatnonzero((view.annotated != 90).any(axis=(0, 2)))
    assert changed.min() == pytest.approx(160, abs=6), "the box is drawn at half the size"
    table = pd.read_csv(io.BytesIO(read_links(view.downloads, "text/csv")))
    assert table["x_min"].tolist() == [320.0]
    saved = Image.open(io.BytesIO(read_links(view.downloads, "image/jpeg")))
    assert saved.size == (SHOWN_SIDE, SHOWN_SIDE // 2)


def test_a_crowd_gets_sixty_cards_and_the_table_all(tmp_path):
    boxes = [(20 * (i % 10), 20 * (i // 10), 20 * (i % 10) + 18, 20 * (i // 10) + 18) for i in range(MOST_CARDS + 5)]
    path = write_picture(tmp_path / "crowd.png", 200, 140)
    view = view_photo(path, "crowd.png", build_stub_analyzer(boxes))
    assert view.cards.count("<article") == MOST_CARDS
    assert "and 5 more in the table" in view.cards
    assert len(pd.read_csv(io.BytesIO(read_links(view.downloads, "text/csv")))) == MOST_CARDS + 5


def test_the_examples_are_drawn_by_the_package_or_come_with_matplotlib(tmp_path):
    portrait, sheet = write_examples(tmp_path / "examples")
    assert portrait.parent == sheet.parent == tmp_path / "examples"
    assert portrait.read_bytes() == find_portrait().read_bytes()
    assert "mpl-data" in find_portrait().parts
    np.testing.assert_array_equal(decode_image(sheet), draw_sheet())
    assert len(EXPRESSIONS) == 7


def test_the_model_page_reads_the_shipped_run():
    folder = model_page.find_run_folder()
    assert folder in SHIPPED_RUNS
    page, metrics = model_page.build_model_page(folder), read_metrics(folder)
    assert f"{metrics['test']['accuracy'] * 100:.1f} %" in page.headline
    assert f"{metrics['params']:,}" in page.headline
    assert page.confusion.count("<td") == 1 + 7 * 7
    assert "Reliability" in page.diagrams
    assert page.diagrams.count("<img") == len(model_page.DIAGRAMS)
    for title in ("### Protocol", "### Limits"):
        assert title in page.card
    assert "## Figures" not in page.card
    assert f"{metrics['test']['accuracy']:.3f}" in page.figures


def read_tiles(headline):
    return dict(re.findall(r"<div><b>(.*?)</b><span>(.*?)</span></div>", headline))


@pytest.fixture
def two_headed(tmp_path):
    """The shipped run with the figures of a network that has a head of its own for the votes."""
    shipped = model_page.find_run_folder()
    folder = tmp_path / "run"
    shutil.copytree(shipped, folder, ignore=shutil.ignore_patterns("model.keras", "state"))
    metrics = read_metrics(shipped) | {"heads": ["labels", "votes"]}
    metrics["calibration_votes"] = metrics["calibration"]
    metrics["test"] |= {"accuracy": 0.7123}
    metrics["ferplus_test"] |= {"accuracy": 0.8456, "accuracy_ci95": [0.832, 0.859], "n": 3137}
    return folder, metrics


def build_page(folder, metrics):
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return model_page.build_model_page(folder)


def test_each_figure_of_a_network_with_two_heads_names_its_head(two_headed):
    folder, metrics = two_headed
    page = build_page(folder, metrics)
    tiles = read_tiles(page.headline)
    assert "test faces under FER2013's labels" in html.unescape(tiles["71.2 %"])
    assert tiles["84.6 %"] == (
        "accuracy on 3,137 test faces under the FER+ majority, 95 % interval 0.832-0.859, head votes"
    )
    measured = [text for text in tiles.values() if text != "parameters"]
    assert sorted(text.rsplit(", head ")[1] for text in measured) == ["labels"] * 4 + ["votes"]
    assert "The app's answers are those of the head votes" in page.headline
    assert "test part, head labels: rows are" in page.confusion
    assert "### Each expression, test part, head labels" in page.figures
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page.diagrams)
    assert [caption.endswith(", head labels") for caption in captions] == [True, True, True, False]
    assert len(read_tiles(build_page(folder, metrics | {"ferplus_test": None}).headline)) == 5


@pytest.mark.parametrize("heads", [["labels"], None])
def test_a_network_with_one_head_names_none(two_headed, heads):
    folder, metrics = two_headed
    metrics |= {"heads": heads}
    del metrics["calibration_votes"]
    if heads is None:
        del metrics["heads"]
    page = build_page(folder, metrics)
    captions = "".join(re.findall(r"<figcaption>.*?</figcaption>", page.diagrams))
    assert "head" not in re.sub(r"</?thead>", "", page.headline + page.confusion + captions + page.figures)
    assert "84.6 %" not in page.headline
    assert len(read_tiles(page.headline)) == 5


def test_what_a_run_lacks_is_said_in_its_place(tmp_path, monkeypatch):
    shipped = model_page.find_run_folder()
    assert "not been measured" in model_page.build_model_page(tmp_path).headline
    assert "single file" in model_page.build_model_page(None).headline
    shutil.copy(shipped / "metrics.json", tmp_path)
    page = model_page.build_model_page(tmp_path)
    for piece in (page.confusion, page.diagrams, page.card):
        assert "invoke evaluate" in piece
    monkeypatch.setenv("FER_MODEL", str(tmp_path))
    assert model_page.find_run_folder() == tmp_path
    monkeypatch.setenv("FER_MODEL", str(tmp_path / "metrics.json"))
    assert model_page.find_run_folder() is None

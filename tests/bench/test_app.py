import re
import sys

import pytest
from app_media import read_astronaut

from fer.bench import app as bench
from fer.bench.chromium import find_chromium, write_film
from fer.errors import SettingsError


def test_a_load_is_told_in_one_line(app_server):
    line = bench._measure_load(app_server, read_astronaut(), 2, 3.0)
    told = re.fullmatch(
        r"2 viewers for 3 s: (\d+) answers, ([\d.]+) to ([\d.]+) frames/s each, 0 errors, 0 of another's or an older"
        r" frame, p95 (\d+) ms until answered and (\d+) ms on the server, memory ([+-][\d.]+) MB after the first 1 s",
        line,
    )
    answers, slowest, fastest, until_answered, on_server, growth = map(float, told.groups())
    assert answers >= 4
    assert 0 < slowest <= fastest <= 10.5, "no more than the page sends"
    assert on_server < until_answered
    assert abs(growth) < 200


def test_the_memory_is_that_of_the_server(app_server):
    # The network, JAX and Gradio are in it.
    assert 200 < app_server.read_memory() < 4000
    assert app_server.start_seconds > 0.1


def test_what_cannot_be_served_is_said(tmp_path, monkeypatch):
    with pytest.raises(SettingsError, match="no file"), bench.serve_app(tmp_path / "gone.py"):
        pass
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit(3)\n")
    with pytest.raises(SettingsError, match="must serve its page"), bench.serve_app(broken, python=sys.executable):
        pass


def test_chromium_is_named_by_the_environment_or_found(monkeypatch, tmp_path):
    monkeypatch.setenv("FER_CHROMIUM", "/somewhere/chromium")
    assert find_chromium() == "/somewhere/chromium"
    monkeypatch.delenv("FER_CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() is None


def test_a_film_is_pictures_in_a_row(tmp_path):
    image = read_astronaut()
    film = write_film([image, image[::-1]], tmp_path / "a.mjpeg")
    assert film.read_bytes().count(b"\xff\xd8\xff") == 2

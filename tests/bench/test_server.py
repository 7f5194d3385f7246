import socket
import sys

import pytest

from fer.bench.server import find_free_port, serve_app
from fer.errors import SettingsError


def test_memory_and_start_of_the_server_are_measured(app_server):
    # The network, JAX and Gradio take at least 200 MB.
    assert 200 < app_server.read_memory() < 4000
    assert app_server.start_seconds > 0.1


def test_free_port_can_be_used():
    with socket.socket() as server:
        server.bind(("127.0.0.1", find_free_port()))


def test_missing_app_file_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.py \(missing\)"), serve_app(tmp_path / "gone.py"):
        pass


def test_app_that_ends_before_its_page_is_an_error(tmp_path):
    (tmp_path / "broken.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(SettingsError, match="exit code 3"), serve_app(tmp_path / "broken.py", python=sys.executable):
        pass

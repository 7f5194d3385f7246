import socket

import pytest

from fer.app.ports import check_port
from fer.errors import SettingsError


def test_a_free_port_is_accepted():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    check_port("127.0.0.1", port)
    check_port(None, None)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", None), ("198.51.100.7", 7860)])
def test_a_port_that_cannot_be_used_is_one_line(host, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1] if port is None else port
        with pytest.raises(SettingsError, match=f"port {port}") as caught:
            check_port(host, port)
    assert "--port" in str(caught.value)
    assert "\n" not in str(caught.value)

"""The port that the server listens on."""

import os
import socket

from fer.errors import SettingsError

_REMEDY = "Remedy: give others with --host and --port, or leave both out."


def check_port(host: str | None, port: int | None) -> None:
    """Check that a port is free, before the network is loaded.

    Raises:
        SettingsError: it is taken, or the address is not one of this machine.
    """
    if port is None:
        return
    address = host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    try:
        (family, kind, *_, target), *_ = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except (OSError, OverflowError) as error:
        raise build_port_error(f"{address}, port {port} ({error})") from None


def build_port_error(received: str) -> SettingsError:
    """Return the error of a server that cannot listen.

    Args:
        received: the address, or the reason.
    """
    return SettingsError(f"The app needs a free port on an address of this machine. Received: {received}. {_REMEDY}")

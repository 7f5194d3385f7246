"""Clients of the app's endpoints and uploads, without a browser."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

_TIMEOUT_SECONDS = 600.0


@dataclass
class ClientReport:
    """Measurements of one client.

    Args:
        seconds: time of each request, from its upload to its answer.
        errors: one message per error.
    """

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class ApiClient:
    """Sends files to the endpoints as any program does: an upload, a call, and its events.

    Args:
        url: address of the app.
    """

    def __init__(self, url: str) -> None:
        self._api = f"{url.rstrip('/')}/gradio_api"
        self._http = httpx.Client(timeout=_TIMEOUT_SECONDS)

    def __enter__(self) -> "ApiClient":
        return self

    def __exit__(self, *error: object) -> None:
        self._http.close()

    def upload(self, name: str, content: bytes) -> str:
        """Upload a file and return its path on the server.

        Raises:
            httpx.HTTPError: the server refuses it or does not answer.
        """
        answer = self._http.post(f"{self._api}/upload", files={"files": (name, content)}).raise_for_status()
        return str(answer.json()[0])

    def call(self, endpoint: str, path: str, name: str, *arguments: Any) -> Any:
        """Call an endpoint with an uploaded file and return its answer.

        Args:
            endpoint: such as "analyze_image".
            path: path of the file on the server.
            name: name of the file here.
            arguments: the endpoint's further arguments.

        Raises:
            httpx.HTTPError: the server refuses the call or does not answer.
            ValueError: the answer is an error.
        """
        sent = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        url = f"{self._api}/call/{endpoint}"
        event = self._http.post(url, json={"data": [sent, *arguments]}).raise_for_status().json()["event_id"]
        with self._http.stream("GET", f"{url}/{event}") as stream:
            kind = ""
            for line in stream.raise_for_status().iter_lines():
                if line.startswith("event:"):
                    kind = line.removeprefix("event:").strip()
                elif line.startswith("data:") and kind == "complete":
                    return json.loads(line.removeprefix("data:"))[0]
                elif line.startswith("data:") and kind == "error":
                    raise ValueError(line.removeprefix("data:").strip())
        raise ValueError("the answer ended without a result")

    def analyze(self, endpoint: str, name: str, content: bytes, *arguments: Any) -> Any:
        """Upload a file, call an endpoint with it, and return the answer; errors as in :meth:`call`."""
        return self.call(endpoint, self.upload(name, content), name, *arguments)


def send_together(url: str, photo: bytes, count: int, seconds: float) -> list[ClientReport]:
    """Let several clients send the same photo, each again as soon as it has its answer.

    Args:
        url: address of the app.
        photo: content of an image file that shows a face.
        count: number of clients.
        seconds: how long they send.

    Returns:
        One report per client.
    """
    reports = [ClientReport() for _ in range(count)]
    end = time.monotonic() + seconds

    def send(report: ClientReport) -> None:
        with ApiClient(url) as client:
            while time.monotonic() < end:
                started = time.monotonic()
                try:
                    if not client.analyze("analyze_image", "photo.jpg", photo)["faces"]:
                        raise ValueError("no face in the answer")
                except (httpx.HTTPError, ValueError, KeyError) as error:
                    report.errors.append(f"{type(error).__name__}: {error}")
                else:
                    report.seconds.append(time.monotonic() - started)

    run_together([lambda report=report: send(report) for report in reports])  # type: ignore[misc]
    return reports


@contextmanager
def open_upload(url: str) -> Iterator[socket.socket]:
    """Begin an upload of 100 MB and yield its connection, which sends what the caller sends, and no more.

    Args:
        url: address of the app.
    """
    host, _, port = url.rpartition("://")[2].rstrip("/").partition(":")
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 100000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="files"; filename="slow.mp4"\r\n\r\n'
    )
    with socket.create_connection((host, int(port)), timeout=_TIMEOUT_SECONDS) as connection:
        connection.sendall(head.encode("ascii"))
        yield connection


def run_together(calls: Sequence[Callable[[], object]]) -> None:
    """Run calls in threads at once, and wait for all of them."""
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def describe_clients(reports: Sequence[ClientReport]) -> str:
    """Return the number of answers and errors of several clients, and the time of 95 % of the answers."""
    seconds = np.concatenate([report.seconds for report in reports])
    errors = [error for report in reports for error in report.errors]
    slow = f"p95 {np.percentile(seconds, 95):.1f} s" if len(seconds) else "no time measured"
    first = f" (first: {errors[0][:200]})" if errors else ""
    return f"{len(seconds)} answers, {len(errors)} errors{first}, {slow}"

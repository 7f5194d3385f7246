"""Viewers without a browser: each sends camera frames as the page does, and checks that its own frame comes back.

A frame carries a mark, blocks of black and white along its lower edge, that names viewer and frame.
"""

import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
from PIL import Image

from fer.app.data_urls import decode_image_url, encode_image_url

_BLOCK = 16
_VIEWER_BITS, _FRAME_BITS = 4, 8
_WAIT_SECONDS = 60.0


@dataclass
class ViewerReport:
    """What a viewer saw.

    Args:
        seconds: from sending each frame to its answer.
        server_milliseconds: what the server says it spent on each.
        strange: answers that showed another viewer's frame, or another frame than the one sent.
        blank: answers without a picture, as they come while the network is being loaded.
        errors: what went wrong, a line each.
        waited: seconds in the queue, each time; the server told the viewer its place there.
    """

    seconds: list[float] = field(default_factory=list)
    server_milliseconds: list[float] = field(default_factory=list)
    strange: int = 0
    blank: int = 0
    errors: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)


def mark_frame(frame: np.ndarray, viewer: int, number: int) -> np.ndarray:
    """Return a copy of a frame with the mark of a viewer and a frame.

    Args:
        frame: uint8 (H, W, 3), at least 12 blocks of 16 pixels wide.
        viewer: 0..15.
        number: of the frame; its lower eight bits are marked.
    """
    marked = frame.copy()
    code = viewer << _FRAME_BITS | number % 2**_FRAME_BITS
    for bit in range(_VIEWER_BITS + _FRAME_BITS):
        marked[-_BLOCK:, bit * _BLOCK : (bit + 1) * _BLOCK] = 255 * (code >> bit & 1)
    return marked


def read_mark(frame: np.ndarray) -> tuple[int, int]:
    """Return the viewer and the frame's number, 0..255, that a frame is marked with."""
    blocks = frame[-_BLOCK:, : _BLOCK * (_VIEWER_BITS + _FRAME_BITS)].mean(axis=(0, 2)).reshape(-1, _BLOCK).mean(axis=1)
    code = sum(1 << bit for bit, value in enumerate(blocks) if value > 127)
    return code >> _FRAME_BITS, code % 2**_FRAME_BITS


class Viewer:
    """A camera before the app's live tab.

    Args:
        url: the app's address.
        frame: uint8 (H, W, 3), what the camera shows.
        number: 0..15, the viewer's mark.
        every: seconds from frame to frame, as the page sends them.
    """

    def __init__(self, url: str, frame: np.ndarray, number: int, *, every: float = 0.1) -> None:
        self.url = url.rstrip("/") + "/gradio_api"
        self.frame = frame
        self.number = number
        self.every = every
        self.report = ViewerReport()
        self._session = uuid.uuid4().hex[:12]
        self._sent = 0
        self._started = 0.0
        self._told = 0.0

    def watch(self, seconds: float) -> ViewerReport:
        """Send frames for a time and return what came back."""
        end = time.monotonic() + seconds
        with httpx.Client(timeout=_WAIT_SECONDS) as client:
            event = find_live_event(client.get(self.url.removesuffix("/gradio_api") + "/config").json())
            while time.monotonic() < end and not self.report.errors:
                try:
                    self._take_turn(client, event, end)
                except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
                    self.report.errors.append(f"{type(error).__name__}: {error}")
        return self.report

    def _take_turn(self, client: httpx.Client, event: int, end: float) -> None:
        """Join the queue with a frame and go on sending until the turn or the time is over."""
        body = {"fn_index": event, "session_hash": self._session, "data": self._next_data()}
        event_id = client.post(f"{self.url}/queue/join", json=body).raise_for_status().json()["event_id"]
        query = {"session_hash": self._session}
        with client.stream("GET", f"{self.url}/queue/data", params=query) as stream:
            for message in _read_messages(stream):
                if self._note(message):
                    return
                if message["msg"] == "process_streaming":
                    if time.monotonic() >= end:
                        client.post(f"{self.url}/stream/{event_id}/close").raise_for_status()
                        continue
                    time.sleep(max(0.0, self._started + self.every - time.monotonic()))
                    data = {"data": self._next_data(), "session_hash": self._session, "fn_index": event}
                    client.post(f"{self.url}/stream/{event_id}", json=data).raise_for_status()

    def _next_data(self) -> list[Any]:
        self._sent += 1
        self._started = time.monotonic()
        url = encode_image_url(mark_frame(self.frame, self.number, self._sent), quality=90)
        return [{"url": url, "path": None, "mime_type": "image/jpeg"}, False, False]

    def _note(self, message: dict[str, Any]) -> bool:
        """Take a message in, and say whether the turn has ended."""
        kind = message["msg"]
        if kind == "estimation":
            self._told = time.monotonic()
        if kind == "process_starts" and self._told:
            self.report.waited.append(time.monotonic() - self._told)
        if kind == "process_streaming":
            self._check(message["output"]["data"])
        elif kind in ("process_completed", "unexpected_error") and not message.get("success", False):
            self.report.errors.append(str(message.get("output") or message.get("message")))
        return kind in ("process_completed", "unexpected_error", "close_stream")

    def _check(self, data: list[Any]) -> None:
        self.report.seconds.append(time.monotonic() - self._started)
        picture, status = data[0], str(data[1])
        if "url" not in picture:
            self.report.blank += 1
            return
        if 'data-milliseconds="' in status:
            self.report.server_milliseconds.append(float(status.split('data-milliseconds="')[1].split('"')[0]))
        with Image.open(io.BytesIO(decode_image_url(picture["url"]))) as image:
            mark = read_mark(np.asarray(image.convert("RGB")))
        self.report.strange += mark != (self.number, self._sent % 2**_FRAME_BITS)


def watch_together(
    url: str, frame: np.ndarray, count: int, seconds: float, *, meanwhile: Callable[[], None] = lambda: None
) -> list[ViewerReport]:
    """Let several viewers watch at once.

    Args:
        url: the app's address.
        frame: uint8 (H, W, 3), what each camera shows, each with a mark of its own.
        count: viewers, at most 16.
        seconds: how long.
        meanwhile: called while they watch.
    """
    viewers = [Viewer(url, frame, number) for number in range(count)]
    threads = [threading.Thread(target=viewer.watch, args=(seconds,), daemon=True) for viewer in viewers]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join()
    return [viewer.report for viewer in viewers]


def find_live_event(config: dict[str, Any]) -> int:
    """Return the number of the live tab's event in a page's configuration."""
    return next(int(each["id"]) for each in config["dependencies"] if each["connection"] == "stream")


def _read_messages(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line[5:])

"""Simulated viewers of the live tab, without a browser: each sends camera frames and checks the frames that return.

Each frame carries a mark, black and white blocks along its lower edge, that encodes the viewer and the frame number.
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
from fer.app.live import STREAM_EVERY

_BLOCK = 16
_VIEWER_BITS, _FRAME_BITS = 4, 8
_TIMEOUT_SECONDS = 60.0
_LAST_MESSAGES = ("process_completed", "unexpected_error", "close_stream")


@dataclass
class ViewerReport:
    """Measurements of one viewer.

    Args:
        seconds: time from sending each frame to its answer.
        server_milliseconds: processing time of each frame, as the server reports it.
        mismatched: number of answers that show another viewer's frame, or another frame than the last one sent.
        blank: number of answers without an image, as the server sends them while it loads the network.
        errors: one message per error.
        waited: seconds in the queue before each turn.
    """

    seconds: list[float] = field(default_factory=list)
    server_milliseconds: list[float] = field(default_factory=list)
    mismatched: int = 0
    blank: int = 0
    errors: list[str] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)


def mark_frame(frame: np.ndarray, viewer: int, number: int) -> np.ndarray:
    """Return a copy of a frame with a mark.

    Args:
        frame: uint8 (H, W, 3), at least 192 pixels wide.
        viewer: 0..15.
        number: number of the frame; the mark keeps its lower eight bits.
    """
    marked = frame.copy()
    code = viewer << _FRAME_BITS | number % 2**_FRAME_BITS
    for bit in range(_VIEWER_BITS + _FRAME_BITS):
        marked[-_BLOCK:, bit * _BLOCK : (bit + 1) * _BLOCK] = 255 * (code >> bit & 1)
    return marked


def read_mark(frame: np.ndarray) -> tuple[int, int]:
    """Return the viewer, 0..15, and the frame number, 0..255, of a marked frame."""
    blocks = frame[-_BLOCK:, : _BLOCK * (_VIEWER_BITS + _FRAME_BITS)].mean(axis=(0, 2)).reshape(-1, _BLOCK).mean(axis=1)
    code = sum(1 << bit for bit, value in enumerate(blocks) if value > 127)
    return code >> _FRAME_BITS, code % 2**_FRAME_BITS


class Viewer:
    """A viewer of the live tab whose camera shows one frame.

    Args:
        url: address of the app.
        frame: uint8 (H, W, 3), RGB.
        number: 0..15, encoded in the marks.
        interval: least seconds between two frames; the page's own by default.

    Attributes:
        report: what was measured so far.
    """

    def __init__(self, url: str, frame: np.ndarray, number: int, *, interval: float = STREAM_EVERY) -> None:
        self.url = url.rstrip("/")
        self.frame = frame
        self.number = number
        self.interval = interval
        self.report = ViewerReport()
        self._session = uuid.uuid4().hex[:12]
        self._num_sent = 0
        self._sent_at = 0.0
        self._queued_at = 0.0

    def watch(self, seconds: float) -> ViewerReport:
        """Send frames for some seconds, or until the first error, and return the report."""
        end = time.monotonic() + seconds
        with httpx.Client(timeout=_TIMEOUT_SECONDS) as client:
            event = find_live_event(client.get(f"{self.url}/config").json())
            while time.monotonic() < end and not self.report.errors:
                try:
                    self._take_turn(client, event, end)
                except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
                    self.report.errors.append(f"{type(error).__name__}: {error}")
        return self.report

    def _take_turn(self, client: httpx.Client, event: int, end: float) -> None:
        """Join the queue with a frame, then answer each message with the next frame until the turn or the time ends."""
        api = f"{self.url}/gradio_api"
        request = {"fn_index": event, "session_hash": self._session}
        joined = client.post(f"{api}/queue/join", json=request | {"data": self._next_data()}).raise_for_status()
        stream_url = f"{api}/stream/{joined.json()['event_id']}"
        with client.stream("GET", f"{api}/queue/data", params={"session_hash": self._session}) as stream:
            for message in _read_messages(stream):
                self._record(message)
                if message["msg"] in _LAST_MESSAGES:
                    return
                if message["msg"] != "process_streaming":
                    continue
                if time.monotonic() >= end:
                    client.post(f"{stream_url}/close").raise_for_status()
                else:
                    time.sleep(max(0.0, self._sent_at + self.interval - time.monotonic()))
                    client.post(stream_url, json=request | {"data": self._next_data()}).raise_for_status()

    def _next_data(self) -> list[Any]:
        self._num_sent += 1
        self._sent_at = time.monotonic()
        url = encode_image_url(mark_frame(self.frame, self.number, self._num_sent), quality=90)
        return [{"url": url, "path": None, "mime_type": "image/jpeg"}, False, False, False, None]

    def _record(self, message: dict[str, Any]) -> None:
        kind = message["msg"]
        if kind == "estimation":
            self._queued_at = time.monotonic()
        elif kind == "process_starts" and self._queued_at:
            self.report.waited.append(time.monotonic() - self._queued_at)
        elif kind == "process_streaming":
            self._record_answer(message["output"]["data"])
        elif kind in ("process_completed", "unexpected_error") and not message.get("success", False):
            self.report.errors.append(str(message.get("output") or message.get("message")))

    def _record_answer(self, data: list[Any]) -> None:
        self.report.seconds.append(time.monotonic() - self._sent_at)
        answer, status = data[0], str(data[1])
        if "url" not in answer:
            self.report.blank += 1
            return
        if 'data-milliseconds="' in status:
            self.report.server_milliseconds.append(float(status.split('data-milliseconds="')[1].split('"')[0]))
        with Image.open(io.BytesIO(decode_image_url(answer["url"]))) as image:
            mark = read_mark(np.asarray(image.convert("RGB")))
        self.report.mismatched += mark != (self.number, self._num_sent % 2**_FRAME_BITS)


def watch_together(
    url: str, frame: np.ndarray, count: int, seconds: float, *, meanwhile: Callable[[], None] = lambda: None
) -> list[ViewerReport]:
    """Run several viewers at once.

    Args:
        url: address of the app.
        frame: uint8 (H, W, 3), RGB, which every camera shows.
        count: number of viewers, at most 16.
        seconds: how long they watch.
        meanwhile: called once while they watch.

    Returns:
        One report per viewer.
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
    return next(int(event["id"]) for event in config["dependencies"] if event["connection"] == "stream")


def _read_messages(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line[5:])

"""A line of JSON for each request, without names, addresses or images."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Parts of a path that are logged: what follows may be the name of a file or of a visitor.
_NUM_PARTS = 2


class RequestLog:
    """Writes a line of JSON for each request.

    Args:
        app: the application.
        write: called with each line.
    """

    def __init__(self, app: ASGIApp, write: Callable[[str], object]) -> None:
        self.app = app
        self.write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, num_received, start = 500, 0, time.perf_counter()

        async def count_received() -> Message:
            nonlocal num_received
            message = await receive()
            num_received += len(message.get("body", b""))
            return message

        async def note_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, count_received, note_status)
        finally:
            entry = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "method": scope["method"],
                "path": shorten_path(str(scope["path"])) if status != 404 else None,
                "status": status,
                "milliseconds": round(1e3 * (time.perf_counter() - start), 1),
                "received_bytes": num_received,
            }
            self.write(json.dumps(entry))


def shorten_path(path: str) -> str:
    """Return the start of a path, which names the endpoint; the rest may name a file or a visitor."""
    return "/".join(path.split("=")[0].split("/")[: _NUM_PARTS + 1])

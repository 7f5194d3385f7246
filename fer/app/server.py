"""The parts of the web server that are not the framework's: uploads, security headers, and cleaning."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fer.app.cleaning import build_lifespan
from fer.app.headers import FILE_PATHS, SecurityHeaders
from fer.app.sessions import Sessions
from fer.app.uploads import build_upload_route
from fer.app.video_jobs import MAX_BYTES


class AddressFilter:
    """Refuses requests for a file at an address, which the web framework would fetch from there.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        addresses = tuple(f"{path}http" for path in FILE_PATHS)
        if scope["type"] == "http" and str(scope["path"]).lower().startswith(addresses):
            await PlainTextResponse("Only files of this server are served.", 403)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def build_server_options(
    sessions: Sessions, save: Callable[[Request, Path], Awaitable[list[str]]], head: str
) -> dict[str, Any]:
    """Return the keyword arguments of the application that the web framework builds.

    Args:
        sessions: the visitors.
        save: writes the files of a request into a folder and returns their paths.
        head: HTML that the framework adds to a page in the browser.
    """
    return {
        "routes": [build_upload_route(sessions, save, max_bytes=MAX_BYTES)],
        "middleware": [Middleware(SecurityHeaders, head=head), Middleware(AddressFilter)],
        "lifespan": build_lifespan(sessions),
    }

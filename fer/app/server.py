"""The parts of the web server that are not the framework's: uploads, security headers, and cleaning."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fer.app.cleaning import build_lifespan
from fer.app.engine import Engine
from fer.app.headers import FILE_PATHS, SecurityHeaders
from fer.app.request_log import RequestLog
from fer.app.rest import build_routes
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
    engine: Engine,
    sessions: Sessions,
    save: Callable[[Request, Path], Awaitable[list[str]]],
    head: str,
    log: Callable[[str], object] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments of the application that the web framework builds.

    Args:
        engine: the network, for the endpoints.
        sessions: the visitors.
        save: writes the files of a request into a folder and returns their paths.
        head: HTML that the framework adds to a page in the browser.
        log: called with a line of JSON for each request; None logs none.
    """
    logging = [] if log is None else [Middleware(RequestLog, write=log)]
    return {
        "routes": [build_upload_route(sessions, save, max_bytes=MAX_BYTES), *build_routes(engine, sessions)],
        "middleware": [*logging, Middleware(SecurityHeaders, head=head), Middleware(AddressFilter)],
        "lifespan": build_lifespan(sessions),
    }

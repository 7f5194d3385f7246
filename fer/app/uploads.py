"""The route that receives the files of visitors, each into a folder of its own.

The web framework's route names an upload by its content, so that two visitors who send the same photo share one file,
which is removed when the first of them has an answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive

from fer.app.sessions import Sessions

#: Path of the route.
PATH = "/gradio_api/upload"
#: Bytes that a form may have beside its file.
_FORM_BYTES = 2**20
#: Seconds after which an upload that has not arrived is broken off.
LONGEST_UPLOAD = 900.0


def build_upload_route(
    sessions: Sessions,
    save: Callable[[Request, Path], Awaitable[list[str]]],
    *,
    max_bytes: int,
    seconds: float = LONGEST_UPLOAD,
) -> Route:
    """Return a route that saves each upload in a new folder, of which nothing is left if the upload breaks off.

    Args:
        sessions: the visitors' files.
        save: writes the files of a request into a folder and returns their paths.
        max_bytes: largest upload in bytes.
        seconds: longest time that an upload takes.
    """

    async def receive_upload(request: Request) -> Response:
        limited = Request(request.scope, limit_bytes(request.receive, max_bytes + _FORM_BYTES))
        try:
            with sessions.receive_upload() as folder:
                async with asyncio.timeout(seconds):
                    return JSONResponse(await save(limited, folder))
        except TimeoutError:
            return PlainTextResponse(f"An upload must arrive within {seconds:.0f} seconds.", 408)
        except MultiPartException as error:
            return PlainTextResponse(error.message, 413 if "maximum allowed size" in error.message else 400)
        except ClientDisconnect:
            return Response(status_code=400)

    return Route(PATH, receive_upload, methods=["POST"])


def limit_bytes(receive: Receive, max_bytes: int) -> Receive:
    """Break a request off when its body exceeds a number of bytes."""
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise HTTPException(413, f"An upload exceeded maximum allowed size of {max_bytes} bytes.")
        return message

    return receive_limited

"""Endpoints for programs without the web framework's client: one plain request, one JSON answer.

A request is a file as its body, a form with a file, or JSON with the file in base64. The schemas of the answers are
those of :mod:`fer.app.api`.

Reference:
    https://spec.openapis.org/oas/v3.1.0
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from fer import __version__
from fer.app.api import IMAGE_SCHEMA, VIDEO_SCHEMA, analyze_video, describe_image
from fer.app.engine import Engine
from fer.app.sessions import Sessions
from fer.app.uploads import limit_bytes
from fer.app.video_jobs import MAX_BYTES as MAX_VIDEO_BYTES
from fer.errors import FerError
from fer.vision.decoding import MAX_BYTES as MAX_IMAGE_BYTES
from fer.vision.images import decode_image

#: Path of the endpoints, and of the state of the server.
PATH, HEALTH_PATH, READY_PATH = "/v1", "/health", "/ready"
#: Requests that run at once, and further ones that may wait; a waiting request is in memory.
_IMAGES, _VIDEOS = (4, 32), (1, 4)
#: Base64 has four bytes for three; a form has headers as well.
_ENCODED = 4 / 3
_FORM_BYTES = 2**20
#: Seconds after which a request that has not arrived is broken off.
LONGEST_REQUEST = 300.0


class Limiter:
    """Admits a number of requests, of which fewer run at once; further ones are refused.

    A request is received before it takes its turn, so that a slow one holds up no other.

    Args:
        running: requests that run at once.
        waiting: further requests that are received or wait.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self.turn = asyncio.Semaphore(running)
        self._left = running + waiting

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Count a request while it is received, waits and runs.

        Raises:
            HTTPException: too many requests are there already.
        """
        if not self._left:
            raise HTTPException(503, "The server is busy. Remedy: send the request again.", {"Retry-After": "5"})
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


def build_routes(engine: Engine, sessions: Sessions) -> list[BaseRoute]:
    """Return the routes of the endpoints.

    Args:
        engine: the network.
        sessions: the folder of the server's files, in which a video is kept while it is analyzed.
    """
    endpoints = _Endpoints(engine, sessions)
    routes = [
        Route("/image", endpoints.analyze_image, methods=["POST"]),
        Route("/video", endpoints.analyze_video, methods=["POST"]),
        Route("/openapi.json", describe_endpoints),
    ]
    handlers: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
        FerError: _refuse_input,
        HTTPException: _refuse_request,
    }
    return [
        Mount(PATH, Starlette(routes=routes, exception_handlers=handlers)),
        Route(HEALTH_PATH, report_health),
        Route(READY_PATH, endpoints.report_readiness),
    ]


class _Endpoints:
    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        self.engine = engine
        self.sessions = sessions
        self._images, self._videos = Limiter(*_IMAGES), Limiter(*_VIDEOS)

    async def analyze_image(self, request: Request) -> Response:
        """Answer with the faces of an image."""
        with self._images.admit():
            content = await _receive(request, MAX_IMAGE_BYTES)
            async with self._images.turn:
                return JSONResponse(await run_in_threadpool(self._analyze_image, content))

    async def analyze_video(self, request: Request) -> Response:
        """Answer with the faces of a video, frame by frame."""
        every = _read_step(request)
        with self._videos.admit():
            content = await _receive(request, MAX_VIDEO_BYTES)
            async with self._videos.turn:
                return JSONResponse(await run_in_threadpool(self._analyze_video, content, every))

    async def report_readiness(self, request: Request) -> Response:
        """Answer 200 once the network is loaded."""
        if self.engine.is_loading:
            return JSONResponse({"status": "loading"}, 503)
        try:
            self.engine.analyzers  # noqa: B018  # raises if the network could not be loaded
        except FerError:
            return JSONResponse({"status": "failed"}, 503)
        return JSONResponse({"status": "ready"})

    def _analyze_image(self, content: bytes) -> dict[str, Any]:
        image = decode_image(content)
        return describe_image(image, self.engine.analyzers.photo.analyze(image))

    def _analyze_video(self, content: bytes, every: int) -> dict[str, Any]:
        with self.sessions.open_folder() as folder:
            path = folder / "video"
            path.write_bytes(content)
            return analyze_video(path, self.engine.analyzers.video, every=every)


async def report_health(request: Request) -> Response:
    """Answer 200 as long as the server runs."""
    return JSONResponse({"status": "ok"})


async def describe_endpoints(request: Request) -> Response:
    """Answer with the description of the endpoints in OpenAPI."""
    return JSONResponse(build_openapi())


def build_openapi() -> dict[str, Any]:
    """Return the description of the endpoints in OpenAPI 3.1."""
    step = {
        "name": "every",
        "in": "query",
        "description": "analyze only frames whose index is a multiple of this",
        "schema": {"type": "integer", "minimum": 1, "default": 1},
    }
    state = {"get": {"responses": {"200": {"description": "yes"}, "503": {"description": "not yet"}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "FER-DL", "version": __version__, "description": "Facial expressions in images and videos."},
        "paths": {
            f"{PATH}/image": {
                "post": _describe("Find the faces of an image and name their expressions.", IMAGE_SCHEMA)
            },
            f"{PATH}/video": {
                "post": _describe("Track the faces of a video and name their expressions.", VIDEO_SCHEMA)
                | {"parameters": [step]}
            },
            HEALTH_PATH: state,
            READY_PATH: state,
        },
    }


def _describe(summary: str, schema: dict[str, Any]) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"file": binary}, "required": ["file"]}
    encoded = {"type": "string", "contentEncoding": "base64"}
    text = {"type": "object", "properties": {"file": encoded}, "required": ["file"]}
    fault = {
        "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
    }
    return {
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "application/json": {"schema": text},
                "application/octet-stream": {"schema": binary},
            },
        },
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": schema}}},
            "400": {"description": "The request has no file.", **fault},
            "413": {"description": "The file is too large.", **fault},
            "422": {"description": "The file cannot be analyzed.", **fault},
            "503": {"description": "The server is busy.", **fault},
        },
    }


async def _receive(request: Request, max_bytes: int) -> bytes:
    """Return the file of a request.

    Raises:
        HTTPException: the request has no file, a file that is too large, or does not arrive in time.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    largest = int(max_bytes * _ENCODED) if kind == "application/json" else max_bytes
    limited = Request(request.scope, limit_bytes(request.receive, largest + _FORM_BYTES))
    try:
        async with asyncio.timeout(LONGEST_REQUEST):
            content = await _read(limited, kind)
    except TimeoutError:
        raise HTTPException(408, f"A request must arrive within {LONGEST_REQUEST:.0f} seconds.") from None
    except ClientDisconnect:
        raise HTTPException(400, "The request was interrupted.") from None
    if not content:
        raise HTTPException(400, "A request must hold a file. Received: none. Remedy: curl -F file=@photo.jpg")
    if len(content) > max_bytes:
        raise HTTPException(413, f"A file must have at most {max_bytes // 2**20} MiB.")
    return content


async def _read(request: Request, kind: str) -> bytes:
    if kind == "application/json":
        return _decode(await request.body())
    if kind != "multipart/form-data":
        return await request.body()
    try:
        async with request.form(max_files=1, max_fields=8) as form:
            file = form.get("file")
            return await file.read() if isinstance(file, UploadFile) else b""
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None


def _decode(body: bytes) -> bytes:
    try:
        return base64.b64decode(json.loads(body)["file"], validate=True)
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
        raise HTTPException(400, 'A JSON request must be {"file": "<base64>"}. Remedy: see /v1/openapi.json.') from None


def _read_step(request: Request) -> int:
    text = request.query_params.get("every", "1")
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) < 10):
        raise HTTPException(400, f"every must be a whole number from 1. Received: {text[:20]!r}.")
    return int(text)


async def _refuse_input(request: Request, error: FerError) -> Response:
    return JSONResponse({"error": str(error)}, 422)


async def _refuse_request(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)

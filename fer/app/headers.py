"""Security headers of every response: what a page may load and run, and who may frame it.

References:
    W3C, "Content Security Policy Level 3".
    OWASP, "HTTP Security Response Headers Cheat Sheet".
"""

import base64
import hashlib
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Paths below which the files of visitors are served; no script in them ever runs.
FILE_PATHS = ("/gradio_api/file=", "/file=")
_FILE_POLICY = "default-src 'none'; sandbox"
#: What a page may load, except scripts.
_PAGE_POLICY = {
    "default-src": "'none'",
    # The framework writes style sheets and style attributes into the page.
    "style-src": "'self' 'unsafe-inline'",
    "font-src": "'self'",
    # Answers are images as data URLs; the preview of an upload is a blob.
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    # Data URLs of images are fetched to be saved.
    "connect-src": "'self' data: blob:",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
    # A Space is shown in a frame of huggingface.co.
    "frame-ancestors": "'self' https://huggingface.co https://*.hf.space",
}
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}
_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def hash_scripts(html: bytes) -> list[str]:
    """Return the sources of a policy that allow the inline scripts of a page, and no other inline script.

    Args:
        html: a page or a part of one.

    Returns:
        One source such as "'sha256-…'" for each script.
    """
    digests = (hashlib.sha256(script).digest() for script in _SCRIPT.findall(html))
    return [f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests]


def build_policy(scripts: Iterable[str]) -> str:
    """Return the Content-Security-Policy of a page.

    Args:
        scripts: sources of scripts beside this server, from :func:`hash_scripts`.
    """
    # The framework's HTML component compiles its own template in the browser, with the Function constructor.
    directives = _PAGE_POLICY | {"script-src": " ".join(["'self'", "'unsafe-eval'", *scripts])}
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


class SecurityHeaders:
    """Adds the security headers to the responses of an application.

    Args:
        app: the application.
        head: HTML that the framework adds to a page in the browser; its inline scripts are allowed.
    """

    def __init__(self, app: ASGIApp, head: str = "") -> None:
        self.app = app
        self._head = hash_scripts(head.encode("utf-8"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_file = str(scope["path"]).startswith(FILE_PATHS)
        start: Message | None = None
        body = b""

        async def send_with_headers(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                kind = headers.get("content-type", "")
                # The player of a chosen video has a worker, which runs scripts that the player passes on as blobs.
                worker = ["blob:"] if "javascript" in kind else []
                headers["content-security-policy"] = _FILE_POLICY if is_file else build_policy(worker)
                if not is_file and kind.startswith("text/html"):
                    # The scripts of a page, and so its policy, are known at its end.
                    start = message
                    return
            elif start is not None:
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                policy = build_policy([*hash_scripts(body), *self._head])
                MutableHeaders(scope=start)["content-security-policy"] = policy
                await send(start)
                message = {**message, "body": body}
            await send(message)

        await self.app(scope, receive, send_with_headers)

"""Tasks of the web app."""

from invoke.context import Context

from fer.tasks.declaration import fer_task


@fer_task(
    help={
        "host": "address to serve on (default: this machine alone)",
        "port": "port to serve on",
        "log-requests": "print a line of JSON for each request, without names and addresses",
    }
)
def app(c: Context, host: str | None = None, port: int | None = None, log_requests: bool = False) -> None:
    """Serve the web app."""


@fer_task(
    help={
        "out": "folder to build: new, empty or an earlier Space (default: build/space or build/static-space)",
        "static": "build a page that runs entirely in the visitor's browser, for a free static Space",
        "runtime": "with --static: file of the npm package onnxruntime-web (default: downloaded)",
        "push": "owner/name: upload the folder to this Space",
        "dry-run": "with --push: list the files, and upload nothing",
    }
)
def space(
    c: Context,
    out: str = "",
    static: bool = False,
    runtime: str | None = None,
    push: str | None = None,
    dry_run: bool = False,
) -> None:
    """Build a folder that runs as a Hugging Face Space, and upload it on request."""

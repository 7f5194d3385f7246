"""Commands of the web app: app and space."""

from fer.commands.options import Log
from fer.errors import SettingsError


def app(*, host: str | None = None, port: int | None = None, log_requests: bool = False, log: Log = print) -> None:
    """Serve the web app, and print a line of JSON for each request if that is asked for.

    Raises:
        SettingsError: the port is no port, or is taken.
    """
    if port is not None and not 0 < port < 2**16:
        raise SettingsError(f"--port must be in 1..{2**16 - 1}. Received: {port}.")
    from gradio_app import run_app

    run_app(host=host, port=port, log=log if log_requests else None)


def space(
    out: str = "",
    *,
    static: bool = False,
    runtime: str | None = None,
    push: str | None = None,
    dry_run: bool = False,
    log: Log = print,
) -> None:
    """Assemble the folder of a Hugging Face Space, and send it on request.

    Raises:
        SettingsError: an option is given without the one that it belongs to.
    """
    from fer.app.space import APP_FILE, build_space, push_space

    if dry_run and push is None:
        raise SettingsError("--dry-run needs --push owner/name. Received: --dry-run alone.")
    if runtime is not None and not static:
        raise SettingsError("--runtime belongs to a static Space. Received: --runtime alone. Remedy: add --static.")
    folder = out or ("build/static-space" if static else "build/space")
    if static:
        from fer.app.static_space import build_static_space

        files = build_static_space(folder, runtime=runtime)
        start = "python -m http.server"
    else:
        files = build_space(folder)
        start = f"python {APP_FILE}"
    log(f"{len(files)} files are in {folder}. Start it there: {start}")
    if push is not None:
        push_space(folder, push, sdk="static" if static else "gradio", dry_run=dry_run, log=log)

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


def space(out: str = "build/space", *, push: str | None = None, dry_run: bool = False, log: Log = print) -> None:
    """Assemble the folder of a Hugging Face Space, and send it on request.

    Raises:
        SettingsError: ``dry_run`` is given without ``push``.
    """
    from fer.app.space import APP_FILE, build_space, push_space

    if dry_run and push is None:
        raise SettingsError("--dry-run needs --push owner/name. Received: --dry-run alone.")
    files = build_space(out)
    log(f"{len(files)} files are in {out}. Start it there: python {APP_FILE}")
    if push is not None:
        push_space(out, push, dry_run=dry_run, log=log)

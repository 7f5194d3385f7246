"""The web app: connects :mod:`fer.app` to Gradio. Also the app file of the Space."""

import os
import signal
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from gradio import route_utils, routes
from starlette.requests import Request

from fer.app.cleaning import open_temporary_folder
from fer.app.engine import Engine
from fer.app.examples import write_examples, write_film
from fer.app.handlers import Handlers
from fer.app.memory import limit_heaps
from fer.app.pages import texts
from fer.app.ports import build_port_error, check_port
from fer.app.server import build_server_options
from fer.app.sessions import Sessions
from fer.app.video_jobs import MAX_BYTES
from fer.app.web import tabs
from fer.app.web.events import Events

#: Requests to the network that run at once; further visitors wait in the queue.
VIEWERS = 8
#: Seconds after which a live viewer gives its place to the next one in the queue, if there is one.
TURN_SECONDS = 30


def build_app(
    engine: Engine, sessions: Sessions, *, viewers: int = VIEWERS, turn_seconds: int = TURN_SECONDS
) -> gr.Blocks:
    """Build the page and its endpoints.

    Args:
        engine: the network; the page can be served while it is loading.
        sessions: the visitors, whose files are in Gradio's temporary folder.
        viewers: requests to the network that run at once.
        turn_seconds: seconds that a live viewer keeps its place while others wait.
    """
    folder = sessions.root / "examples"
    examples, film = write_examples(folder), write_film(folder)
    events = Events(Handlers(engine, sessions, examples[0]))
    app = gr.Blocks(title=texts.TITLE, analytics_enabled=False)
    with app:
        gr.HTML(texts.HEAD, elem_id="fer-head")
        with gr.Tab("Photo", id="photo"):
            tabs.build_photo(app, events, viewers, examples)
        with gr.Tab("Live", id="live"):
            tabs.build_live(events, viewers, turn_seconds)
        with gr.Tab("Video", id="video"):
            tabs.build_video(events, film)
        with gr.Tab("Model", id="model") as tab:
            tabs.build_model(tab)
        gr.HTML(texts.FOOT, elem_id="fer-foot")
        app.unload(events.forget)
    return app


def run_app(
    *,
    host: str | None = None,
    port: int | None = None,
    viewers: int = VIEWERS,
    turn_seconds: int = TURN_SECONDS,
    log: Callable[[str], object] | None = None,
) -> None:
    """Serve the web app until it is interrupted or terminated.

    Args:
        host: address to listen on; None for GRADIO_SERVER_NAME, or this machine only.
        port: None for GRADIO_SERVER_PORT, or the first free one from 7860.
        viewers: requests to the network that run at once.
        turn_seconds: seconds that a live viewer keeps its place while others wait.
        log: called with a line of JSON for each request; None logs none.

    Raises:
        SettingsError: the app cannot listen on this host and port.
    """
    check_port(host, port)
    # SIGTERM ends the process as an exception, so that the temporary folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    limit_heaps()
    # A folder that only this user can read, instead of Gradio's, which all users of the machine share.
    with open_temporary_folder() as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        engine, sessions = Engine(), Sessions(folder)
        app = build_app(engine, sessions, viewers=viewers, turn_seconds=turn_seconds)
        try:
            print(f"The app runs at {launch(app, engine, sessions, host=host, port=port, log=log)}", flush=True)
            app.block_thread()
        finally:
            app.close(verbose=False)
            engine.join()


def launch(
    app: gr.Blocks,
    engine: Engine,
    sessions: Sessions,
    *,
    host: str | None = None,
    port: int | None = None,
    log: Callable[[str], object] | None = None,
) -> str:
    """Start the server in the background and return the address of the page.

    Raises:
        SettingsError: the app cannot listen on this host and port.
    """
    pages = files("fer.app.pages")
    head = (pages / "head.html").read_text(encoding="utf-8")
    try:
        _, url, _ = app.queue(max_size=64).launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            share=False,
            ssr_mode=False,
            run_history=False,
            enable_monitoring=False,
            strict_cors=True,
            app_kwargs=build_server_options(engine, sessions, save_upload, head, log),
            footer_links=["api"],
            quiet=True,
            theme=build_theme(),
            css=(pages / "style.css").read_text(encoding="utf-8"),
            head=head,
            # The message of an unexpected exception could contain a path of the server.
            show_error=False,
        )
    except (OSError, OverflowError) as error:
        reason = str(error).split(". ")[0].rstrip(".")
        raise build_port_error(reason) from None
    return str(url)


async def save_upload(request: Request, folder: Path) -> list[str]:
    """Save the files of a request in a folder and return their paths."""
    upload_id = request.query_params.get("upload_id")
    progress = routes.file_upload_statuses if upload_id else None
    paths, _, _ = await route_utils.upload_fn(request, folder, MAX_BYTES, upload_id, upload_progress=progress)
    return [str(path) for path in paths]


def build_theme() -> gr.Theme:
    """Return a theme with the fonts of the visitor's system, so that no page loads one from another host."""
    return gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    ).set(
        # Gradio's own colours are too pale for small type.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )


if __name__ == "__main__":
    run_app()

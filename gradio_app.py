"""The web app: connects :mod:`fer.app` to Gradio. Also the app file of the Space."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from gradio import route_utils, routes
from gradio.data_classes import Base64ImageData, FileData, ImageData
from starlette.requests import Request

from fer.app import api
from fer.app.cleaning import open_temporary_folder
from fer.app.engine import Engine
from fer.app.examples import write_examples
from fer.app.handlers import Handlers, Upload
from fer.app.live import CAMERA, STREAM_EVERY, RollingTimeline
from fer.app.memory import limit_heaps
from fer.app.pages import cards, model, texts
from fer.app.ports import build_port_error, check_port
from fer.app.server import build_server_options
from fer.app.sessions import Sessions
from fer.app.video_jobs import MAX_BYTES
from fer.errors import FerError

#: Requests to the network that run at once; further visitors wait in the queue.
VIEWERS = 8
#: Seconds after which a live viewer gives its place to the next one in the queue, if there is one.
TURN_SECONDS = 30


async def keep_upload(self: Any, url_or_file_path: str | Path | None) -> str:
    """Return the path of an upload; Gradio's own method downloads the file if a client sends an address."""
    if str(url_or_file_path).startswith(("http:", "https:")):
        raise gr.Error(texts.ADDRESS_TEXT, print_exception=False)
    return str(url_or_file_path)


def _read_upload(payload: ImageData | FileData | None) -> Upload | None:
    return Upload(payload.orig_name or "upload", Path(payload.path)) if payload and payload.path else None


class PhotoInput(gr.Image):
    """An image input that passes on the uploaded file, so that the package's decoder decides what an image is."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: ImageData | None) -> Upload | None:  # type: ignore[override]
        """Return the upload, or None."""
        return _read_upload(payload)


class VideoInput(gr.Video):
    """A video input that passes on the uploaded file with its name."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: FileData | None) -> Upload | None:
        """Return the upload, or None."""
        return _read_upload(payload)


class CameraInput(gr.Image):
    """A camera that passes on each frame as the browser sent it."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Return the frame as a data URL, or None."""
        return payload.url if payload is not None else None


class MemoryImage(gr.Image):
    """An image output that, unlike gr.Image, writes no file for each frame."""

    is_template = True

    def postprocess(self, value: Any) -> Base64ImageData | None:
        """Return an image that is given as a data URL."""
        return None if value is None else Base64ImageData(url=value)


class VideoOutput(gr.Video):
    """A video output that, unlike gr.Video, never converts: Gradio's converted copy would outlive the visit."""

    is_template = True

    def postprocess(self, value: str | Path | None) -> FileData | None:
        """Return a video that is given as the path of a file."""
        return None if value is None else FileData(path=str(value), orig_name=Path(value).name)


class Answer(gr.JSON):
    """The answer of an endpoint.

    Args:
        schema: JSON schema of the answer.
    """

    is_template = True

    def __init__(self, schema: dict[str, Any], **options: Any) -> None:
        self.schema = schema
        super().__init__(**options)

    def api_info(self) -> dict[str, Any]:
        """Return the schema."""
        return self.schema


class Events:
    """The handlers with the arguments and results of Gradio's events.

    Args:
        handlers: the handlers.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers

    def live(self, frame: str | None, explain: bool, paused: bool, mirror: bool, request: gr.Request) -> list[Any]:
        """Return the annotated image, status, people and timeline for a camera frame."""
        switches = {"explain": explain, "paused": paused, "mirror": mirror}
        update = self.handlers.show_live(str(request.session_hash), frame, **switches)
        return [gr.skip() if value is None else value for value in update]

    def neutral(self, request: gr.Request) -> str:
        """Return the status after the visitor has asked for the neutral face to be taken off."""
        return self.handlers.start_baseline(str(request.session_hash))

    def clear_neutral(self, request: gr.Request) -> str:
        """Return the status after the neutral face has been forgotten."""
        return self.handlers.clear_baseline(str(request.session_hash))

    def photo(self, upload: Upload | None, explain: bool, request: gr.Request) -> tuple[Any, ...]:
        """Return the photo with boxes, cards and downloads."""
        return self.handlers.show_photo(str(request.session_hash), upload, explain=explain)

    def first_photo(self, request: gr.Request) -> tuple[Any, ...]:
        """Return the example for a new page; outside the queue, where it would wait for live viewers."""
        return self.handlers.show_first_photo(str(request.session_hash)) or (gr.skip(),) * 3

    def video(self, upload: Upload | None, every: int, request: gr.Request) -> Iterator[tuple[Any, ...]]:
        """Yield progress, summary, annotated video, plot, table and both buttons while a video is analyzed."""
        for update in self.handlers.show_video(str(request.session_hash), upload, every):
            results = [
                gr.update(value=path, visible=path is not None)
                for path in (update.annotated, update.plot, update.table)
            ]
            buttons = gr.update(interactive=not update.running), gr.update(interactive=update.running)
            yield update.progress, update.summary, *results, *buttons

    def cancel(self, request: gr.Request) -> None:
        """Stop the visitor's video."""
        self.handlers.cancel_video(str(request.session_hash))

    def analyze_image(self, image: Upload | None, request: gr.Request) -> dict[str, Any]:
        """Find the faces of an image and name their expressions.

        Returns the width and height of the image, and for each face its box, label, confidence, the seven
        probabilities, whether the answer is uncertain, and warnings.
        """
        return _answer(self.handlers.analyze_image, str(request.session_hash), image)

    def analyze_video(self, video: Upload | None, every: int, request: gr.Request) -> dict[str, Any]:
        """Track the faces of a video and name their expressions frame by frame.

        Only frames whose index is a multiple of ``every`` are analyzed. Returns ``frames`` with their faces, ``people``
        with their time on screen and their share of each expression, and ``cut``: whether the video is longer than what
        was analyzed.
        """
        return _answer(self.handlers.analyze_video, str(request.session_hash), video, every)

    def forget(self, request: gr.Request) -> None:
        """Remove the state and the files of a visitor who has left."""
        self.handlers.sessions.forget(str(request.session_hash))


def _answer(handler: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    try:
        return handler(*arguments)
    except FerError as error:
        raise gr.Error(str(error), print_exception=False) from None


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
    examples = write_examples(sessions.root / "examples")
    events = Events(Handlers(engine, sessions, examples[0]))
    app = gr.Blocks(title=texts.TITLE, analytics_enabled=False)
    with app:
        gr.HTML(texts.HEAD, elem_id="fer-head")
        with gr.Tab("Photo", id="photo"):
            _build_photo(app, events, viewers, examples)
        with gr.Tab("Live", id="live"):
            _build_live(events, viewers, turn_seconds)
        with gr.Tab("Video", id="video"):
            _build_video(events)
        with gr.Tab("Model", id="model") as tab:
            _build_model(tab)
        gr.HTML(texts.FOOT, elem_id="fer-foot")
        app.unload(events.forget)
    return app


def _build_live(events: Events, viewers: int, turn_seconds: int) -> None:
    with gr.Row(elem_id="live-row"):
        with gr.Column(scale=5, min_width=300):
            options: dict[str, Any] = {"show_label": False, "buttons": ["fullscreen"], "elem_id": "live-image"}
            image = MemoryImage(interactive=False, alt_text="The camera image with its faces", **options)
            camera = CameraInput(
                show_label=False,
                sources=["webcam"],
                streaming=True,
                webcam_options=gr.WebcamOptions(mirror=False, constraints=CAMERA),
                height=360,
                buttons=[],
                elem_id="live-camera",
            )
            gr.HTML(cards.render_camera_notices(), elem_id="live-faults")
            timeline = gr.HTML(cards.render_timeline(RollingTimeline()), elem_id="live-timeline")
        with gr.Column(scale=3, min_width=280):
            status = gr.HTML("", elem_id="live-status")
            people = gr.HTML(cards.render_notice(texts.LIVE_HINT, kind="empty"), elem_id="live-people")
            with gr.Row(elem_id="live-switches"):
                mirror = gr.Checkbox(True, label="Mirror", container=False, min_width=0)
                paused = gr.Checkbox(False, label="Pause", container=False, min_width=0)
                explain = gr.Checkbox(False, label="Activation map", container=False, min_width=0)
            with gr.Row(elem_id="live-baseline"):
                neutral = gr.Button(texts.NEUTRAL_LABEL, size="sm", min_width=160, elem_id="live-neutral")
                clear = gr.Button(texts.CLEAR_NEUTRAL_LABEL, size="sm", min_width=160, elem_id="live-clear-neutral")
    # No trigger_mode: any other than the default of streams drops most frames.
    camera.stream(
        events.live,
        [camera, explain, paused, mirror],
        [image, status, people, timeline],
        stream_every=STREAM_EVERY,
        time_limit=turn_seconds,
        show_progress="minimal",
        show_progress_on=image,
        concurrency_id="network",
        concurrency_limit=viewers,
        api_visibility="private",
    )
    # Outside the queue: a press counts at once, not after the frames that wait.
    for button, call in ((neutral, events.neutral), (clear, events.clear_neutral)):
        button.click(call, None, status, queue=False, show_progress="hidden", api_visibility="private")


def _build_photo(app: gr.Blocks, events: Events, viewers: int, examples: list[Path]) -> None:
    with gr.Row(elem_id="photo-row"):
        with gr.Column(scale=1, min_width=280):
            photo = PhotoInput(
                label="Photo",
                height=240,
                buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
                elem_id="photo-input",
            )
            gr.HTML(f"<small>{texts.PHOTO_LIMITS}</small>", elem_id="photo-limits")
            explain = gr.Checkbox(False, label=texts.EXPLAIN_LABEL, elem_id="photo-explain")
            rows = [[str(path)] for path in examples]
            gr.Examples(rows, photo, label="Examples", elem_id="photo-examples", api_visibility="private")
        with gr.Column(scale=2, min_width=300):
            image = gr.HTML("", elem_id="photo-image")
            results = gr.HTML(cards.render_notice(texts.LOADING_TEXT), elem_id="photo-cards")
            downloads = gr.HTML("", elem_id="photo-downloads")
    shown = [image, results, downloads]
    gr.on(
        [photo.change, explain.input],
        events.photo,
        [photo, explain],
        shown,
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=results,
        concurrency_id="network",
        concurrency_limit=viewers,
        api_visibility="private",
    )
    app.load(events.first_photo, None, shown, queue=False, show_progress="hidden", api_visibility="private")
    _build_endpoint(events.analyze_image, [photo], api.IMAGE_SCHEMA, "network", viewers)


def _build_video(events: Events) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            video = VideoInput(label="Video", sources=["upload"], height=260, buttons=[], elem_id="video-input")
            gr.HTML(f"<small>{texts.VIDEO_LIMITS}</small>")
            steps = [("every frame", 1), ("every 2nd", 2), ("every 5th", 5)]
            every = gr.Radio(steps, value=1, label="Frames to analyze")
            with gr.Row():
                start = gr.Button("Analyze", variant="primary", min_width=110, elem_id="video-start")
                cancel = gr.Button("Cancel", min_width=110, interactive=False, elem_id="video-cancel")
        with gr.Column(scale=2, min_width=300):
            progress = gr.HTML(cards.render_notice(texts.VIDEO_HINT, kind="empty"), elem_id="video-progress")
            summary = gr.HTML("", elem_id="video-summary")
            annotated = VideoOutput(
                label="Annotated video",
                interactive=False,
                visible=False,
                buttons=["download"],
                elem_id="video-annotated",
            )
            plot = gr.Image(
                show_label=False,
                alt_text="Each person's expressions over time",
                format="png",
                interactive=False,
                visible=False,
                buttons=["download", "fullscreen"],
                elem_id="video-plot",
            )
            table = gr.DownloadButton("Save table (CSV)", visible=False, elem_id="video-table")
    # A video takes minutes, so one runs at a time, and never in the place of a live viewer.
    start.click(
        events.video,
        [video, every],
        [progress, summary, annotated, plot, table, start, cancel],
        show_progress="minimal",
        show_progress_on=progress,
        concurrency_id="video",
        concurrency_limit=1,
        api_visibility="private",
    )
    cancel.click(events.cancel, queue=False, api_visibility="private")
    # The page offers three steps; the endpoint takes any.
    step = gr.Number(1, precision=0, minimum=1, visible=False)
    _build_endpoint(events.analyze_video, [video, step], api.VIDEO_SCHEMA, "video", 1)


def _build_endpoint(
    call: Callable[..., Any], inputs: list[Any], schema: dict[str, Any], queue: str, limit: int
) -> None:
    with gr.Column(visible=False):
        button, answer = gr.Button(), Answer(schema)
        button.click(call, inputs, answer, api_name=call.__name__, concurrency_id=queue, concurrency_limit=limit)


def _build_model(tab: gr.Tab) -> None:
    headline = gr.HTML("", elem_id="model-headline")
    limits = gr.Markdown("", elem_id="model-limits", elem_classes="fer-prose")
    measured = gr.HTML("", elem_id="model-measured")
    with gr.Accordion("All figures, plots and the model card", open=False, elem_id="model-all"):
        figures = gr.Markdown("", elem_id="model-figures", elem_classes="fer-prose")
        confusion = gr.HTML("", elem_id="model-confusion")
        plots = gr.HTML("", elem_id="model-plots")
        card = gr.Markdown("", elem_id="model-card", elem_classes="fer-prose")
    # Loaded when the tab is opened: the plots would double the size of the page.
    outputs = [headline, limits, measured, figures, confusion, plots, card]
    tab.select(model.build_model_page, None, outputs, queue=False, api_visibility="private")


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

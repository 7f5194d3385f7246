"""The web app: wiring of the package's pages to Gradio, and nothing more. Also the app file of the Space."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from gradio.data_classes import Base64ImageData, FileData, ImageData

from fer.app import api
from fer.app.engine import Engine
from fer.app.examples import write_examples
from fer.app.handlers import Handlers, Upload
from fer.app.live import RollingTimeline
from fer.app.pages import cards, model, texts
from fer.app.pages.style import HEAD_SCRIPT, STYLE
from fer.app.sessions import Sessions
from fer.app.video_jobs import MAX_BYTES
from fer.errors import FerError

#: Handlers of the network that run at once; those who come later wait and are told so.
VIEWERS = 8
#: Seconds until a live viewer's place goes to the next in the queue; without a queue the viewer goes straight on.
TURN_SECONDS = 30
STREAM_EVERY = 0.1
#: Files are removed when their visitor leaves; what is left over, every minute once it is this old.
OLDEST_FILE_SECONDS = 900
#: Events of the page, as against the two endpoints that are for everybody.
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}


class PhotoInput(gr.Image):
    """A picture handed on as the file that was sent, so that the package's decoder alone decides what is a picture."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> Upload | None:
        """Return the upload, or None where there is none."""
        return _read_upload(payload)


class VideoInput(gr.Video):
    """A video handed on as the file that was sent, with its name."""

    is_template = True

    def preprocess(self, payload: FileData | None) -> Upload | None:
        """Return the upload, or None where there is none."""
        return _read_upload(payload)


class CameraInput(gr.Image):
    """A camera whose frames are handed on as the bytes that the browser sent."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Return the frame's data address, or None where there is none."""
        return payload.url if payload is not None else None


class MemoryImage(gr.Image):
    """A picture shown from memory: unlike gr.Image it writes no file for each frame."""

    is_template = True

    def postprocess(self, value: Any) -> Base64ImageData | None:
        """Return the picture, given as a data address."""
        return None if value is None else Base64ImageData(url=value)


class VideoOutput(gr.Video):
    """A video output that, unlike gr.Video, never converts: Gradio's converted copy would outlive the visit."""

    is_template = True

    def postprocess(self, value: str | Path | None) -> FileData | None:
        """Return a video that is given as the path of a file."""
        return None if value is None else FileData(path=str(value), orig_name=Path(value).name)


class Answer(gr.JSON):
    """An endpoint's answer, described by a schema of its own.

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


def _read_upload(payload: ImageData | FileData | None) -> Upload | None:
    return Upload(payload.orig_name or "upload", Path(payload.path)) if payload and payload.path else None


class Events:
    """The handlers as Gradio's events and endpoints call them.

    Args:
        handlers: what is asked.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers

    def live(self, frame: str | None, explain: bool, paused: bool, request: gr.Request) -> Any:
        """Show a camera's frame: picture, status, people, timeline."""
        pieces = self.handlers.show_live(str(request.session_hash), frame, explain=explain, paused=paused)
        return [gr.skip() if piece is None else piece for piece in pieces]

    def photo(self, upload: Upload | None, explain: bool, request: gr.Request) -> Any:
        """Show a photo: annotated picture, cards, downloads."""
        pieces = self.handlers.show_photo(str(request.session_hash), upload, explain=explain)
        return gr.update(value=pieces.picture, visible=pieces.picture is not None), pieces.cards, pieces.downloads

    def video(self, upload: Upload | None, every: int, request: gr.Request) -> Iterator[Any]:
        """Show a video's progress and then its results: progress, summary, files, the two buttons."""
        for pieces in self.handlers.show_video(str(request.session_hash), upload, every):
            files = [gr.update(value=file, visible=file is not None) for file in pieces[2:5]]
            buttons = gr.update(interactive=not pieces.running), gr.update(interactive=pieces.running)
            yield pieces.progress, pieces.summary, *files, *buttons

    def cancel(self, request: gr.Request) -> None:
        """Stop the visitor's video; what was seen so far is shown."""
        self.handlers.cancel_video(str(request.session_hash))

    def analyze_image(self, image: Upload | None, request: gr.Request) -> dict[str, Any]:
        """Find the faces of a picture and name their expressions.

        Returns the picture's width and height, and for each face its box, label, confidence, the seven probabilities,
        whether the answer is uncertain, and warnings.
        """
        return _answer(self.handlers.analyze_image, request, image)

    def analyze_video(self, video: Upload | None, every: int, request: gr.Request) -> dict[str, Any]:
        """Follow the faces of a video and name their expressions frame by frame.

        ``every`` looks at each frame whose index is a multiple of it. Returns ``frames`` with their faces, ``people``
        with their time on screen and shares of the expressions, and ``cut``: whether the video goes on.
        """
        return _answer(self.handlers.analyze_video, request, video, every)

    def forget(self, request: gr.Request) -> None:
        """Forget a visitor who has left."""
        self.handlers.sessions.forget(str(request.session_hash))


def _answer(call: Callable[..., dict[str, Any]], request: gr.Request, *arguments: Any) -> dict[str, Any]:
    try:
        return call(str(request.session_hash), *arguments)
    except FerError as error:
        raise gr.Error(str(error), print_exception=False) from None


def show_model() -> tuple[str, ...]:
    """Return the pieces of the page about the network."""
    page = model.build_model_page(model.find_run_folder())
    return page.headline, page.figures, page.confusion, page.diagrams, page.card


def build_app(engine: Engine, *, viewers: int = VIEWERS, turn_seconds: int = TURN_SECONDS) -> gr.Blocks:
    """Build the page and its endpoints.

    Args:
        engine: the network; it is loaded while the page is already served.
        viewers: handlers of the network that run at once.
        turn_seconds: how long a live viewer keeps its place while others wait.
    """
    root = Path(gr.utils.get_upload_folder()) / "made"
    events = Events(Handlers(engine, Sessions(root)))
    limits = {"concurrency_id": "network", "concurrency_limit": viewers}
    cache = (60, OLDEST_FILE_SECONDS)
    with gr.Blocks(title=texts.TITLE, analytics_enabled=False, delete_cache=cache) as app:
        gr.HTML(texts.HEAD, elem_id="fer-head")
        with gr.Tab("Live", id="live"):
            _build_live(events, limits, turn_seconds)
        with gr.Tab("Photo", id="photo"):
            _build_photo(events, limits, write_examples(root / "examples"))
        with gr.Tab("Video", id="video"):
            _build_video(events)
        with gr.Tab("Model", id="model") as tab:
            _build_model(tab)
        gr.HTML(texts.FOOT, elem_id="fer-foot")
        app.unload(events.forget)
    return app


def _build_live(events: Events, limits: dict[str, Any], turn_seconds: int) -> None:
    with gr.Row(elem_id="live-row"):
        with gr.Column(scale=1, min_width=280):
            look: dict[str, Any] = {"label": "Camera", "height": 220, "buttons": [], "elem_id": "live-camera"}
            webcam = _choose_camera(mirror=True)
            camera = CameraInput(sources=["webcam"], streaming=True, webcam_options=webcam, **look)
            with gr.Row(elem_id="live-switches"):
                mirror, paused, explain = (
                    gr.Checkbox(on, label=label, container=False, min_width=0)
                    for label, on in (("Mirror", True), ("Pause", False), ("Activation map", False))
                )
            timeline = gr.HTML(cards.render_timeline(RollingTimeline()), elem_id="live-timeline")
        with gr.Column(scale=2, min_width=300):
            picture = _build_picture("The camera's picture and its faces", elem_id="live-picture", height=360)
            status = gr.HTML("", elem_id="live-status")
            people = gr.HTML(cards.render_notice(texts.LIVE_HINT, kind="empty"), elem_id="live-people")
    # No trigger_mode: any but Gradio's own for streams would drop most frames.
    pace: dict[str, Any] = {"stream_every": STREAM_EVERY, "time_limit": turn_seconds, "show_progress_on": picture}
    shown = [picture, status, people, timeline]
    camera.stream(events.live, [camera, explain, paused], shown, show_progress="minimal", **pace, **limits, **_PRIVATE)
    mirror.input(_mirror, mirror, camera, queue=False, show_progress="hidden", **_PRIVATE)


def _choose_camera(*, mirror: bool) -> gr.WebcamOptions:
    constraints = {"width": {"ideal": 640}, "height": {"ideal": 480}, "facingMode": "user"}
    return gr.WebcamOptions(mirror=mirror, constraints={"video": constraints})


def _mirror(on: bool) -> Any:
    return gr.update(webcam_options=_choose_camera(mirror=on))


def _build_picture(text: str, **options: Any) -> MemoryImage:
    return MemoryImage(label="Faces", interactive=False, buttons=["fullscreen"], alt_text=text, **options)


def _build_photo(events: Events, limits: dict[str, Any], examples: list[Path]) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            webcam = gr.WebcamOptions(mirror=False)
            photo = PhotoInput(label="Photo", height=300, elem_id="photo-input", buttons=[], webcam_options=webcam)
            gr.HTML(f"<small>{texts.PHOTO_CAPS}</small>")
            explain = gr.Checkbox(False, label=texts.EXPLAIN_LABEL, elem_id="photo-explain")
            rows = [[str(path)] for path in examples]
            gr.Examples(rows, photo, label="Examples", elem_id="photo-examples", **_PRIVATE)
        with gr.Column(scale=2, min_width=300):
            picture = _build_picture("The photo and its faces", elem_id="photo-picture", visible=False)
            downloads = gr.HTML("", elem_id="photo-downloads")
            results = gr.HTML(cards.render_notice(texts.PHOTO_HINT, kind="empty"), elem_id="photo-cards")
    options = limits | _PRIVATE | {"trigger_mode": "always_last"}
    gr.on([photo.change, explain.input], events.photo, [photo, explain], [picture, results, downloads], **options)
    _build_endpoint(events.analyze_image, [photo], api.IMAGE_SCHEMA, limits)


def _build_video(events: Events) -> None:
    # A video takes minutes: one at a time, and never in a place of the live viewers.
    limits: dict[str, Any] = {"concurrency_id": "video", "concurrency_limit": 1}
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            video = VideoInput(label="Video", sources=["upload"], height=260, elem_id="video-input", buttons=[])
            gr.HTML(f"<small>{texts.VIDEO_CAPS}</small>")
            every = gr.Radio([("every frame", 1), ("every 2nd", 2), ("every 5th", 5)], value=1, label="Look at")
            with gr.Row():
                start = gr.Button("Analyze", variant="primary", min_width=110, elem_id="video-start")
                cancel = gr.Button("Cancel", min_width=110, elem_id="video-cancel", interactive=False)
        with gr.Column(scale=2, min_width=300):
            progress = gr.HTML(cards.render_notice(texts.VIDEO_HINT, kind="empty"), elem_id="video-progress")
            summary = gr.HTML("", elem_id="video-summary")
            look: dict[str, Any] = {"interactive": False, "visible": False, "buttons": ["download", "fullscreen"]}
            text = "Each person's expressions over time"
            plot = gr.Image(show_label=False, alt_text=text, format="png", elem_id="video-plot", **look)
            look["buttons"] = ["download"]
            annotated = VideoOutput(label="Annotated video", elem_id="video-annotated", **look)
            table = gr.DownloadButton("Save table (CSV)", visible=False, elem_id="video-table")
    shown = [progress, summary, annotated, plot, table, start, cancel]
    options = limits | _PRIVATE | {"show_progress": "minimal", "show_progress_on": progress}
    start.click(events.video, [video, every], shown, **options)
    cancel.click(events.cancel, queue=False, **_PRIVATE)
    _build_endpoint(events.analyze_video, [video, every], api.VIDEO_SCHEMA, limits)


def _build_endpoint(call: Any, inputs: list[Any], schema: dict[str, Any], limits: dict[str, Any]) -> None:
    with gr.Column(visible=False):
        gr.Button().click(call, inputs, Answer(schema), api_name=call.__name__, **limits)


def _build_model(tab: gr.Tab) -> None:
    headline, confusion, diagrams = (
        gr.HTML("", elem_id=f"model-{name}") for name in ("headline", "confusion", "diagrams")
    )
    figures, card = (gr.Markdown("", elem_id=f"model-{name}", elem_classes="fer-prose") for name in ("figures", "card"))
    # Asked for when the tab is opened: its diagrams would double the size of the page.
    tab.select(show_model, None, [headline, figures, confusion, diagrams, card], queue=False, **_PRIVATE)


def run_app(
    *, host: str | None = None, port: int | None = None, viewers: int = VIEWERS, turn_seconds: int = TURN_SECONDS
) -> None:
    """Serve the web app until it is interrupted or told to end.

    Args:
        host: address to listen on; None for this machine alone, or what GRADIO_SERVER_NAME says.
        port: None for the first free one from 7860, or what GRADIO_SERVER_PORT says.
        viewers: handlers of the network that run at once.
        turn_seconds: how long a live viewer keeps its place while others wait.
    """
    # Told to end, the server leaves by way of the lines that remove its folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="fer-dl-") as folder:
        # A folder of its own, readable by this user alone and gone with the server, instead of one that all share.
        os.environ["GRADIO_TEMP_DIR"] = folder
        engine = Engine()
        engine.start()
        app = build_app(engine, viewers=viewers, turn_seconds=turn_seconds)
        print(f"The app runs at {launch(app, host=host, port=port)}", flush=True)
        try:
            app.block_thread()
        finally:
            app.close(verbose=False)
            engine.join()


def launch(app: gr.Blocks, *, host: str | None = None, port: int | None = None) -> str:
    """Start the server without waiting for its end, and return the page's address."""
    _, url, _ = app.queue(max_size=64).launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        share=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        strict_cors=True,
        max_file_size=MAX_BYTES,
        footer_links=["api"],
        quiet=True,
        theme=build_theme(),
        css=STYLE,
        head=HEAD_SCRIPT,
        # An unexpected fault's own words could name a place of the server.
        show_error=False,
    )
    return url


def build_theme() -> gr.Theme:
    """Return a quiet theme whose fonts are the reader's own, so that no page asks a foreign host for one."""
    return gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    ).set(
        # Gradio's own are too pale to be read in small type.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
    )


if __name__ == "__main__":
    run_app()

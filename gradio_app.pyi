"""The web app: connects :mod:`fer.app` to Gradio. Also the app file of the Space."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.resources import files
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
from fer.app.sessions import Sessions
from fer.app.video_jobs import MAX_BYTES
from fer.errors import FerError, SettingsError

#: Requests to the network that run at once; further visitors wait in the queue.
VIEWERS = 8
#: Seconds after which a live viewer gives its place to the next one in the queue, if there is one.
TURN_SECONDS = 30
#: Seconds between two camera frames.
STREAM_EVERY = 0.1
#: Age in seconds at which files are deleted if closing the page did not remove them; checked every minute.
OLDEST_FILE_SECONDS = 900

from gradio.events import Dependency

class PhotoInput(gr.Image):
    """An image input that passes on the uploaded file, so that the package's decoder decides what an image is."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: ImageData | None) -> Upload | None:  # type: ignore[override]
        """Return the upload, or None."""
        return _read_upload(payload)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class VideoInput(gr.Video):
    """A video input that passes on the uploaded file with its name."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: FileData | None) -> Upload | None:
        """Return the upload, or None."""
        return _read_upload(payload)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class CameraInput(gr.Image):
    """A camera that passes on each frame as the browser sent it."""

    is_template = True
    async_move_resource_to_block_cache = keep_upload

    def preprocess(self, payload: ImageData | None) -> str | None:
        """Return the frame as a data URL, or None."""
        return payload.url if payload is not None else None
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class MemoryImage(gr.Image):
    """An image output that, unlike gr.Image, writes no file for each frame."""

    is_template = True

    def postprocess(self, value: Any) -> Base64ImageData | None:
        """Return an image that is given as a data URL."""
        return None if value is None else Base64ImageData(url=value)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class VideoOutput(gr.Video):
    """A video output that, unlike gr.Video, never converts: Gradio's converted copy would outlive the visit."""

    is_template = True

    def postprocess(self, value: str | Path | None) -> FileData | None:
        """Return a video that is given as the path of a file."""
        return None if value is None else FileData(path=str(value), orig_name=Path(value).name)
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


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
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


def _read_upload(payload: ImageData | FileData | None) -> Upload | None:
    return Upload(payload.orig_name or "upload", Path(payload.path)) if payload and payload.path else None


class Events:
    """The handlers with the arguments and results of Gradio's events.

    Args:
        handlers: the handlers.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers

    def live(self, frame: str | None, explain: bool, paused: bool, request: gr.Request) -> list[Any]:
        """Return the annotated image, status, people and timeline for a camera frame."""
        update = self.handlers.show_live(str(request.session_hash), frame, explain=explain, paused=paused)
        return [gr.skip() if value is None else value for value in update]

    def photo(self, upload: Upload | None, explain: bool, request: gr.Request) -> tuple[Any, ...]:
        """Return the annotated image, cards and downloads for a photo."""
        update = self.handlers.show_photo(str(request.session_hash), upload, explain=explain)
        return gr.update(value=update.image, visible=update.image is not None), update.cards, update.downloads

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


def build_app(engine: Engine, *, viewers: int = VIEWERS, turn_seconds: int = TURN_SECONDS) -> gr.Blocks:
    """Build the page and its endpoints.

    Args:
        engine: the network; the page can be served while it is loading.
        viewers: requests to the network that run at once.
        turn_seconds: seconds that a live viewer keeps its place while others wait.
    """
    root = Path(gr.utils.get_upload_folder()) / "made"
    events = Events(Handlers(engine, Sessions(root)))
    app = gr.Blocks(title=texts.TITLE, analytics_enabled=False, delete_cache=(60, OLDEST_FILE_SECONDS))
    with app:
        gr.HTML(texts.HEAD, elem_id="fer-head")
        with gr.Tab("Live", id="live"):
            _build_live(events, viewers, turn_seconds)
        with gr.Tab("Photo", id="photo"):
            _build_photo(events, viewers, write_examples(root / "examples"))
        with gr.Tab("Video", id="video"):
            _build_video(events)
        with gr.Tab("Model", id="model") as tab:
            _build_model(tab)
        gr.HTML(texts.FOOT, elem_id="fer-foot")
        app.unload(events.forget)
    return app


def _build_live(events: Events, viewers: int, turn_seconds: int) -> None:
    with gr.Row(elem_id="live-row"):
        with gr.Column(scale=1, min_width=280):
            camera = CameraInput(
                label="Camera",
                sources=["webcam"],
                streaming=True,
                webcam_options=_build_webcam(mirror=True),
                height=220,
                buttons=[],
                elem_id="live-camera",
            )
            with gr.Row(elem_id="live-switches"):
                mirror = gr.Checkbox(True, label="Mirror", container=False, min_width=0)
                paused = gr.Checkbox(False, label="Pause", container=False, min_width=0)
                explain = gr.Checkbox(False, label="Activation map", container=False, min_width=0)
            timeline = gr.HTML(cards.render_timeline(RollingTimeline()), elem_id="live-timeline")
        with gr.Column(scale=2, min_width=300):
            image = _build_image("The camera image with its faces", elem_id="live-image", height=360)
            status = gr.HTML("", elem_id="live-status")
            people = gr.HTML(cards.render_notice(texts.LIVE_HINT, kind="empty"), elem_id="live-people")
    # No trigger_mode: any other than the default of streams drops most frames.
    camera.stream(
        events.live,
        [camera, explain, paused],
        [image, status, people, timeline],
        stream_every=STREAM_EVERY,
        time_limit=turn_seconds,
        show_progress="minimal",
        show_progress_on=image,
        concurrency_id="network",
        concurrency_limit=viewers,
        api_visibility="private",
    )
    mirror.input(_set_mirror, mirror, camera, queue=False, show_progress="hidden", api_visibility="private")


def _build_webcam(*, mirror: bool) -> gr.WebcamOptions:
    constraints = {"width": {"ideal": 640}, "height": {"ideal": 480}, "facingMode": "user"}
    return gr.WebcamOptions(mirror=mirror, constraints={"video": constraints})


def _set_mirror(mirror: bool) -> Any:
    return gr.update(webcam_options=_build_webcam(mirror=mirror))


def _build_image(alt_text: str, **options: Any) -> MemoryImage:
    return MemoryImage(label="Faces", interactive=False, buttons=["fullscreen"], alt_text=alt_text, **options)


def _build_photo(events: Events, viewers: int, examples: list[Path]) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            photo = PhotoInput(
                label="Photo",
                height=300,
                buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
                elem_id="photo-input",
            )
            gr.HTML(f"<small>{texts.PHOTO_LIMITS}</small>")
            explain = gr.Checkbox(False, label=texts.EXPLAIN_LABEL, elem_id="photo-explain")
            rows = [[str(path)] for path in examples]
            gr.Examples(rows, photo, label="Examples", elem_id="photo-examples", api_visibility="private")
        with gr.Column(scale=2, min_width=300):
            image = _build_image("The photo with its faces", elem_id="photo-image", visible=False)
            downloads = gr.HTML("", elem_id="photo-downloads")
            results = gr.HTML(cards.render_notice(texts.PHOTO_HINT, kind="empty"), elem_id="photo-cards")
    gr.on(
        [photo.change, explain.input],
        events.photo,
        [photo, explain],
        [image, results, downloads],
        trigger_mode="always_last",
        concurrency_id="network",
        concurrency_limit=viewers,
        api_visibility="private",
    )
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
    _build_endpoint(events.analyze_video, [video, every], api.VIDEO_SCHEMA, "video", 1)


def _build_endpoint(
    call: Callable[..., Any], inputs: list[Any], schema: dict[str, Any], queue: str, limit: int
) -> None:
    with gr.Column(visible=False):
        button, answer = gr.Button(), Answer(schema)
        button.click(call, inputs, answer, api_name=call.__name__, concurrency_id=queue, concurrency_limit=limit)


def _build_model(tab: gr.Tab) -> None:
    headline = gr.HTML("", elem_id="model-headline")
    figures = gr.Markdown("", elem_id="model-figures", elem_classes="fer-prose")
    confusion = gr.HTML("", elem_id="model-confusion")
    plots = gr.HTML("", elem_id="model-plots")
    card = gr.Markdown("", elem_id="model-card", elem_classes="fer-prose")
    # Loaded when the tab is opened: the plots would double the size of the page.
    outputs = [headline, figures, confusion, plots, card]
    tab.select(model.build_model_page, None, outputs, queue=False, api_visibility="private")


def run_app(
    *, host: str | None = None, port: int | None = None, viewers: int = VIEWERS, turn_seconds: int = TURN_SECONDS
) -> None:
    """Serve the web app until it is interrupted or terminated.

    Args:
        host: address to listen on; None for GRADIO_SERVER_NAME, or this machine only.
        port: None for GRADIO_SERVER_PORT, or the first free one from 7860.
        viewers: requests to the network that run at once.
        turn_seconds: seconds that a live viewer keeps its place while others wait.

    Raises:
        SettingsError: the app cannot listen on this host and port.
    """
    # SIGTERM ends the process as an exception, so that the temporary folder is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # A folder that only this user can read, instead of Gradio's, which all users of the machine share.
    with tempfile.TemporaryDirectory(prefix="fer-dl-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        engine = Engine()
        app = build_app(engine, viewers=viewers, turn_seconds=turn_seconds)
        try:
            print(f"The app runs at {launch(app, host=host, port=port)}", flush=True)
            app.block_thread()
        finally:
            app.close(verbose=False)
            engine.join()


def launch(app: gr.Blocks, *, host: str | None = None, port: int | None = None) -> str:
    """Start the server in the background and return the address of the page.

    Raises:
        SettingsError: the app cannot listen on this host and port.
    """
    pages = files("fer.app.pages")
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
            max_file_size=MAX_BYTES,
            footer_links=["api"],
            quiet=True,
            theme=build_theme(),
            css=(pages / "style.css").read_text(encoding="utf-8"),
            head=(pages / "head.html").read_text(encoding="utf-8"),
            # The message of an unexpected exception could contain a path of the server.
            show_error=False,
        )
    except (OSError, OverflowError) as error:
        reason = str(error).split(". ")[0].rstrip(".")
        raise SettingsError(
            f"The app needs a free port on an address of this machine. Received: {reason}. Remedy: give others with"
            " --host and --port, or leave both out."
        ) from None
    return str(url)


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
    )


if __name__ == "__main__":
    run_app()
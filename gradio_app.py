"""The web app: wiring of the package's pages to Gradio, and nothing more. Also the app file of the Space."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr
from gradio.data_classes import Base64ImageData, FileData, ImageData

from fer import answers, cards, model_page, photo_page, video_page
from fer.engine import Engine
from fer.errors import FerError
from fer.examples import write_examples
from fer.live import LiveSession, RollingTimeline
from fer.page_style import STYLE
from fer.sessions import Sessions
from fer.video_jobs import MAX_BYTES, VideoJob
from fer.vision.images import FORMATS
from fer.vision.images import MAX_BYTES as MAX_PHOTO_BYTES

#: Handlers of the network that run at once; those who come later wait and are told so.
VIEWERS = 8
#: Seconds until a live viewer's place goes to the next in the queue; without a queue the viewer goes straight on.
TURN_SECONDS = 30
STREAM_EVERY = 0.1
#: Files are removed when their visitor leaves; what is left over, every minute once it is this old.
OLDEST_FILE_SECONDS = 900
_NETWORK: dict[str, Any] = {"concurrency_id": "network"}
_CAMERA = {"video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "facingMode": "user"}}


HIDDEN = gr.update(visible=False)
HEAD = (
    "<h1>FER-DL: the expression a face shows</h1><p>A small network finds faces and names the expression each one shows,"
    " with a calibrated confidence, and says when it is not sure. It sees an expression, not a feeling.</p>"
)
FOOT = (
    "<p><b>Privacy.</b> Pictures are analyzed on this server and go nowhere else. Camera frames are never written to disk."
    " Uploaded files and results are deleted when you close the page, at the latest after 15 minutes.</p>"
    "<p><b>Limits.</b> Trained on posed, frontal web photos with noisy labels; see the Model tab. Do not use it to judge"
    " or decide about people: in the European Union, inferring emotions at work and in education is forbidden.</p>"
)
LIVE_HINT = "Allow the camera and press Record. The picture with the faces found appears here."
PHOTO_HINT = "Upload, paste or take a photo, or choose an example. Every face gets a card here."
VIDEO_HINT = "Upload a video and press Analyze."
PHOTO_CAPS = f"{', '.join(FORMATS)}, up to {MAX_PHOTO_BYTES // 2**20} MB and 64 megapixels."


class Upload(NamedTuple):
    """A file that a visitor sent: its name there, and its path here."""

    name: str
    path: Path


class PhotoInput(gr.Image):
    """A picture handed on as the file that was sent, so that the package's decoder alone decides what is a picture."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> Upload | None:
        """Return the upload, or None where there is none."""
        if payload is None or not payload.path:
            return None
        return Upload(payload.orig_name or "photo", Path(payload.path))


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


class VideoInput(gr.Video):
    """A video handed on as the file that was sent, with its name."""

    is_template = True

    def preprocess(self, payload: FileData | None) -> Upload | None:
        """Return the upload, or None where there is none."""
        if payload is None or not payload.path:
            return None
        return Upload(payload.orig_name or "video", Path(payload.path))


class Handlers:
    """What the page's events and the endpoints call; each method is a call or two into the package.

    Args:
        engine: the network.
        sessions: what is held for the visitors.
    """

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        self.engine = engine
        self.sessions = sessions

    def live(self, frame: str | None, explain: bool, paused: bool, request: gr.Request) -> Any:
        """Show a camera's frame: picture, status, people, timeline."""
        visitor = self.sessions.visit(str(request.session_hash))
        if frame is None or paused:
            return [gr.skip()] * 4
        started = time.perf_counter()
        if visitor.live is None:
            visitor.live = LiveSession(self.engine.live)
        try:
            shown = visitor.live.process(cards.read_data_url(frame), explain=explain)
        except FerError as error:
            return gr.skip(), cards.render_notice(str(error), kind="error"), gr.skip(), gr.skip()
        picture, people = cards.encode_data_url(shown.image, quality=80), cards.render_live(shown)
        timeline = cards.render_timeline(visitor.live.timeline) if shown.draw_timeline else gr.skip()
        status = cards.render_status(shown, (time.perf_counter() - started) * 1000)
        return picture, status, people, timeline

    def photo(self, upload: Upload | None, explain: bool, request: gr.Request) -> Any:
        """Show a photo: annotated picture, cards, downloads."""
        if upload is None:
            return gr.update(value=None, visible=False), cards.render_notice(PHOTO_HINT, kind="empty"), ""
        self._note(upload, request)
        try:
            view = photo_page.view_photo(upload.path, upload.name, self.engine.photo, explain=explain)
        except FerError as error:
            sentence = photo_page.hide_path(error, upload.path, upload.name)
            return gr.update(value=None, visible=False), cards.render_notice(sentence, kind="error"), ""
        return gr.update(value=cards.encode_data_url(view.annotated), visible=True), view.cards, view.downloads

    def video(self, upload: Upload | None, every: int, request: gr.Request) -> Iterator[Any]:
        """Show a video's progress and then its results: progress, summary, annotated copy, plot, table."""
        if upload is None:
            yield cards.render_notice("Choose a video first.", kind="empty"), "", None, None, HIDDEN
            return
        name = str(request.session_hash)
        self._note(upload, request)
        job = VideoJob(upload.path, self.sessions.make_folder(name), self.engine.video, int(every), upload.name)
        self.sessions.visit(name).job = job
        try:
            job.start()
            while not job.wait(0.4):
                yield video_page.render_progress(job.progress), "", None, None, HIDDEN
            if job.error is not None:
                raise job.error
        except FerError as error:
            sentence = photo_page.hide_path(error, upload.path, upload.name)
            yield cards.render_notice(sentence, kind="error"), "", None, None, HIDDEN
            return
        finally:
            job.stop()
        yield (
            "",
            video_page.render_summary(job.summary),
            job.annotated,
            job.plot,
            gr.update(value=job.table, visible=True),
        )

    def cancel(self, request: gr.Request) -> None:
        """Stop the visitor's video; what was seen so far is shown."""
        job = self.sessions.visit(str(request.session_hash)).job
        if job is not None:
            job.stop()

    def analyze_image(self, image: Upload | None, request: gr.Request) -> dict[str, Any]:
        """Find the faces of a picture and name their expressions.

        Returns the picture's width and height, and for each face its box, label, confidence, the seven probabilities,
        whether the answer is uncertain, and warnings.
        """
        upload = self._expect(image, request)
        try:
            view = photo_page.view_photo(upload.path, upload.name, self.engine.photo)
        except FerError as error:
            raise gr.Error(photo_page.hide_path(error, upload.path, upload.name), print_exception=False) from None
        finally:
            self.sessions.release(str(request.session_hash), upload.path)
        return answers.describe_picture(view.image, view.faces)

    def analyze_video(self, video: Upload | None, every: int, request: gr.Request) -> dict[str, Any]:
        """Follow the faces of a video and name their expressions frame by frame.

        ``every`` looks at each frame whose index is a multiple of it. Returns ``frames`` with their faces, ``people``
        with their time on screen and shares of the expressions, and ``cut``: whether the video goes on.
        """
        upload = self._expect(video, request)
        try:
            return answers.analyze_video(upload.path, self.engine.video, every=max(1, int(every)), name=upload.name)
        except FerError as error:
            raise gr.Error(photo_page.hide_path(error, upload.path, upload.name), print_exception=False) from None
        finally:
            self.sessions.release(str(request.session_hash), upload.path)

    def forget(self, request: gr.Request) -> None:
        """Forget a visitor who has left."""
        self.sessions.forget(str(request.session_hash))

    def _note(self, upload: Upload, request: gr.Request) -> None:
        # The examples lie among the files made here, and are everybody's.
        if not upload.path.is_relative_to(self.sessions.root):
            self.sessions.visit(str(request.session_hash)).uploads.add(upload.path)

    def _expect(self, upload: Upload | None, request: gr.Request) -> Upload:
        if upload is None:
            raise gr.Error("A file must be given. Received: none.", print_exception=False)
        self._note(upload, request)
        return upload


def show_model() -> tuple[str, ...]:
    """Return the pieces of the page about the network."""
    page = model_page.build_model_page(model_page.find_run_folder())
    return page.headline, page.figures, page.confusion, page.diagrams, page.card


def build_app(engine: Engine, *, viewers: int = VIEWERS, turn_seconds: int = TURN_SECONDS) -> gr.Blocks:
    """Build the page and its endpoints.

    Args:
        engine: the network; it is loaded while the page is already served.
        viewers: handlers of the network that run at once.
        turn_seconds: how long a live viewer keeps its place while others wait.
    """
    root = Path(gr.utils.get_upload_folder()) / "made"
    sessions = Sessions(root)
    handlers = Handlers(engine, sessions)
    limits = _NETWORK | {"concurrency_limit": viewers}
    with gr.Blocks(
        title="FER-DL: facial expressions",
        analytics_enabled=False,
        delete_cache=(60, OLDEST_FILE_SECONDS),
    ) as app:
        gr.HTML(HEAD, elem_id="fer-head")
        with gr.Tab("Live", id="live"):
            _build_live(handlers, limits, turn_seconds)
        with gr.Tab("Photo", id="photo"):
            _build_photo(handlers, limits, write_examples(root / "examples"))
        with gr.Tab("Video", id="video"):
            _build_video(handlers)
        with gr.Tab("Model", id="model") as tab:
            _build_model(tab)
        gr.HTML(FOOT, elem_id="fer-foot")
        app.unload(handlers.forget)
    return app


def _build_live(handlers: Handlers, limits: dict[str, Any], turn_seconds: int) -> None:
    with gr.Row(elem_id="live-row"):
        with gr.Column(scale=1, min_width=280):
            camera = CameraInput(
                sources=["webcam"],
                streaming=True,
                label="Camera",
                height=220,
                elem_id="live-camera",
                webcam_options=gr.WebcamOptions(mirror=True, constraints=_CAMERA),
                buttons=[],
            )
            with gr.Group(elem_id="live-switches"):
                mirror = gr.Checkbox(True, label="Mirror", container=False)
                paused = gr.Checkbox(False, label="Pause", container=False)
                explain = gr.Checkbox(False, label="Activation map", container=False)
            timeline = gr.HTML(cards.render_timeline(RollingTimeline()), elem_id="live-timeline")
        with gr.Column(scale=2, min_width=300):
            picture = MemoryImage(
                label="Faces",
                interactive=False,
                height=360,
                elem_id="live-picture",
                buttons=["fullscreen"],
                alt_text="The camera's picture with the faces found in it",
            )
            status = gr.HTML("", elem_id="live-status")
            people = gr.HTML(cards.render_notice(LIVE_HINT, kind="empty"), elem_id="live-people")
    camera.stream(
        handlers.live,
        [camera, explain, paused],
        [picture, status, people, timeline],
        stream_every=STREAM_EVERY,
        time_limit=turn_seconds,
        show_progress="minimal",
        show_progress_on=picture,
        api_visibility="private",
        **limits,
    )
    mirror.input(
        lambda on: gr.update(webcam_options=gr.WebcamOptions(mirror=on, constraints=_CAMERA)),
        mirror,
        camera,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )


def _build_photo(handlers: Handlers, limits: dict[str, Any], examples: list[Path]) -> None:
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            photo = PhotoInput(
                label="Photo",
                height=300,
                elem_id="photo-input",
                buttons=[],
                webcam_options=gr.WebcamOptions(mirror=False),
            )
            explain = gr.Checkbox(False, label="Activation maps: where each answer comes from")
            gr.Examples(
                [[str(path)] for path in examples],
                photo,
                label="Examples",
                elem_id="photo-examples",
                api_visibility="private",
            )
            gr.HTML(f"<small>{PHOTO_CAPS}</small>")
        with gr.Column(scale=2, min_width=300):
            picture = MemoryImage(
                label="Faces",
                interactive=False,
                visible=False,
                elem_id="photo-picture",
                buttons=["fullscreen"],
                alt_text="The photo with the faces found in it",
            )
            downloads = gr.HTML("", elem_id="photo-downloads")
            results = gr.HTML(cards.render_notice(PHOTO_HINT, kind="empty"), elem_id="photo-cards")
    gr.on(
        [photo.change, explain.input],
        handlers.photo,
        [photo, explain],
        [picture, results, downloads],
        api_visibility="private",
        trigger_mode="always_last",
        **limits,
    )
    answer = Answer(answers.PICTURE_SCHEMA, visible=False)
    gr.Button(visible=False).click(handlers.analyze_image, photo, answer, api_name="analyze_image", **limits)


def _build_video(handlers: Handlers) -> None:
    # A video takes minutes: one at a time, and never in a place of the live viewers.
    limits: dict[str, Any] = {"concurrency_id": "video", "concurrency_limit": 1}
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            video = VideoInput(label="Video", sources=["upload"], height=260, elem_id="video-input")
            gr.HTML(f"<small>{video_page.CAPS_TEXT}</small>")
            every = gr.Radio([("every frame", 1), ("every 2nd", 2), ("every 5th", 5)], value=1, label="Look at")
            with gr.Row():
                start = gr.Button("Analyze", variant="primary", min_width=110, elem_id="video-start")
                cancel = gr.Button("Cancel", variant="stop", min_width=110, elem_id="video-cancel")
        with gr.Column(scale=2, min_width=300):
            progress = gr.HTML(cards.render_notice(VIDEO_HINT, kind="empty"), elem_id="video-progress")
            summary = gr.HTML("", elem_id="video-summary")
            plot = gr.Image(
                label="Timeline",
                interactive=False,
                elem_id="video-plot",
                format="png",
                buttons=["download", "fullscreen"],
            )
            annotated = gr.Video(label="Annotated video", interactive=False, elem_id="video-annotated")
            table = gr.DownloadButton("Save table (CSV)", visible=False, elem_id="video-table")
    start.click(
        handlers.video,
        [video, every],
        [progress, summary, annotated, plot, table],
        show_progress="minimal",
        show_progress_on=progress,
        api_visibility="private",
        **limits,
    )
    cancel.click(handlers.cancel, queue=False, api_visibility="private")
    answer = Answer(answers.VIDEO_SCHEMA, visible=False)
    gr.Button(visible=False).click(handlers.analyze_video, [video, every], answer, api_name="analyze_video", **limits)


def _build_model(tab: gr.Tab) -> None:
    headline = gr.HTML("", elem_id="model-headline")
    confusion = gr.HTML("")
    diagrams = gr.HTML("")
    figures = gr.Markdown("", elem_classes="fer-prose")
    card = gr.Markdown("", elem_classes="fer-prose")
    # Asked for when the tab is opened: its diagrams would double the size of the page.
    tab.select(show_model, None, [headline, figures, confusion, diagrams, card], queue=False, api_visibility="private")


def run_app(*, host: str | None = None, port: int | None = None, open_browser: bool = False) -> None:
    """Serve the web app until it is interrupted.

    Args:
        host: address to listen on; None for this machine alone, or what GRADIO_SERVER_NAME says.
        port: None for the first free one from 7860, or what GRADIO_SERVER_PORT says.
        open_browser: open the page.
    """
    with tempfile.TemporaryDirectory(prefix="fer-dl-") as folder:
        # A folder of its own, readable by this user alone and gone with the server, instead of one that all share.
        os.environ["GRADIO_TEMP_DIR"] = folder
        engine = Engine()
        engine.start()
        app = build_app(engine)
        print(f"The app runs at {launch(app, host=host, port=port, open_browser=open_browser)}", flush=True)
        app.block_thread()


def launch(app: gr.Blocks, *, host: str | None = None, port: int | None = None, open_browser: bool = False) -> str:
    """Start the server without waiting for its end, and return the page's address."""
    app.queue(max_size=64)
    _, url, _ = app.launch(
        server_name=host,
        server_port=port,
        inbrowser=open_browser,
        prevent_thread_lock=True,
        share=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        strict_cors=True,
        max_file_size=MAX_BYTES,
        state_session_capacity=256,
        footer_links=["api"],
        quiet=True,
        theme=build_theme(),
        css=STYLE,
        show_error=True,
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

"""The four tabs, and the endpoints behind two of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from fer.app import api
from fer.app.live import CAMERA, STREAM_EVERY, RollingTimeline
from fer.app.pages import cards, model, texts
from fer.app.web.components import Answer, CameraInput, MemoryImage, PhotoInput, VideoInput, VideoOutput
from fer.app.web.events import Events


def build_live(events: Events, viewers: int, turn_seconds: int) -> None:
    """Build the live tab.

    Args:
        events: the handlers.
        viewers: requests to the network that run at once.
        turn_seconds: seconds that a viewer keeps its place while others wait.
    """
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
            # head.html writes the width of the image into it; the style sheet hides it.
            width = gr.Number(None, label="Width of the image", elem_id="live-width")
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
        [camera, explain, paused, mirror, width],
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


def build_photo(app: gr.Blocks, events: Events, viewers: int, examples: list[Path]) -> None:
    """Build the photo tab and its endpoint.

    Args:
        app: the page, which shows the first example when it is opened.
        events: the handlers.
        viewers: requests to the network that run at once.
        examples: paths of the example images.
    """
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


def build_video(events: Events, film: Path) -> None:
    """Build the video tab and its endpoint.

    Args:
        events: the handlers.
        film: path of the example.
    """
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            video = VideoInput(label="Video", sources=["upload"], height=260, buttons=[], elem_id="video-input")
            gr.HTML(f"<small>{texts.VIDEO_LIMITS}</small>")
            steps = [("every frame", 1), ("every 2nd", 2), ("every 5th", 5)]
            every = gr.Radio(steps, value=1, label="Frames to analyze")
            with gr.Row():
                start = gr.Button("Analyze", variant="primary", min_width=110, elem_id="video-start")
                cancel = gr.Button("Cancel", min_width=110, interactive=False, elem_id="video-cancel")
            gr.Examples([[str(film)]], video, label="Example", elem_id="video-examples", api_visibility="private")
        with gr.Column(scale=2, min_width=300):
            progress = gr.HTML(cards.render_notice(texts.VIDEO_HINT, kind="empty"), elem_id="video-progress")
            summary = gr.HTML("", elem_id="video-summary")
            timeline = gr.HTML("", elem_id="video-timeline")
            annotated = VideoOutput(
                label="Annotated video",
                interactive=False,
                visible=False,
                buttons=["download"],
                elem_id="video-annotated",
            )
            with gr.Row(elem_id="video-downloads"):
                plot = gr.DownloadButton("Save plot (PNG)", visible=False, elem_id="video-plot")
                table = gr.DownloadButton("Save table (CSV)", visible=False, elem_id="video-table")
    # A video takes minutes, so one runs at a time, and never in the place of a live viewer.
    start.click(
        events.video,
        [video, every],
        [progress, summary, timeline, annotated, plot, table, start, cancel],
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


def build_model(tab: gr.Tab) -> None:
    """Build the model tab, which is filled when it is opened."""
    headline = gr.HTML(cards.render_notice(texts.MODEL_LOADING_TEXT, kind="empty"), elem_id="model-headline")
    limits = gr.Markdown("", elem_id="model-limits", elem_classes="fer-prose")
    measured = gr.HTML("", elem_id="model-measured")
    with gr.Accordion("All figures, plots and the model card", open=False, elem_id="model-all"):
        confusion = gr.HTML("", elem_id="model-confusion")
        plots = gr.HTML("", elem_id="model-plots")
        figures = gr.Markdown("", elem_id="model-figures", elem_classes="fer-prose")
        card = gr.Markdown("", elem_id="model-card", elem_classes="fer-prose")
    # Loaded when the tab is opened: a visitor who looks at a photo needs none of it.
    outputs = [headline, limits, measured, confusion, plots, figures, card]
    tab.select(model.build_model_page, None, outputs, queue=False, show_progress="hidden", api_visibility="private")

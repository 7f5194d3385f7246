"""The handlers with the arguments and results of Gradio's events."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from fer.app.handlers import Handlers, Upload
from fer.errors import FerError


class Events:
    """The handlers with the arguments and results of Gradio's events.

    Args:
        handlers: the handlers.
    """

    def __init__(self, handlers: Handlers) -> None:
        self.handlers = handlers

    def live(
        self, frame: str | None, explain: bool, paused: bool, mirror: bool, width: float | None, request: gr.Request
    ) -> list[Any]:
        """Return the annotated image, status, people and timeline for a camera frame."""
        switches = {"explain": explain, "paused": paused, "mirror": mirror}
        update = self.handlers.show_live(str(request.session_hash), frame, shown_width=width, **switches)
        return [gr.skip() if value is None else value for value in update]

    def neutral(self, request: gr.Request) -> str:
        """Return the status after the visitor has asked for the neutral face to be subtracted."""
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
        """Yield the contents of the tab and the state of both buttons while a video is analyzed."""
        for update in self.handlers.show_video(str(request.session_hash), upload, every):
            results = [
                gr.update(value=path, visible=path is not None)
                for path in (update.annotated, update.plot, update.table)
            ]
            buttons = gr.update(interactive=not update.running), gr.update(interactive=update.running)
            yield update.progress, update.summary, update.timeline, *results, *buttons

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

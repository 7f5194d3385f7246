"""What the page's events and the endpoints do, without the web framework.

``session_id`` is the server's name for one open page or client. Images for the page are data URLs, text is HTML.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fer.app import api
from fer.app.data_urls import decode_image_url, encode_image_url
from fer.app.engine import Engine
from fer.app.live import LiveSession
from fer.app.pages import cards, photo, texts, video
from fer.app.pages.photo import PhotoUpdate
from fer.app.sessions import Sessions
from fer.app.video_jobs import VideoJob
from fer.errors import FerError, ImageError
from fer.vision.images import decode_image

#: Seconds between two updates of a video's progress.
PROGRESS_EVERY = 0.4


class Upload(NamedTuple):
    """An uploaded file: its name on the visitor's device, and its path on the server."""

    name: str
    path: Path


class LiveUpdate(NamedTuple):
    """Contents of the live tab: a data URL and HTML; None leaves a component as it is."""

    image: str | None = None
    status: str | None = None
    people: str | None = None
    timeline: str | None = None


class VideoUpdate(NamedTuple):
    """Contents of the video tab: HTML, the files that were written, and whether the analysis is still running."""

    progress: str
    summary: str = ""
    timeline: str = ""
    annotated: Path | None = None
    plot: Path | None = None
    table: Path | None = None
    running: bool = False


class Handlers:
    """The events of the page and the endpoints.

    Args:
        engine: the network.
        sessions: the visitors' state.
        example: the photo that is shown, analyzed, before a visitor chooses one; None for none.
    """

    def __init__(self, engine: Engine, sessions: Sessions, example: Path | None = None) -> None:
        self.engine = engine
        self.sessions = sessions
        self.example = example
        self._examples: dict[bool, PhotoUpdate] = {}

    def show_live(
        self,
        session_id: str,
        frame: str | None,
        *,
        explain: bool,
        paused: bool,
        mirror: bool = False,
        shown_width: float | None = None,
    ) -> LiveUpdate:
        """Analyze a camera frame for the live tab.

        Args:
            session_id: the visitor's session.
            frame: the frame as a data URL, or None.
            explain: also show activation maps.
            paused: leave the tab as it is.
            mirror: show the frame as a mirror does.
            shown_width: width of the image on the visitor's screen in CSS pixels; None if it is not known.
        """
        visitor = self.sessions.visit(session_id)
        if frame is None or paused:
            return LiveUpdate()
        if self.engine.is_loading:
            return LiveUpdate(status=cards.render_notice(texts.LOADING_TEXT))
        started = time.perf_counter()
        try:
            if visitor.live is None:
                visitor.live = LiveSession(self.engine.analyzers.live)
            source = decode_image_url(frame)
            shown = visitor.live.process(source, explain=explain, mirror=mirror, shown_width=shown_width)
        except FerError as error:
            return LiveUpdate(status=cards.render_notice(str(error), kind="error"))
        image, people = encode_image_url(shown.image, quality=80), cards.render_live(shown)
        timeline = cards.render_timeline(visitor.live.timeline) if shown.draw_timeline else None
        status = cards.render_status(shown, (time.perf_counter() - started) * 1000)
        return LiveUpdate(image, status, people, timeline)

    def start_baseline(self, session_id: str) -> str:
        """Take the next seconds for the neutral face of the visitor's camera; return a notice."""
        live = self.sessions.visit(session_id).live
        if live is None:
            return cards.render_notice(texts.NO_CAMERA_TEXT)
        live.start_baseline()
        return cards.render_notice(texts.NEUTRAL_TEXT)

    def clear_baseline(self, session_id: str) -> str:
        """Forget the neutral face of the visitor's camera; return a notice."""
        live = self.sessions.visit(session_id).live
        if live is not None:
            live.clear_baseline()
        return cards.render_notice(texts.NEUTRAL_CLEARED_TEXT)

    def show_photo(self, session_id: str, upload: Upload | None, *, explain: bool) -> PhotoUpdate:
        """Analyze a photo for the photo tab, or show the example without one; an error becomes a notice."""
        if upload is None:
            return self._show_example(explain=explain)
        self.sessions.add_upload(session_id, upload.path)
        return self._render_photo(upload, explain=explain)

    def show_first_photo(self, session_id: str) -> PhotoUpdate | None:
        """Return the example for a page that has just been opened, or None if its visitor was faster."""
        update = self._show_example(explain=False)
        return None if self.sessions.visit(session_id).uploads else update

    def _show_example(self, *, explain: bool) -> PhotoUpdate:
        hint = cards.render_notice(texts.PHOTO_HINT, kind="empty")
        if self.example is None:
            return PhotoUpdate("", hint)
        if explain not in self._examples:
            shown = self._render_photo(Upload(self.example.name, self.example), explain=explain)
            if not shown.image:
                return shown
            # All visitors see the same example, so it is analyzed once.
            self._examples[explain] = shown._replace(cards=shown.cards + hint)
        return self._examples[explain]

    def _render_photo(self, upload: Upload, *, explain: bool) -> PhotoUpdate:
        try:
            analyzer, image = self.engine.analyzers.photo, decode_image(upload.path)
            faces = photo.sort_faces(analyzer.analyze(image))
            activations = [analyzer.explain(face) for face in faces[: photo.MOST_CARDS]] if explain else []
        except FerError as error:
            return PhotoUpdate("", _render_error(error, upload))
        return photo.render_photo(image, faces, activations, upload.name)

    def show_video(self, session_id: str, upload: Upload | None, every: int) -> Iterator[VideoUpdate]:
        """Yield the progress of a video, then its results; an error becomes a notice."""
        if upload is None:
            yield VideoUpdate(cards.render_notice("Choose a video first.", kind="empty"))
            return
        self.sessions.add_upload(session_id, upload.path)
        visitor = self.sessions.visit(session_id)
        job: VideoJob | None = None
        try:
            job = self._start_job(session_id, upload, every)
            while not job.wait(PROGRESS_EVERY):
                # A visitor waiting for a long video sends no requests; keep the session alive.
                self.sessions.refresh(visitor)
                yield VideoUpdate(video.render_progress(job.progress), running=True)
            self.sessions.refresh(visitor)
            summary = job.finish()
        except FerError as error:
            yield VideoUpdate(_render_error(error, upload))
            return
        finally:
            if job is not None:
                job.stop()
        yield VideoUpdate("", video.render_summary(summary), video.render_timeline(summary.timeline), *job.list_files())

    def cancel_video(self, session_id: str) -> None:
        """Stop a visitor's video; the results so far are shown."""
        job = self.sessions.visit(session_id).job
        if job is not None:
            job.stop()

    def analyze_image(self, session_id: str, upload: Upload | None) -> dict[str, Any]:
        """Return the faces of an image, as :data:`fer.app.api.IMAGE_SCHEMA` describes them, and remove its file.

        Raises:
            ImageError: there is no file, or it cannot be used.
        """
        with self._open_upload(session_id, upload) as opened:
            image = decode_image(opened.path)
            return api.describe_image(image, self.engine.analyzers.photo.analyze(image))

    def analyze_video(self, session_id: str, upload: Upload | None, every: int) -> dict[str, Any]:
        """Return the faces of a video, as :data:`fer.app.api.VIDEO_SCHEMA` describes them, and remove its file.

        Raises:
            ImageError: there is no file.
            VideoError: it cannot be used.
        """
        with self._open_upload(session_id, upload) as opened:
            analyzer = self.engine.analyzers.video
            return api.analyze_video(opened.path, analyzer, every=max(1, int(every)), name=opened.name)

    @contextmanager
    def _open_upload(self, session_id: str, upload: Upload | None) -> Iterator[Upload]:
        """Check an endpoint's upload; afterwards remove the file, and hide its path in errors."""
        if upload is None:
            raise ImageError("An endpoint needs a file. Received: none. Remedy: upload a file and send its path.")
        self.sessions.add_upload(session_id, upload.path)
        try:
            yield upload
        except FerError as error:
            raise _hide_path(error, upload) from None
        finally:
            self.sessions.release(session_id, upload.path)

    def _start_job(self, session_id: str, upload: Upload, every: int) -> VideoJob:
        folder, analyzer = self.sessions.make_folder(session_id), self.engine.analyzers.video
        job = VideoJob(upload.path, folder, analyzer, max(1, int(every)), upload.name)
        self.sessions.visit(session_id).job = job
        job.start()
        return job


def _hide_path(error: FerError, upload: Upload) -> FerError:
    """Return an error that names the upload as its owner does, without the server's path."""
    return type(error)(str(error).replace(str(upload.path), upload.name))


def _render_error(error: FerError, upload: Upload) -> str:
    return cards.render_notice(str(_hide_path(error, upload)), kind="error")

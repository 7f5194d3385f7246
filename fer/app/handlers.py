"""What the page's events and the endpoints do for a visitor: a call or two into the package each.

Visitors are named by the server. Pieces of a page are HTML, data addresses or files; None leaves a piece as it is.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fer.app import api
from fer.app.engine import Engine
from fer.app.live import LiveSession
from fer.app.pages import cards, photo, video
from fer.app.pages.texts import LOADING_TEXT, PHOTO_HINT
from fer.app.sessions import Sessions
from fer.app.video_jobs import VideoJob
from fer.errors import FerError, ImageError

#: How often a video's progress is told, in seconds.
PROGRESS_EVERY = 0.4


class Upload(NamedTuple):
    """A file that a visitor sent: its name there, and its path here."""

    name: str
    path: Path


class LivePieces(NamedTuple):
    """A camera frame's answer: picture as a data address, and HTML."""

    picture: str | None = None
    status: str | None = None
    people: str | None = None
    timeline: str | None = None


class PhotoPieces(NamedTuple):
    """A photo's answer: annotated picture as a data address or None, and HTML."""

    picture: str | None
    cards: str
    downloads: str = ""


class VideoPieces(NamedTuple):
    """A video's progress or answer: HTML and the files made, None where there is none."""

    progress: str
    summary: str = ""
    annotated: Path | None = None
    plot: Path | None = None
    table: Path | None = None
    running: bool = False


class Handlers:
    """What is asked of the server, for every visitor.

    Args:
        engine: the network.
        sessions: what is held for the visitors.
    """

    def __init__(self, engine: Engine, sessions: Sessions) -> None:
        self.engine = engine
        self.sessions = sessions

    def show_live(self, visitor: str, frame: str | None, *, explain: bool, paused: bool) -> LivePieces:
        """Return what a camera frame shows.

        Args:
            visitor: who sent it.
            frame: the picture as a data address, or None.
            explain: also show the activation maps.
            paused: leave the page as it is.
        """
        held = self.sessions.visit(visitor)
        if frame is None or paused:
            return LivePieces()
        if self.engine.is_loading:
            return LivePieces(status=cards.render_notice(LOADING_TEXT))
        started = time.perf_counter()
        try:
            if held.live is None:
                held.live = LiveSession(self.engine.live)
            shown = held.live.process(cards.read_data_url(frame), explain=explain)
        except FerError as error:
            return LivePieces(status=cards.render_notice(str(error), kind="error"))
        picture, people = cards.encode_data_url(shown.image, quality=80), cards.render_live(shown)
        timeline = cards.render_timeline(held.live.timeline) if shown.draw_timeline else None
        status = cards.render_status(shown, (time.perf_counter() - started) * 1000)
        return LivePieces(picture, status, people, timeline)

    def show_photo(self, visitor: str, upload: Upload | None, *, explain: bool) -> PhotoPieces:
        """Return what a photo shows, or a sentence where it cannot be used."""
        if upload is None:
            return PhotoPieces(None, cards.render_notice(PHOTO_HINT, kind="empty"))
        self._note(visitor, upload)
        try:
            view = photo.view_photo(upload.path, upload.name, self.engine.photo, explain=explain)
        except FerError as error:
            return PhotoPieces(None, _render_error(error, upload))
        return PhotoPieces(cards.encode_data_url(view.annotated), view.cards, view.downloads)

    def show_video(self, visitor: str, upload: Upload | None, every: int) -> Iterator[VideoPieces]:
        """Yield a video's progress and at last its results, or a sentence where it cannot be used."""
        if upload is None:
            yield VideoPieces(cards.render_notice("Choose a video first.", kind="empty"))
            return
        self._note(visitor, upload)
        held = self.sessions.visit(visitor)
        job: VideoJob | None = None
        try:
            job = self._start_job(visitor, upload, every)
            while not job.wait(PROGRESS_EVERY):
                # Who waits for a long video asks for nothing else, and has not left.
                self.sessions.refresh(held)
                yield VideoPieces(video.render_progress(job.progress), running=True)
            self.sessions.refresh(held)
            summary = video.render_summary(job.finish())
        except FerError as error:
            yield VideoPieces(_render_error(error, upload))
            return
        finally:
            if job is not None:
                job.stop()
        yield VideoPieces("", summary, *job.list_files())

    def cancel_video(self, visitor: str) -> None:
        """Stop a visitor's video; what was seen so far is shown."""
        job = self.sessions.visit(visitor).job
        if job is not None:
            job.stop()

    def analyze_image(self, visitor: str, upload: Upload | None) -> dict[str, Any]:
        """Return a picture's faces as :data:`fer.app.api.IMAGE_SCHEMA` says, and remove its file.

        Raises:
            ImageError: there is no file, or it cannot be used.
        """
        expected = self._expect(visitor, upload)
        try:
            view = photo.view_photo(expected.path, expected.name, self.engine.photo)
        except FerError as error:
            raise _hide_path(error, expected) from None
        finally:
            self.sessions.release(visitor, expected.path)
        return api.describe_image(view.image, view.faces)

    def analyze_video(self, visitor: str, upload: Upload | None, every: int) -> dict[str, Any]:
        """Return what a video shows as :data:`fer.app.api.VIDEO_SCHEMA` says, and remove its file.

        Raises:
            ImageError: there is no file.
            VideoError: it cannot be used.
        """
        expected = self._expect(visitor, upload)
        try:
            return api.analyze_video(expected.path, self.engine.video, every=max(1, int(every)), name=expected.name)
        except FerError as error:
            raise _hide_path(error, expected) from None
        finally:
            self.sessions.release(visitor, expected.path)

    def _start_job(self, visitor: str, upload: Upload, every: int) -> VideoJob:
        job = VideoJob(
            upload.path, self.sessions.make_folder(visitor), self.engine.video, max(1, int(every)), upload.name
        )
        self.sessions.visit(visitor).job = job
        job.start()
        return job

    def _note(self, visitor: str, upload: Upload) -> None:
        # The examples lie among the files made here, and are everybody's. An endpoint is handed whatever path it likes,
        # so both are followed to where they really lie.
        if not upload.path.resolve().is_relative_to(self.sessions.root.resolve()):
            self.sessions.visit(visitor).uploads.add(upload.path)

    def _expect(self, visitor: str, upload: Upload | None) -> Upload:
        if upload is None:
            raise ImageError("A file must be given. Received: none. Remedy: upload one and send its path.")
        self._note(visitor, upload)
        return upload


def _hide_path(error: FerError, upload: Upload) -> FerError:
    return type(error)(photo.hide_path(error, upload.path, upload.name))


def _render_error(error: FerError, upload: Upload) -> str:
    return cards.render_notice(str(_hide_path(error, upload)), kind="error")

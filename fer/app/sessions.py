"""State of the web app's visitors, and its removal when they leave."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fer.app.live import LiveSession
from fer.app.video_jobs import VideoJob

#: A visitor without a request for this long has left, in seconds.
LONGEST_SILENCE = 900.0


@dataclass
class Visitor:
    """The state of one visitor.

    Args:
        live: the camera, after its first frame.
        job: the last video.
        folder: folder of the files written for the visitor.
        uploads: files that the visitor uploaded.
        last_seen: time of the last request, in seconds of the sessions' clock.
    """

    live: LiveSession | None = None
    job: VideoJob | None = None
    folder: Path | None = None
    uploads: set[Path] = field(default_factory=set)
    last_seen: float = 0.0


class Sessions:
    """The visitors of a server, by session id.

    Args:
        root: folder for the visitors' results and for files that all visitors share.
        clock: returns the time in seconds.
    """

    def __init__(self, root: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = Path(root)
        self._clock = clock
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._visitors)

    def visit(self, session_id: str) -> Visitor:
        """Return a visitor, creating a new one if needed, and forget visitors that have left."""
        now = self._clock()
        with self._lock:
            silent = [key for key, visitor in self._visitors.items() if now - visitor.last_seen > LONGEST_SILENCE]
            left = [self._visitors.pop(key) for key in silent if key != session_id]
            visitor = self._visitors.setdefault(session_id, Visitor())
            visitor.last_seen = now
        for gone in left:
            self._clear(gone)
        return visitor

    def refresh(self, visitor: Visitor) -> None:
        """Keep a visitor alive; unlike :meth:`visit` it does not bring back a visitor that was forgotten."""
        visitor.last_seen = self._clock()

    def make_folder(self, session_id: str) -> Path:
        """Return an empty folder for a visitor's results; the previous one is removed."""
        visitor = self.visit(session_id)
        if visitor.folder is not None:
            shutil.rmtree(visitor.folder, ignore_errors=True)
        self.root.mkdir(parents=True, exist_ok=True)
        visitor.folder = Path(tempfile.mkdtemp(dir=self.root))
        return visitor.folder

    def add_upload(self, session_id: str, upload: Path) -> None:
        """Record a visitor's upload, to be removed with the visitor; files below ``root`` are shared and are not."""
        # A client chooses the path that it sends to an endpoint, so links and ".." are resolved first.
        if not upload.resolve().is_relative_to(self.root.resolve()):
            self.visit(session_id).uploads.add(upload)

    def release(self, session_id: str, upload: Path) -> None:
        """Remove one of a visitor's uploads, unless another visitor uploaded the same file."""
        with self._lock:
            uploads = self._visitors.get(session_id, Visitor()).uploads
            released = uploads & {upload}
            uploads -= released
        self._remove(released)

    def forget(self, session_id: str) -> None:
        """Stop a visitor's video and remove the visitor's state and files; an unknown id is fine."""
        with self._lock:
            visitor = self._visitors.pop(session_id, None)
        if visitor is not None:
            self._clear(visitor)

    def _clear(self, visitor: Visitor) -> None:
        if visitor.job is not None:
            visitor.job.stop()
        if visitor.folder is not None:
            shutil.rmtree(visitor.folder, ignore_errors=True)
        self._remove(visitor.uploads)

    def _remove(self, uploads: set[Path]) -> None:
        # The server names an upload by its content, so two visitors may have uploaded one file.
        with self._lock:
            shared = set().union(*(visitor.uploads for visitor in self._visitors.values()))
        for upload in uploads - shared:
            upload.unlink(missing_ok=True)
            if upload.parent.is_dir() and not any(upload.parent.iterdir()):
                upload.parent.rmdir()

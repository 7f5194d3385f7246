"""What the web app holds for each of its visitors, and how it is forgotten when they leave."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fer.app.live import LiveSession

#: A visitor who has asked for nothing for this long is taken to have left, in seconds.
LONGEST_SILENCE = 900.0


class Stoppable(Protocol):
    """Work under way that can be told to stop; :class:`fer.app.video_jobs.VideoJob` is one."""

    def stop(self) -> None:
        """Stop soon."""


@dataclass
class Visitor:
    """All that is held for one visitor.

    Args:
        live: the visitor's camera, once it has sent a frame.
        job: the visitor's video, while it is looked at.
        folder: files made for the visitor.
        uploads: files that the visitor sent.
        seen: time of the last request, in seconds of a monotonic clock.
    """

    live: LiveSession | None = None
    job: Stoppable | None = None
    folder: Path | None = None
    uploads: set[Path] = field(default_factory=set)
    seen: float = 0.0


class Sessions:
    """The visitors of a server, each under the name that the server gave to the visit.

    Args:
        root: a folder for files made for the visitors; each visitor's own is made inside it and removed again.
        clock: gives the time in seconds.
    """

    def __init__(self, root: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = Path(root)
        self._clock = clock
        self._visitors: dict[str, Visitor] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._visitors)

    def visit(self, name: str) -> Visitor:
        """Return what is held for a visitor, new or known, and forget those who have long been silent."""
        now = self._clock()
        with self._lock:
            silent = [each for each, visitor in self._visitors.items() if now - visitor.seen > LONGEST_SILENCE]
            gone = [self._visitors.pop(each) for each in silent if each != name]
            visitor = self._visitors.setdefault(name, Visitor())
            visitor.seen = now
        for each in gone:
            self._clear(each)
        return visitor

    def make_folder(self, name: str) -> Path:
        """Return an empty folder for files made for a visitor; the one made before is removed."""
        visitor = self.visit(name)
        if visitor.folder is not None:
            shutil.rmtree(visitor.folder, ignore_errors=True)
        self.root.mkdir(parents=True, exist_ok=True)
        visitor.folder = Path(tempfile.mkdtemp(dir=self.root))
        return visitor.folder

    def refresh(self, visitor: Visitor) -> None:
        """Note that a visitor is still there; unlike :meth:`visit`, one who has left is not taken in again."""
        visitor.seen = self._clock()

    def release(self, name: str, upload: Path) -> None:
        """Remove one of a visitor's own uploads, unless another visitor has sent the same; any other file stays."""
        with self._lock:
            uploads = self._visitors.get(name, Visitor()).uploads
            own = uploads & {upload}
            uploads -= own
        self._remove(own)

    def forget(self, name: str) -> None:
        """Stop a visitor's work and remove everything held for it; an unknown visitor is fine."""
        with self._lock:
            visitor = self._visitors.pop(name, None)
        if visitor is not None:
            self._clear(visitor)

    def forget_all(self) -> None:
        """Forget every visitor."""
        for name in list(self._visitors):
            self.forget(name)

    def _clear(self, visitor: Visitor) -> None:
        if visitor.job is not None:
            visitor.job.stop()
        if visitor.folder is not None:
            shutil.rmtree(visitor.folder, ignore_errors=True)
        self._remove(visitor.uploads)

    def _remove(self, uploads: set[Path]) -> None:
        # A server names an upload by its content, so two visitors may have sent one file.
        with self._lock:
            others = set().union(*(visitor.uploads for visitor in self._visitors.values()))
        for upload in uploads - others:
            upload.unlink(missing_ok=True)
            if upload.parent.is_dir() and not any(upload.parent.iterdir()):
                upload.parent.rmdir()

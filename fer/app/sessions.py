"""State of the web app's visitors and their files, and their removal when the visitors leave."""

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fer.app.live import LiveSession
from fer.app.video_jobs import VideoJob

#: A visitor without a request for this long has left, in seconds. Unused uploads are kept as long.
LONGEST_SILENCE = 900.0


@dataclass
class Visitor:
    """The state of one visitor.

    Args:
        live: the camera, after its first frame.
        job: the last video.
        folder: folder of the files written for the visitor.
        uploads: files that the visitor uploaded, with the number of requests that use each.
        last_seen: time of the last request, in seconds of the sessions' clock.
    """

    live: LiveSession | None = None
    job: VideoJob | None = None
    folder: Path | None = None
    uploads: Counter[Path] = field(default_factory=Counter)
    last_seen: float = 0.0


class Sessions:
    """The visitors of a server, by session id.

    Each upload is in a folder of its own with a random name, so that the same photo sent by two visitors is two files.

    Args:
        root: folder of all files of the server, below which uploads and results each have a folder.
        clock: returns the time in seconds.
    """

    def __init__(self, root: str | Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.root = Path(root)
        self.uploads = self.root / "uploads"
        self.results = self.root / "results"
        self._clock = clock
        self._visitors: dict[str, Visitor] = {}
        self._unused: dict[Path, float] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._visitors)

    def visit(self, session_id: str) -> Visitor:
        """Return a visitor, creating a new one if needed."""
        with self._lock:
            visitor = self._visitors.setdefault(session_id, Visitor())
            visitor.last_seen = self._clock()
        return visitor

    def refresh(self, visitor: Visitor) -> None:
        """Keep a visitor alive; unlike :meth:`visit` it does not bring back a visitor that was forgotten."""
        visitor.last_seen = self._clock()

    def make_folder(self, session_id: str) -> Path:
        """Return an empty folder for a visitor's results; the previous one is removed."""
        visitor = self.visit(session_id)
        if visitor.folder is not None:
            shutil.rmtree(visitor.folder, ignore_errors=True)
        visitor.folder = _make_folder(self.results)
        return visitor.folder

    @contextmanager
    def receive_upload(self) -> Iterator[Path]:
        """Yield an empty folder for one upload; the folder is removed if the upload fails."""
        folder = _make_folder(self.uploads)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._unused[folder] = self._clock()

    @contextmanager
    def open_folder(self) -> Iterator[Path]:
        """Yield an empty folder for one request, which is removed at its end."""
        folder = _make_folder(self.results)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add_upload(self, session_id: str, upload: Path) -> None:
        """Record that a request of a visitor uses an upload, which is removed with its last user.

        A file that nobody uploaded, such as an example, is not recorded and so never removed.
        """
        folder = self._find_folder(upload)
        if folder is None:
            return
        visitor = self.visit(session_id)
        with self._lock:
            visitor.uploads[folder] += 1
            self._unused.pop(folder, None)

    def release(self, session_id: str, upload: Path) -> None:
        """Remove an upload after a request, unless another request or visitor uses it."""
        folder = self._find_folder(upload)
        with self._lock:
            visitor = self._visitors.get(session_id)
            if visitor is None or folder is None or folder not in visitor.uploads:
                return
            visitor.uploads -= Counter([folder])
        self._remove([folder])

    def forget(self, session_id: str) -> None:
        """Stop a visitor's video and remove the visitor's state and files; an unknown id is fine."""
        with self._lock:
            visitor = self._visitors.pop(session_id, None)
        if visitor is not None:
            self._clear(visitor)

    def forget_silent(self) -> None:
        """Forget the visitors that have left without a word, and remove uploads that nobody used."""
        oldest = self._clock() - LONGEST_SILENCE
        with self._lock:
            silent = [key for key, visitor in self._visitors.items() if visitor.last_seen < oldest]
            left = [self._visitors.pop(key) for key in silent]
            unused = [folder for folder, received in self._unused.items() if received < oldest]
            for folder in unused:
                del self._unused[folder]
        for visitor in left:
            self._clear(visitor)
        self._remove(unused)

    def _clear(self, visitor: Visitor) -> None:
        if visitor.job is not None:
            visitor.job.stop()
        if visitor.folder is not None:
            shutil.rmtree(visitor.folder, ignore_errors=True)
        self._remove(visitor.uploads)

    def _find_folder(self, upload: Path) -> Path | None:
        """Return the folder that a file was uploaded to, or None if it was not uploaded."""
        # A client chooses the path that it sends to an endpoint, so links and ".." are resolved first.
        root, path = self.uploads.resolve(), upload.resolve()
        return root / path.relative_to(root).parts[0] if root in path.parents else None

    def _remove(self, folders: Iterable[Path]) -> None:
        with self._lock:
            used = set().union(*(visitor.uploads for visitor in self._visitors.values()))
        for folder in set(folders) - used:
            shutil.rmtree(folder, ignore_errors=True)


def _make_folder(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=root))

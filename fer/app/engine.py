"""What every tab of the web app asks: one network, loaded once in the background, behind an analyzer a kind of use."""

import threading
from collections.abc import Callable

from fer.analysis import Analyzer
from fer.errors import FerError, ModelError
from fer.labels import FACE_SIZE
from fer.vision.yunet import DEFAULT_SIDE, STREAM_SIDE


class Engine:
    """One network behind three analyzers, which differ only in how finely they search for faces.

    Args:
        build: makes the analyzer for photos; the others share its network. None loads the shipped network.
    """

    def __init__(self, build: Callable[[], Analyzer] | None = None) -> None:
        self._build = Analyzer if build is None else build
        self._ready = threading.Event()
        self._analyzers: tuple[Analyzer, Analyzer, Analyzer] | None = None
        self._error: FerError | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to load the network, while the server starts."""
        self._thread = threading.Thread(target=self._load, name="fer-engine", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the loading has ended: a process that leaves in the midst of it dies noisily."""
        if self._thread is not None:
            self._thread.join()

    @property
    def is_loading(self) -> bool:
        """Whether the network is still on its way; who asks for an analyzer then waits for it."""
        return self._thread is not None and not self._ready.is_set()

    @property
    def photo(self) -> Analyzer:
        """For photos: several scales, for small faces too.

        Raises:
            ModelError: the network cannot be loaded.
        """
        return self._wait()[0]

    @property
    def video(self) -> Analyzer:
        """For uploaded videos: one scale.

        Raises:
            ModelError: the network cannot be loaded.
        """
        return self._wait()[1]

    @property
    def live(self) -> Analyzer:
        """For cameras: one small scale, which keeps up.

        Raises:
            ModelError: the network cannot be loaded.
        """
        return self._wait()[2]

    def _wait(self) -> tuple[Analyzer, Analyzer, Analyzer]:
        if self._thread is None:
            self.start()
        self._ready.wait()
        if self._analyzers is None:
            raise self._error or ModelError(
                "The network must load before it is asked. Received: an unexpected fault while it was loaded. Remedy:"
                " see the server's log, mend what it says and start the app again."
            )
        return self._analyzers

    def _load(self) -> None:
        try:
            photo = self._build()
            others = [Analyzer(photo.classifier, max_side=side) for side in (DEFAULT_SIDE, STREAM_SIDE)]
            self._warm_up(photo)
            self._analyzers = photo, others[0], others[1]
        except FerError as error:
            self._error = error
        finally:
            self._ready.set()

    def _warm_up(self, analyzer: Analyzer) -> None:
        """Compile for one face, a group and a crowd now, and for the activation map, so that no viewer waits for it."""
        import numpy as np

        from fer.model.forward import BATCH_SIZES

        # A picture with enough faces for the largest size is no stream's.
        for size in BATCH_SIZES[:-1]:
            analyzer.classifier.predict(np.zeros((size, FACE_SIZE, FACE_SIZE), np.uint8))
        analyzer.classifier.explain(np.zeros((1, FACE_SIZE, FACE_SIZE), np.uint8), 0)

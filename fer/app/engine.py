"""The network behind the web app: loaded once, in the background, for every tab and endpoint."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np

from fer.analysis import Analyzer
from fer.errors import FerError, ModelError
from fer.labels import FACE_SIZE
from fer.model.batching import BATCH_SIZES
from fer.vision.yunet import DEFAULT_SIDE, STREAM_SIDE

_LOGGER = logging.getLogger(__name__)


class Analyzers(NamedTuple):
    """Analyzers that share one network and differ in how finely they search for faces.

    Args:
        photo: several scales, for small faces too.
        video: one scale.
        live: one small scale, fast enough for a camera.
    """

    photo: Analyzer
    video: Analyzer
    live: Analyzer


class Engine:
    """Loads the network in a background thread.

    Args:
        build: makes the analyzer for photos; the others share its network. None loads the shipped network.
    """

    def __init__(self, build: Callable[[], Analyzer] | None = None) -> None:
        self._build = Analyzer if build is None else build
        executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fer-engine")
        self._loading = executor.submit(self._load)
        executor.shutdown(wait=False)

    @property
    def is_loading(self) -> bool:
        """Whether the network is still being loaded."""
        return not self._loading.done()

    @property
    def analyzers(self) -> Analyzers:
        """The analyzers, after waiting until the network is loaded.

        Raises:
            ModelError: the network cannot be loaded.
        """
        error = self._loading.exception()
        if error is not None:
            # A new error each time: a traceback grows whenever its exception is raised again.
            raise ModelError(str(error)) from error
        return self._loading.result()

    def join(self) -> None:
        """Wait until loading has ended; call it before the process exits, which would break imports and compilation."""
        wait([self._loading])

    def _load(self) -> Analyzers:
        try:
            photo = self._build()
            video, live = (Analyzer(photo.classifier, max_side=side) for side in (DEFAULT_SIDE, STREAM_SIDE))
            _warm_up(photo)
        except FerError:
            raise
        except Exception as error:
            _LOGGER.exception("The network could not be loaded.")
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ModelError(
                f"The network must load before it can answer. Received: {reason}. Remedy: see the traceback in the"
                " server's log and start the app again."
            ) from error
        return Analyzers(photo, video, live)


def _warm_up(analyzer: Analyzer) -> None:
    """Compile the batch sizes of streams and the activation map, so that no viewer waits for it."""
    # No stream shows enough faces for the largest size.
    for size in BATCH_SIZES[:-1]:
        analyzer.classifier.predict(np.zeros((size, FACE_SIZE, FACE_SIZE), np.uint8))
    analyzer.classifier.explain(np.zeros((1, FACE_SIZE, FACE_SIZE), np.uint8), 0)

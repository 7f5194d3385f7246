"""The environment of a worker, which gives each library one thread; it must be set before they are imported."""

import contextlib
import os
from collections.abc import Iterator

#: The variables that limit the threads of a process.
THREAD_LIMITS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # The size of XLA's thread pools on CPUs, by its former and its present name.
    "NPROC": "1",
    "PJRT_NPROC": "1",
    # Workers that share a GPU take memory as they need it.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


@contextlib.contextmanager
def limited_threads() -> Iterator[None]:
    """Set the limits for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(THREAD_LIMITS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

"""The environment of a worker, which gives each library one thread; it must be set before they are imported."""

import contextlib
import os
from collections.abc import Iterator

_LIMITS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    # The size of the thread pools of XLA on CPUs, by its former and its present name.
    "NPROC": "1",
    "PJRT_NPROC": "1",
    # Workers that share a GPU take memory as they need it.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
_XLA_FLAG = "--xla_cpu_multi_thread_eigen=false"


def list_limits() -> dict[str, str]:
    """Return the variables of a worker's environment that limit its threads."""
    flags = os.environ.get("XLA_FLAGS", "")
    return _LIMITS | {"XLA_FLAGS": flags if _XLA_FLAG in flags else f"{flags} {_XLA_FLAG}".strip()}


@contextlib.contextmanager
def limited_threads() -> Iterator[None]:
    """Set the limits for the processes that are started meanwhile."""
    limits = list_limits()
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

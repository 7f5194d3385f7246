"""Memory that the C library of Linux keeps from the system after it was freed; nothing happens elsewhere.

References:
    GNU C Library manual, "Malloc Tunable Parameters".
"""

import ctypes
import sys

#: Number of the parameter M_ARENA_MAX in malloc.h.
_M_ARENA_MAX = -8
#: Heaps that all threads share. By default each thread may keep one, up to eight per core.
_ARENAS = 2


def limit_heaps() -> None:
    """Let all threads share two heaps; call it before threads are started."""
    mallopt = _find("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)


def return_memory() -> None:
    """Return freed memory to the system."""
    malloc_trim = _find("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _find(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None

"""A folder, private to the user, where XLA keeps compiled programs between processes (JAX)."""

import functools
import os
import stat
from pathlib import Path

#: Small programs are kept as well: the hundred that a network is built with take seconds together.
_MIN_COMPILE_SECONDS = 0.0


@functools.cache
def use_compile_cache() -> Path | None:
    """Let JAX keep what it compiles in ``~/.cache/fer-dl/xla``, unless another place was chosen or this is not safe.

    Whoever can write to the folder can have code run by its reader, so it must belong to the user and to nobody else.

    Returns:
        The folder in use by this choice, or None.
    """
    import jax

    if os.environ.get("JAX_COMPILATION_CACHE_DIR") or getattr(jax.config, "jax_compilation_cache_dir", None):
        return None
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fer-dl" / "xla"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None  # a read-only home: programs are compiled anew in each process
    if not _is_private(folder):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS)
    return folder


def _is_private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

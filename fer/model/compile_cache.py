"""A private folder in which XLA keeps compiled programs between processes (JAX)."""

import functools
import os
import stat
from pathlib import Path

#: Small programs are kept too: a network is built with a hundred of them, which take seconds together.
_MIN_COMPILE_SECONDS = 0.0
#: absl's level of fatal messages.
_FATAL = 3


@functools.cache
def use_compile_cache() -> Path | None:
    """Let JAX keep compiled programs in ``~/.cache/fer-dl/xla``.

    A cache folder chosen by the user is left as it is. A process that reads a cache runs the code in it, so the folder
    is used only if it belongs to the user and nobody else can write to it.

    Returns:
        Path of the folder, or None if this function set none.
    """
    import jax

    if os.environ.get("JAX_COMPILATION_CACHE_DIR") or getattr(jax.config, "jax_compilation_cache_dir", None):
        return None
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fer-dl" / "xla"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None  # a read-only home: each process compiles anew
    if not _is_private(folder):
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS)
    _silence_false_alarm()
    return folder


def _is_private(folder: Path) -> bool:
    if not hasattr(os, "getuid"):
        return True
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _silence_false_alarm() -> None:
    """Hide XLA's error log, in which the CPU loader takes two tuning options of a cached program for missing features.

    Failures still raise exceptions, and ``TF_CPP_MIN_LOG_LEVEL=0`` keeps the log.

    Reference:
        https://github.com/openxla/xla/issues/44565
    """
    from jaxlib import utils

    # JAX sets the level to 1 on import if the user has set none.
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
        utils.absl_set_min_log_level(_FATAL)

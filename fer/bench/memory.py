"""Memory of a process."""

import os
from pathlib import Path

_PROC = Path("/proc")


def read_memory(process_id: int) -> float | None:
    """Return the resident memory of a process in MB, or None on a system without ``/proc``."""
    statm = _PROC / str(process_id) / "statm"
    if not statm.is_file():
        return None
    resident_pages = int(statm.read_text(encoding="ascii").split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE") / 1e6

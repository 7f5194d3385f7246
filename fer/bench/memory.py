"""Memory of a process."""

import os
from pathlib import Path

_PROC = Path("/proc")


def read_memory(process_id: int, *, exclude_mapped: bool = False) -> float | None:
    """Return the resident memory of a process in MB, or None on a system without ``/proc``.

    Args:
        process_id: of the process.
        exclude_mapped: leave out the pages of mapped files, which the system drops when it needs memory.
    """
    statm = _PROC / str(process_id) / "statm"
    if not statm.is_file():
        return None
    resident_pages, file_pages = map(int, statm.read_text(encoding="ascii").split()[1:3])
    pages = resident_pages - exclude_mapped * file_pages
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

"""The byte stream of a FER2013 table, plain or packed, told apart by its first bytes and never unpacked to disk."""

import gzip
import tarfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

from fer.errors import DataError

#: Bytes of an unpacked table beyond which a file is no FER2013 table, but may be meant to fill a disk or memory.
MAX_TABLE = 1 << 32

#: The file names of FER2013's tables, the preferred one first.
TABLE_NAMES = ("fer2013.csv", "icml_face_data.csv")

_ZIP, _GZIP, _TAR, _TAR_AT = b"PK", b"\x1f\x8b", b"ustar", 257


def open_table(path: Path, stack: ExitStack) -> IO[bytes]:
    """Open the table in a file that is the table itself, or a .gz, .zip, .tar or .tar.gz of it.

    Args:
        path: an existing file.
        stack: closes everything opened here.

    Raises:
        DataError: an archive holds no FER2013 table, or one of an impossible size.
    """
    stream: IO[bytes] = stack.enter_context(path.open("rb"))
    if _starts_with(stream, _ZIP):
        return _open_zip_member(stream, path, stack)
    if _starts_with(stream, _GZIP):
        stream = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=stream)))
    if _starts_with(stream, _TAR, at=_TAR_AT):
        return _open_tar_member(stream, path, stack)
    return stream


def is_table_file(path: Path) -> bool:
    """Return whether a file is, by its name, one of FER2013's tables in a form that :func:`open_table` reads."""
    name = path.name.lower()
    return path.is_file() and any(
        name in (table, f"{table}.gz", f"{table}.zip", f"{stem}.zip", f"{table}.tar.gz", f"{stem}.tar.gz")
        for table in TABLE_NAMES
        for stem in [table.removesuffix(".csv")]
    )


def _starts_with(stream: IO[bytes], magic: bytes, *, at: int = 0) -> bool:
    head = stream.read(at + len(magic))
    stream.seek(0)
    return head[at:] == magic


def _open_zip_member(stream: IO[bytes], path: Path, stack: ExitStack) -> IO[bytes]:
    archive = stack.enter_context(zipfile.ZipFile(stream))
    sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    member = _choose_member(list(sizes), path)
    _check_size(sizes[member], path)
    return stack.enter_context(archive.open(member))


def _open_tar_member(stream: IO[bytes], path: Path, stack: ExitStack) -> IO[bytes]:
    archive = stack.enter_context(tarfile.TarFile(fileobj=stream))
    members = {}
    for info in archive:
        _check_size(info.offset_data + info.size, path)
        if info.isfile():
            members[info.name] = info
        # The first member of a known name is taken at once: to list the rest would unpack the archive twice.
        if info.isfile() and _is_known(info.name):
            break
    content = archive.extractfile(members[_choose_member(list(members), path)])
    return stack.enter_context(cast(IO[bytes], content))


def _choose_member(names: list[str], path: Path) -> str:
    tables = [name for name in names if name.lower().endswith(".csv")]
    known = sorted(filter(_is_known, tables), key=lambda name: TABLE_NAMES.index(_get_base(name)))
    if not known and len(tables) != 1:
        shown = ", ".join(repr(name[:40]) for name in names[:5]) or "nothing"
        raise DataError(
            f"An archive must hold {' or '.join(TABLE_NAMES)}, or one .csv alone. Received: {path} with {shown}."
        )
    return (known or tables)[0]


def _is_known(name: str) -> bool:
    return _get_base(name) in TABLE_NAMES


def _get_base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def _check_size(size: int, path: Path) -> None:
    if size > MAX_TABLE:
        raise DataError(f"An archive must unpack to {MAX_TABLE >> 30} GiB or less. Received: {path} ({size} bytes).")

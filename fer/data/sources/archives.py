"""The byte stream of a FER2013 table, plain or packed: recognised by its first bytes, never unpacked to disk."""

import gzip
import tarfile
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

from fer.errors import DataError

#: Largest size in bytes of an unpacked table; a larger file is not a FER2013 table and may be an archive bomb.
MAX_TABLE = 1 << 32

#: File names of FER2013 tables, in order of preference.
TABLE_NAMES = ("fer2013.csv", "icml_face_data.csv")

_TABLE_FILES = {table + suffix for table in TABLE_NAMES for suffix in ("", ".gz", ".zip", ".tar.gz")} | {
    table.removesuffix(".csv") + suffix for table in TABLE_NAMES for suffix in (".zip", ".tar.gz")
}
_ZIP, _GZIP, _TAR, _TAR_OFFSET = b"PK", b"\x1f\x8b", b"ustar", 257


def open_table(path: Path, stack: ExitStack) -> IO[bytes]:
    """Open a table that is stored plain or as .gz, .zip, .tar or .tar.gz.

    Args:
        path: an existing file.
        stack: closes all streams that are opened here.

    Raises:
        DataError: an archive holds no FER2013 table, or is too large.
    """
    stream: IO[bytes] = stack.enter_context(path.open("rb"))
    if _starts_with(stream, _ZIP):
        return _open_zip_member(stream, path, stack)
    if _starts_with(stream, _GZIP):
        stream = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=stream)))
    if _starts_with(stream, _TAR, offset=_TAR_OFFSET):
        return _open_tar_member(stream, path, stack)
    return stream


def is_table_file(path: Path) -> bool:
    """Return whether a file has the name of a FER2013 table in a format that :func:`open_table` reads."""
    return path.name.lower() in _TABLE_FILES and path.is_file()


def _starts_with(stream: IO[bytes], magic: bytes, *, offset: int = 0) -> bool:
    head = stream.read(offset + len(magic))
    stream.seek(0)
    return head[offset:] == magic


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
        # Stop at the first member with a known name: listing the others would decompress the archive twice.
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
            f"An archive must hold {' or '.join(TABLE_NAMES)}, or a single .csv file. Received: {path} with {shown}."
        )
    return (known or tables)[0]


def _is_known(name: str) -> bool:
    return _get_base(name) in TABLE_NAMES


def _get_base(name: str) -> str:
    return name.rsplit("/", 1)[-1].lower()


def _check_size(size: int, path: Path) -> None:
    if size > MAX_TABLE:
        raise DataError(f"An archive must unpack to {MAX_TABLE >> 30} GiB or less. Received: {path} ({size} bytes).")

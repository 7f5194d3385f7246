"""The byte stream of a FER2013 table, plain or packed: recognised by its first bytes, never unpacked to disk."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, cast

from fer.errors import DataError, shorten, shorten_path
from fer.vision.decoding import IMAGE_SUFFIXES

#: Largest size in bytes of an unpacked table; a larger file is not a FER2013 table and may be an archive bomb.
MAX_TABLE = 1 << 32

#: File names of FER2013 tables, in order of preference.
TABLE_NAMES = ("fer2013.csv", "icml_face_data.csv")

#: File names of FER+ votes.
VOTES_NAMES = ("fer2013new.csv",)

#: What the standard library raises on a damaged, truncated, encrypted or unsupported archive.
BROKEN = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)

_PACKED = (".gz", ".bz2", ".xz", ".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz")
_TABLE_FILES = {table + suffix for table in TABLE_NAMES for suffix in ("", *_PACKED)} | {
    table.removesuffix(".csv") + suffix for table in TABLE_NAMES for suffix in _PACKED
}
_ZIP, _ZSTD, _TAR, _TAR_OFFSET = b"PK", b"\x28\xb5\x2f\xfd", b"ustar", 257
_DECOMPRESSORS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def open_table(path: Path, stack: ExitStack, names: Sequence[str] = TABLE_NAMES) -> IO[bytes]:
    """Open a table that is stored plain, compressed (.gz, .bz2, .xz) or in an archive (.zip, .tar, also compressed).

    Args:
        path: an existing file.
        stack: closes all streams that are opened here.
        names: names of the table in an archive, in order of preference.

    Raises:
        DataError: an archive holds no such table or is too large, or the compression is not supported.
    """
    stream: IO[bytes] = stack.enter_context(path.open("rb"))
    if _starts_with(stream, _ZIP):
        return _open_zip_member(stream, path, stack, names)
    if _starts_with(stream, _ZSTD):
        raise DataError(
            "A table must be plain, .gz, .bz2, .xz, .zip or .tar. Received:"
            f" {shorten_path(path)}, compressed with zstd. Remedy: unpack it with `unzstd`."
        )
    for magic, decompressor in _DECOMPRESSORS.items():
        if _starts_with(stream, magic):
            stream = cast(IO[bytes], stack.enter_context(decompressor(stream)))
            break
    if _starts_with(stream, _TAR, offset=_TAR_OFFSET):
        return _open_tar_member(stream, path, stack, names)
    return stream


def is_archive_of_images(path: Path) -> bool:
    """Return whether a file is a .zip or .tar archive that holds no table: images, or no .csv file at all."""
    try:
        with path.open("rb") as stream:
            is_zip = _starts_with(stream, _ZIP)
        if is_zip:
            with zipfile.ZipFile(path) as archive:
                return _hold_images(archive.namelist())
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                return _hold_images(member.name for member in tar)
    except BROKEN:
        # Whoever opens the file says what is wrong with it.
        pass
    return False


def _hold_images(members: Iterable[str]) -> bool:
    has_table = has_image = False
    for member in map(str.lower, members):
        if _get_base(member) in TABLE_NAMES:
            return False
        has_table |= member.endswith(".csv")
        has_image |= member.endswith(IMAGE_SUFFIXES)
    return has_image or not has_table


def split_member(name: str) -> tuple[str, ...]:
    r"""Return the folders and the name of a member of an archive.

    Some programs on Windows separate them by backslashes.

    Example:
        >>> split_member("train/happy/1.png"), split_member("train\\happy\\1.png")
        (('train', 'happy', '1.png'), ('train', 'happy', '1.png'))
    """
    return tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def describe_error(error: BaseException) -> str:
    """Return what an exception of :data:`BROKEN` says, on one line of at most 70 characters."""
    return shorten(getattr(error, "strerror", None) or str(error) or type(error).__name__, 70)


def is_table_file(path: Path) -> bool:
    """Return whether a file has the name of a FER2013 table in a format that :func:`open_table` reads."""
    return path.name.lower() in _TABLE_FILES and path.is_file()


def _starts_with(stream: IO[bytes], magic: bytes, *, offset: int = 0) -> bool:
    head = stream.read(offset + len(magic))
    stream.seek(0)
    return head[offset:] == magic


def _open_zip_member(stream: IO[bytes], path: Path, stack: ExitStack, names: Sequence[str]) -> IO[bytes]:
    archive = stack.enter_context(zipfile.ZipFile(stream))
    sizes = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    member = _choose_member(list(sizes), path, names)
    _check_size(sizes[member], path)
    return stack.enter_context(archive.open(member))


def _open_tar_member(stream: IO[bytes], path: Path, stack: ExitStack, names: Sequence[str]) -> IO[bytes]:
    archive = stack.enter_context(tarfile.TarFile(fileobj=stream))
    members = {}
    for info in archive:
        _check_size(info.offset_data + info.size, path)
        if info.isfile():
            members[info.name] = info
        # Stop at the first member with a known name: listing the others would decompress the archive twice.
        if info.isfile() and _get_base(info.name) in names:
            break
    content = archive.extractfile(members[_choose_member(list(members), path, names)])
    return stack.enter_context(cast(IO[bytes], content))


def _choose_member(members: list[str], path: Path, names: Sequence[str]) -> str:
    tables = [member for member in members if member.lower().endswith(".csv")]
    known = [member for member in tables if _get_base(member) in names]
    if not known and len(tables) != 1:
        shown = ", ".join(shorten(repr(member), 30) for member in members[:3]) or "nothing"
        raise DataError(
            f"An archive must hold {' or '.join(names)}, or a single .csv file. Received: {shorten_path(path)} with"
            f" {shown}."
        )
    return min(known, key=lambda member: names.index(_get_base(member)), default=tables[0])


def _get_base(name: str) -> str:
    return "".join(split_member(name)[-1:]).lower()


def _check_size(size: int, path: Path) -> None:
    if size > MAX_TABLE:
        raise DataError(
            f"An archive must unpack to {MAX_TABLE >> 30} GiB or less. Received: {shorten_path(path)} ({size} bytes)."
        )

"""The files of a data set of images, in a folder or in an archive, by their paths relative to it.

Nothing is unpacked to disk.
"""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from fer.data.sources.archives import BROKEN, describe_error, split_member
from fer.errors import DataError, ImageError, shorten, shorten_path
from fer.vision.decoding import IMAGE_SUFFIXES, MAX_BYTES, read_file

#: Largest number of files, which bounds the memory of their list.
MAX_FILES = 5_000_000
#: Largest size in bytes of the files of a compressed .tar, which are held in memory.
MAX_UNPACKED = 2 << 30


@dataclass(frozen=True)
class SourceFile:
    """One file of a data set.

    Args:
        parts: its path relative to the data set, folder by folder.
        load: returns its path, or its content if it is in an archive; raises ImageError if that cannot be read.
    """

    parts: tuple[str, ...]
    load: Callable[[], Path | bytes]

    @property
    def name(self) -> str:
        """The name of the file, without folders."""
        return self.parts[-1]

    @property
    def location(self) -> str:
        """The relative path as text, in which bytes that are no UTF-8 are escaped."""
        return "/".join(self.parts).encode("utf-8", "backslashreplace").decode()

    @property
    def is_image(self) -> bool:
        """Whether the file has the suffix of an image and neither it nor a folder of it is hidden."""
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in self.parts)
        return not hidden and os.path.splitext(self.name)[1].lower() in IMAGE_SUFFIXES

    def decode(self) -> np.ndarray:
        """Return the image, uint8 (H, W, 3), RGB.

        Raises:
            ImageError: the file cannot be read or decoded.
        """
        # Imported here so that tables and the sample work without loading OpenCV.
        from fer.vision.images import decode_image

        return decode_image(self.load())

    def read(self) -> bytes:
        """Return the content.

        Raises:
            ImageError: the file cannot be read or is larger than an image may be.
        """
        content = self.load()
        return content if isinstance(content, bytes) else read_file(content)


def list_files(path: Path, stack: ExitStack) -> list[SourceFile]:
    """Return the files of a folder, .zip or .tar archive, in alphabetical order of their paths.

    Args:
        path: a folder, or a .zip or .tar archive, the latter plain or compressed.
        stack: closes the archive.

    Raises:
        DataError: the folder or archive is missing or damaged, or holds too many files.
    """
    try:
        if path.is_dir():
            files = _list_folder(path)
        else:
            is_tar = tarfile.is_tarfile(path)
            files = _list_tar(path, stack) if is_tar else _list_zip(path, stack)
    except BROKEN as error:
        raise DataError(
            f"A source must be readable. Received: {shorten_path(path)} ({describe_error(error)})."
            " Remedy: check the path, or copy it again."
        ) from None
    if len(files) > MAX_FILES:
        raise DataError(f"A source must have at most {MAX_FILES} files. Received: {shorten_path(path)}.")
    return sorted(files, key=lambda file: file.parts)


def _list_folder(root: Path) -> list[SourceFile]:
    def fail(error: OSError) -> None:
        raise error

    files = []
    for folder, folders, names in os.walk(root, onerror=fail, followlinks=True):
        # A link to a folder around it would be followed without end.
        around = {os.path.realpath(folder), *map(str, Path(os.path.realpath(folder)).parents)}
        folders[:] = [name for name in folders if os.path.realpath(os.path.join(folder, name)) not in around]
        parts = Path(folder).relative_to(root).parts
        files += [SourceFile((*parts, name), partial(Path, folder, name)) for name in names]
    return files


def _list_zip(path: Path, stack: ExitStack) -> list[SourceFile]:
    archive = stack.enter_context(zipfile.ZipFile(path))
    return [
        SourceFile(parts, partial(_read_member, archive, info))
        for info in archive.infolist()
        if not info.filename.endswith(("/", "\\")) and (parts := split_member(info.filename))
    ]


def _list_tar(path: Path, stack: ExitStack) -> list[SourceFile]:
    archive = stack.enter_context(tarfile.open(path))  # noqa: SIM115
    members = [(split_member(info.name), info) for info in archive if info.isfile()]
    if isinstance(archive.fileobj, io.BufferedReader):
        return [SourceFile(parts, partial(_read_tar_member, archive, info)) for parts, info in members]
    # A compressed file is read from its start for each step back, so everything is read once, in its order.
    size = sum(info.size for _, info in members)
    if size > MAX_UNPACKED:
        raise DataError(
            f"A compressed .tar of images must unpack to {MAX_UNPACKED >> 30} GiB or less. Received:"
            f" {shorten_path(path)} with {size / 2**30:.1f} GiB. Remedy: unpack it."
        )
    contents = [(parts, _read_tar_member(archive, info)) for parts, info in members]
    return [SourceFile(parts, partial(bytes, content)) for parts, content in contents]


def _read_tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    try:
        stream = archive.extractfile(info)
        return b"" if stream is None else stream.read(MAX_BYTES + 1)
    except BROKEN as error:
        raise _damaged(info.name, error) from None


def _damaged(name: str, error: BaseException) -> ImageError:
    return ImageError(f"An image must be undamaged. Received: {shorten(name)} ({describe_error(error)}).")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as stream:
            # One byte more than allowed, so that decoding refuses what is larger than the archive says.
            return stream.read(MAX_BYTES + 1)
    except BROKEN as error:
        raise _damaged(info.filename, error) from None

"""Arrays of faces that stay in a file: mapped into memory, of which the system keeps what is in use."""

import struct
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from fer.files import convert_errors
from fer.labels import FACE_SIZE

#: Length of the fixed part of a local header of a zip file, and where the lengths of name and extra field are in it.
_LOCAL_HEADER, _LENGTHS = 30, 26


@contextmanager
def open_face_file(folder: str | Path | None = None) -> Iterator["FaceFile"]:
    """Open a temporary file without a name for the faces of a reader, so that its memory does not grow with them.

    Args:
        folder: where the file is: this folder, or the nearest above it that exists. None takes the system's temporary
            folder.

    Raises:
        OutputError: the file cannot be created.
    """
    path = Path(tempfile.gettempdir() if folder is None else folder).absolute()
    with convert_errors(path):
        existing = next(parent for parent in (path, *path.parents) if parent.is_dir())
        stream = tempfile.TemporaryFile(dir=existing)  # noqa: SIM115
    try:
        yield FaceFile(stream, path)
    finally:
        # Data that a full disk refused is lost; append or map has already raised for it.
        with suppress(OSError):
            stream.close()


class FaceFile:
    """Faces in an open temporary file.

    Args:
        stream: the file.
        folder: its folder, for messages.
    """

    def __init__(self, stream: IO[bytes], folder: Path) -> None:
        self._stream, self._folder = stream, folder

    def append(self, faces: np.ndarray) -> None:
        """Append faces, uint8, of 2,304 pixels each.

        Raises:
            OutputError: the disk is full.
        """
        with convert_errors(self._folder):
            self._stream.write(faces.tobytes())

    def map(self) -> np.ndarray:
        """Return all faces, uint8 (N, 48, 48), read-only. They stay when the file is closed.

        Raises:
            OutputError: the disk is full.
        """
        with convert_errors(self._folder):
            self._stream.flush()
        num_faces = self._stream.tell() // FACE_SIZE**2
        return _map(self._stream, (num_faces, FACE_SIZE, FACE_SIZE), np.dtype(np.uint8), 0)


def map_member(stream: IO[bytes], archive: Any, name: str) -> np.ndarray:
    """Return an array of an open ``.npz`` file, read-only and without reading it into memory.

    Args:
        stream: the file.
        archive: what :func:`numpy.load` returned for it.
        name: of the array.

    Returns:
        The array; in memory if its member of the file is compressed.

    Raises:
        KeyError, ValueError: there is no such array, or it is damaged; other errors of damaged files are those of
            :data:`fer.files.BROKEN_ARRAYS`.
    """
    member = archive.zip.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        return np.asarray(archive[name])
    stream.seek(member.header_offset)
    start = member.header_offset + _LOCAL_HEADER + sum(struct.unpack_from("<HH", stream.read(_LOCAL_HEADER), _LENGTHS))
    stream.seek(start)
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, is_fortran, dtype = read_header(stream)
    offset = stream.tell()
    if is_fortran or dtype.hasobject or offset + np.prod(shape) * dtype.itemsize > start + member.file_size:
        raise ValueError(f"{name} is not a whole array in C order")
    return _map(stream, shape, dtype, offset)


def _map(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any], offset: int) -> np.ndarray:
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.asarray(np.memmap(stream, dtype, "r", offset, shape))

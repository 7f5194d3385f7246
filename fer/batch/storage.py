"""Files in object storage and on other machines, by address, through fsspec."""

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fer.errors import ImageError, SettingsError, shorten
from fer.vision.decoding import read_stream

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://")
_BUFFER_SIZE = 2**20


def is_address(text: str) -> bool:
    """Return whether a text is an address such as ``s3://bucket/photo.jpg`` rather than a path.

    Example:
        >>> is_address("s3://bucket/photo.jpg"), is_address("photos/a.jpg")
        (True, False)
    """
    return _ADDRESS.match(text) is not None


def check_address(address: str) -> None:
    """Check that the package which reads an address is installed.

    Raises:
        SettingsError: it is not, or nothing reads such addresses.
    """
    scheme = address.partition("://")[0]
    try:
        import fsspec

        fsspec.get_filesystem_class(scheme)
    except (ImportError, ValueError) as error:
        raise SettingsError(
            f"An address needs the package that reads it. Received: {shorten(address)} ({shorten(error, 120)})."
            " Remedy: install that package."
        ) from None


def list_addresses(pattern: str) -> Iterator[str]:
    """Yield the addresses of the files that a folder (with a slash at its end) or a glob pattern matches, in order."""
    import fsspec

    filesystem, path = fsspec.core.url_to_fs(pattern)
    names = filesystem.find(path) if pattern.endswith("/") else filesystem.glob(path)
    yield from (filesystem.unstrip_protocol(name) for name in sorted(names))


def open_address(address: str) -> Any:
    """Return a context manager that opens an address for reading bytes."""
    import fsspec

    return fsspec.open(address, "rb")


def read_image_file(address: str) -> bytes:
    """Read an image file of the size that is allowed.

    Raises:
        ImageError: it cannot be read, or is too large.
    """
    try:
        with open_address(address) as stream:
            return read_stream(stream)
    except OSError as error:
        raise ImageError(
            f"An image must be readable. Received: {address} ({shorten(error, 120)}). Remedy: check the address."
        ) from None


@contextlib.contextmanager
def fetch_file(address: str, on_progress: Callable[[], object] = lambda: None) -> Iterator[Path]:
    """Yield the path of a temporary local copy, as a video needs one.

    Args:
        address: the file.
        on_progress: called after each piece of the file.

    Raises:
        OSError: the file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="fer-") as folder:
        copy = Path(folder, "video").with_suffix(Path(address).suffix)
        with open_address(address) as stream, copy.open("wb") as target:
            while content := stream.read(_BUFFER_SIZE):
                target.write(content)
                on_progress()
        yield copy

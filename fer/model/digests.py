"""The sha256 beside a saved network, ``<file>.sha256``."""

from pathlib import Path

from fer.errors import ModelError
from fer.files import compute_digest


def find_digest(path: Path) -> Path:
    """Return the path of the digest of a saved network."""
    return path.with_name(f"{path.name}.sha256")


def check_digest(path: Path) -> None:
    """Check a saved network against the digest beside it, if there is one.

    Raises:
        ModelError: they differ.
    """
    digest_file = find_digest(path)
    if not digest_file.is_file():
        return
    expected = digest_file.read_text(encoding="ascii", errors="replace").split()[:1]
    if expected != [compute_digest(path)]:
        raise ModelError(
            f"A saved network must match the digest beside it. Received: {path}, which differs from"
            f" {digest_file.name}. Remedy: restore both files."
        )

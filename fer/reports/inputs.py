"""Image files from what a user names: files, folders and glob patterns."""

import glob
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer.errors import ImageError
from fer.files import show_path
from fer.vision.decoding import IMAGE_SUFFIXES, has_image_signature
from fer.vision.drawings import is_drawing
from fer.wording import format_count

#: Suffixes of images that cannot be decoded; each has a row with the error, rather than being left aside.
_OTHER_SUFFIXES = frozenset(
    {".jxl", ".jp2", ".j2k", ".jpf", ".heics", ".avifs", ".svg", ".psd", ".xcf", ".ico", ".tga", ".pcx"}
    | {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".exr", ".hdr"}
)


@dataclass(frozen=True)
class FoundImages:
    """The image files that inputs name.

    Args:
        paths: the files, in order and without repeats.
        left_aside: number of files in the folders that are no photos, by kind.
    """

    paths: list[Path]
    left_aside: Counter[str]

    def describe_left_aside(self) -> str:
        """Return a sentence about the files that are no photos, or nothing."""
        return describe_left_aside(self.left_aside)


def describe_left_aside(left_aside: Counter[str]) -> str:
    """Return a sentence about files that are no photos, counted by kind, or nothing."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left_aside.items()))
    return f"Skipped: {format_count(left_aside.total(), 'file')} ({kinds})." if kinds else ""


def find_images(inputs: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the image files that the inputs name, in order and without repeats, as :func:`scan_inputs` does."""
    return scan_inputs(inputs).paths


def scan_inputs(inputs: str | Path | Sequence[str | Path], *, other_suffixes: Collection[str] = ()) -> FoundImages:
    """Return the image files that the inputs name, and count the other files of the folders.

    Args:
        inputs: a file, a folder (searched with its subfolders), a glob pattern, or several of these; ``~`` is the home
            folder. A file that is named itself may have any suffix. In a pattern, folders that exist are taken
            literally, so ``"[2024] trip/*.jpg"`` is found. In a folder, annotated copies are left aside.
        other_suffixes: suffixes of files in folders that are wanted too.

    Raises:
        ImageError: one of the inputs matches no file.
    """
    names = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    left_aside: Counter[str] = Counter()
    paths = [path for name in names for path in _expand(os.path.expanduser(name), left_aside, other_suffixes)]
    if not paths:
        raise ImageError("At least one image must be named. Received: none. Remedy: give a file, folder or pattern.")
    return FoundImages(list(dict.fromkeys(paths)), left_aside)


def _expand(name: str, left_aside: Counter[str], other_suffixes: Collection[str]) -> list[Path]:
    try:
        if os.path.isdir(name):
            files = sorted(_walk(name, left_aside, other_suffixes))
        elif os.path.lexists(name):
            files = [Path(name)]
        else:
            files = sorted(filter(Path.is_file, map(Path, glob.glob(_escape_existing(name), recursive=True))))
    except (OSError, ValueError) as error:  # A name that is too long, or holds a NUL.
        raise ImageError(f"An input must be a path. Received: {show_path(name)} ({error}).") from None
    if not files:
        aside = describe_left_aside(left_aside)
        raise ImageError(
            "An input must be an image, a folder with images, or a pattern that matches images. Received:"
            f" {show_path(name)}. {aside}{' ' if aside else ''}Remedy: check the path."
        )
    return files


def _walk(folder: str, left_aside: Counter[str], other_suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the images of a folder and its subfolders, and count everything else."""

    def count_folder(error: OSError) -> None:
        left_aside["folder that cannot be opened"] += 1

    for parent, _, names in os.walk(folder, onerror=count_folder):
        for name in names:
            path = Path(parent, name)
            kind = _name_other_kind(path, other_suffixes)
            if kind is None:
                yield path
            else:
                left_aside[kind] += 1


def _name_other_kind(path: Path, other_suffixes: Collection[str]) -> str | None:
    """Return what a file in a folder is if it is no photo, or None."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden"
    if not path.is_file():
        return None if path.is_symlink() and suffix in IMAGE_SUFFIXES else "no file"
    if is_drawing(path):
        return "annotated copy"
    if suffix in (*IMAGE_SUFFIXES, *_OTHER_SUFFIXES, *other_suffixes) or has_image_signature(path):
        return None
    return show_path(suffix) if suffix else "without a suffix"


def _escape_existing(pattern: str) -> str:
    """Return a glob pattern in which leading folders that exist are literal."""
    parts = Path(pattern).parts
    for length in range(len(parts), 0, -1):
        folder = os.path.join(*parts[:length])
        if os.path.lexists(folder):
            return os.path.join(glob.escape(folder), *parts[length:])
    return pattern

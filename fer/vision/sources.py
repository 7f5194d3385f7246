"""What a video may be: a file, a camera, a network address, or images; and the videos that a task's inputs name."""

import glob
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fer.errors import VideoError
from fer.files import show_path
from fer.vision.containers import VIDEO_SUFFIXES, is_camera, is_network
from fer.vision.image_sequences import ImageSequence, find_frames
from fer.vision.video import VideoReader
from fer.vision.video_properties import DEFAULT_RATE

Source = str | Path | int


@dataclass
class Sources:
    """The videos that the inputs of a task name.

    Args:
        videos: files, cameras, addresses, and folders or patterns of images.
        is_batch: whether the inputs may name several videos: a folder of videos, a pattern, or several inputs.
        left_aside: files of the folders that are not videos by their suffix.
    """

    videos: list[Source] = field(default_factory=list)
    is_batch: bool = False
    left_aside: list[Path] = field(default_factory=list)

    def describe_left_aside(self) -> str:
        """Return a sentence that counts the files that are left aside, and names the first ones."""
        names = ", ".join(show_path(path.name) for path in self.left_aside[:3])
        more = ", …" if len(self.left_aside) > 3 else ""
        return f"Skipped, not videos by their suffix: {len(self.left_aside)} ({names}{more})."


def open_source(
    source: Source,
    *,
    rate: float | None = None,
    allow_network: bool = False,
    on_message: Callable[[str], object] | None = None,
    stop: threading.Event | None = None,
) -> VideoReader | ImageSequence:
    """Open a video file, a camera, a network address, or a folder or pattern of images.

    Args:
        source: what to open.
        rate: frames per second of images; None means 25.
        allow_network: whether an address is opened.
        on_message: called with a sentence when a network stream drops or is opened again.
        stop: ends the attempts to open a dropped network stream once it is set.

    Raises:
        VideoError: the source cannot be opened, or it is no sequence of images and has a rate of its own.
    """
    frames = [] if is_camera(source) or is_network(source) else find_frames(source)
    if frames:
        return ImageSequence(frames, DEFAULT_RATE if rate is None else rate, name=show_path(str(source)))
    if rate is not None:
        raise VideoError(
            "Frames per second can be given for a folder or pattern of images only."
            f" Received: {show_path(str(source))}. Remedy: leave --fps out."
        )
    return VideoReader(source, allow_network=allow_network, on_message=on_message, stop=stop)


def find_sources(inputs: Source | Sequence[Source]) -> Sources:
    """Return the videos that inputs name.

    Args:
        inputs: one or several files, cameras, addresses, glob patterns, folders of videos (searched with their
            subfolders), and folders or numbered patterns of images. An input that exists is no pattern.

    Raises:
        VideoError: an input names nothing.
    """
    names = [inputs] if isinstance(inputs, str | Path | int) else list(inputs)
    found = Sources(is_batch=len(names) > 1)
    for name in names:
        _add_input(found, name)
    if not found.videos:
        raise VideoError("At least one video must be named. Received: none. Remedy: --input talk.mp4")
    found.videos = list(dict.fromkeys(found.videos))
    return found


def name_table(sources: Sources) -> Path:
    """Return the path of the table of videos if none is given: beside the first one, or in the working folder.

    Args:
        sources: the videos.
    """
    first = sources.videos[0]
    stem = "videos" if sources.is_batch else name_stem(first)
    folder = Path() if is_camera(first) or is_network(first) else Path(str(first)).parent
    return folder / f"{stem}_faces.csv"


def name_stem(source: Source) -> str:
    """Return a name for the files of a source: its own without suffix, or "camera0" or "stream"."""
    if is_camera(source):
        return f"camera{re.sub(r'[^0-9]', '', str(source))}"
    if is_network(source):
        return "stream"
    path = Path(str(source))
    stem = path.name if path.is_dir() else path.stem
    return re.sub(r"%0?[0-9]*d", "", stem).strip("_-. ") or "video"


def _add_input(found: Sources, name: Source) -> None:
    if is_camera(name) or is_network(name):
        found.videos.append(name)
        return
    path = Path(str(name)).expanduser()
    if path.is_dir():
        _add_folder(found, path)
        return
    matches = [] if path.exists() else sorted(map(Path, glob.glob(str(path), recursive=True)))
    files = [match for match in matches if match.is_file()]
    found.is_batch |= bool(files)
    found.videos += files or [path]


def _add_folder(found: Sources, folder: Path) -> None:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
    if videos:
        found.is_batch = True
        found.videos += videos
        found.left_aside += [file for file in files if file.suffix.lower() not in VIDEO_SUFFIXES]
    elif find_frames(folder):
        found.videos.append(folder)
    else:
        raise VideoError(f"A folder must hold videos or images. Received: {show_path(folder)}. Remedy: check the path.")

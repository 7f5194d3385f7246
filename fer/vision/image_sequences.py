"""The images of a folder, or of a numbered pattern, as the frames of a video."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from fer.errors import ImageError, VideoError
from fer.files import encode_path
from fer.vision.decoding import IMAGE_SUFFIXES
from fer.vision.frame_conversion import check_size
from fer.vision.frames import VideoFrame
from fer.vision.images import decode_image
from fer.vision.video_properties import DEFAULT_RATE

_NUMBER = re.compile(r"%0?(\d*)d")


class ImageSequence:
    """Images that are read one after the other, as the frames of a video of constant rate.

    Args:
        paths: the images, in order.
        rate: frames per second.
        name: name of the sequence, for messages.

    Attributes:
        num_promised: number of images.
        num_read: number of images read so far.
        num_faults: number of images that could not be read; the others keep their times.

    Raises:
        VideoError: there is no image, or the rate is not positive.

    Example:
        >>> sequence = ImageSequence(find_frames("frames"), rate=10.0, name="frames")  # doctest: +SKIP
    """

    def __init__(self, paths: Sequence[Path], rate: float = DEFAULT_RATE, *, name: str = "images") -> None:
        if not paths:
            raise VideoError(f"A sequence must hold at least one image. Received: {name}. Remedy: check the path.")
        if not 0 < rate <= 1000:
            raise VideoError(f"Frames per second must be above 0 and at most 1000. Received: {rate}.")
        self.name = name
        self.paths = list(paths)
        self.rate = rate
        self.num_promised = len(self.paths)
        self.num_read = self.num_faults = 0

    @property
    def ended_early(self) -> bool:
        """Whether images are missing: each unreadable one is a fault instead."""
        return False

    def read(self, every: int = 1, max_pixels: int | None = None) -> Iterator[VideoFrame]:
        """Yield the images whose index is a multiple of ``every``.

        Args:
            every: step between the images.
            max_pixels: largest number of pixels of an image; None sets no limit but that of all images.

        Raises:
            VideoError: no image can be read, or one is too large.
        """
        reason = ""
        for index, path in enumerate(self.paths):
            self.num_read = index + 1
            if index % every:
                continue
            try:
                image = decode_image(path)
            except ImageError as error:
                self.num_faults, reason = self.num_faults + 1, str(error)
                continue
            check_size(image.shape[1], image.shape[0], max_pixels)
            yield VideoFrame(index, index / self.rate, image)
        if reason and self.num_faults == len(self.paths[::every]):
            raise VideoError(f"A sequence must hold at least one readable image. Received: {self.name}. {reason}")

    def close(self) -> None:
        """Do nothing: no file is open between two images."""

    def __enter__(self) -> "ImageSequence":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def find_frames(source: str | Path | int) -> list[Path]:
    """Return the images of a folder or of a pattern such as "frame_%04d.jpg", in order of their numbers.

    Args:
        source: a folder or a pattern. The name of an existing file is no pattern, whatever it holds.

    Returns:
        The images; none if the source is neither a folder nor a pattern, or nothing matches it.
    """
    path = Path(str(source))
    if path.is_dir():
        images = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()]
        return sorted(images, key=_split_numbers)
    if path.is_file() or not _NUMBER.search(path.name) or not path.parent.is_dir():
        return []
    before, width, after = _NUMBER.split(path.name, maxsplit=1)
    pattern = re.compile(rf"{re.escape(before)}(\d{{{int(width or 1)},}}){re.escape(after)}")
    return sorted((file for file in path.parent.iterdir() if pattern.fullmatch(file.name)), key=_split_numbers)


def _split_numbers(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts frame_2 before frame_10."""
    parts = re.split(r"(\d+)", encode_path(path.name))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

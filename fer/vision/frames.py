"""Frames, and what gives them: a video, a camera or images."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame of a stream.

    Args:
        index: index of the frame among all frames of the stream, from 0.
        seconds: time from the first frame.
        image: uint8 (H, W, 3), RGB.
    """

    index: int
    seconds: float
    image: np.ndarray


class FrameSource(Protocol):
    """What gives frames: a :class:`fer.vision.video.VideoReader`, or the images of a folder.

    Attributes:
        name: name of the source, for messages.
        rate: frames per second.
        num_promised: number of frames according to the source; 0 if unknown.
        num_read: number of frames read so far.
        num_faults: number of errors so far.
    """

    name: str
    rate: float
    num_promised: int
    num_read: int
    num_faults: int

    @property
    def ended_early(self) -> bool:
        """Whether the source gave less than it states."""

    def read(self, every: int = 1, max_pixels: int | None = None) -> Iterator[VideoFrame]:
        """Yield the frames whose index is a multiple of ``every``."""

    def close(self) -> None:
        """Release the source."""

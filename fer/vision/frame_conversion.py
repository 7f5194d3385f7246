"""Conversion of decoded frames to upright RGB images with square pixels, without the comb of interlaced video."""

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fer.errors import VideoError

if TYPE_CHECKING:
    import av
    from av.sidedata.sidedata import SideData
    from av.video.stream import VideoStream

#: Pixel aspects outside this range are taken for damage: no camera or disc has them.
_WIDEST_ASPECT = 4


def read_pixel_aspect(stream: "VideoStream") -> Fraction:
    """Return the width of a stream's pixels divided by their height; 1 if it states none or an impossible one."""
    aspect = stream.sample_aspect_ratio
    if not aspect or not Fraction(1, _WIDEST_ASPECT) <= aspect <= _WIDEST_ASPECT:
        return Fraction(1)
    return Fraction(aspect)


def check_size(width: int, height: int, max_pixels: int | None) -> None:
    """Check the size of a frame.

    Raises:
        VideoError: the frame has more than ``max_pixels`` pixels.
    """
    if max_pixels is not None and height * width > max_pixels:
        raise VideoError(
            f"A video's frames must have at most {max_pixels / 1e6:.1f} megapixels."
            f" Received: {width}x{height}. Remedy: save the video smaller."
        )


class FrameConverter:
    """Converts the decoded frames of a stream to upright RGB images with square pixels.

    Args:
        pixel_aspect: width of a pixel divided by its height. The width changes, the height stays.
    """

    def __init__(self, pixel_aspect: Fraction) -> None:
        from av.video.reformatter import VideoReformatter

        self.pixel_aspect = pixel_aspect
        # It keeps its tables from frame to frame; those of frame.reformat are built anew each time.
        self._reformatter = VideoReformatter()

    def convert(self, frame: "av.VideoFrame") -> np.ndarray:
        """Return a frame, which may carry a display matrix, as uint8 (H, W, 3), RGB."""
        width = max(1, round(frame.width * self.pixel_aspect))
        image = self._reformatter.reformat(frame, width=width, format="rgb24", threads=1).to_ndarray()
        return np.ascontiguousarray(_turn(image, _read_display_matrix(frame)))


def _read_display_matrix(frame: "av.VideoFrame") -> np.ndarray | None:
    # Iteration gives side data in PyAV; the mapping's own search by type raises for types that a frame lacks.
    for data in cast("Iterator[SideData]", iter(frame.side_data)):
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(data), np.int32).reshape(3, 3)
    return None


def _turn(image: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Turn and mirror an image by the quarter turns of a display matrix.

    The matrix maps a pixel at column p and row q to column a·p + c·q and row b·p + d·q, up to a shift, and holds
    (a, b) and (c, d) in its first two rows.

    Reference:
        FFmpeg, libavutil/display.h.
    """
    if matrix is None:
        return image
    (a, b), (c, d) = matrix[0, :2], matrix[1, :2]
    if abs(int(b)) > abs(int(a)):
        image, horizontal, vertical = image.swapaxes(0, 1), c, b
    else:
        horizontal, vertical = a, d
    return image[:: -1 if vertical < 0 else 1, :: -1 if horizontal < 0 else 1]


class Deinterlacer:
    """Makes whole frames from the two fields of interlaced ones; frames before the first interlaced one pass unchanged.

    One frame is held back from the first interlaced frame on, so :meth:`flush` gives the last one.

    Reference:
        FFmpeg's filter bwdif: Weston 3 Field Deinterlacing with motion detection.
    """

    def __init__(self) -> None:
        self._graph: Any = None
        self._shape: tuple[int, int, str] | None = None

    def add(self, frame: "av.VideoFrame") -> "Iterator[av.VideoFrame]":
        """Take a decoded frame, and yield the frames that are complete, with their times."""
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        if self._shape != (frame.width, frame.height, frame.format.name):
            yield from self.flush()
            self._build_graph(frame)
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> "Iterator[av.VideoFrame]":
        """Yield the frames that were held back; the next interlaced frame starts anew."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = self._shape = None

    def _build_graph(self, frame: "av.VideoFrame") -> None:
        import av

        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
        )
        bwdif = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        sink = graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        graph.configure()
        self._graph, self._shape = graph, (frame.width, frame.height, frame.format.name)

    def _pull(self) -> "Iterator[av.VideoFrame]":
        import av

        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame

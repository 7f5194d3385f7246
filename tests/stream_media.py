"""A video of variable frame rate, for the tests of what reads streams."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vision_media import draw_frames, write_video

from fer.vision.video import VideoFrame, VideoReader

#: Times of six frames with a pause, in seconds. At the usual 10 frames/s for the last one they last 1.5 s.
IRREGULAR_TIMES = (0.0, 0.1, 0.2, 1.2, 1.3, 1.4)


def write_irregular_video(path: Path, monkeypatch) -> Path:
    """Write six frames that are read at :data:`IRREGULAR_TIMES`."""
    read = VideoReader.read

    def read_at_irregular_times(self: VideoReader, every: int = 1) -> Iterator[VideoFrame]:
        for frame in read(self, every):
            yield replace(frame, seconds=IRREGULAR_TIMES[frame.index])

    monkeypatch.setattr(VideoReader, "read", read_at_irregular_times)
    return write_video(path, draw_frames(len(IRREGULAR_TIMES)), rate=10.0)

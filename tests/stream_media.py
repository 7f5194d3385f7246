"""A video of variable frame rate, for the tests of what reads streams."""

from pathlib import Path

from vision_media import draw_frames, write_video

#: Times of six frames with a pause, in seconds. With the usual 0.1 s for the last one they last 1.5 s.
IRREGULAR_TIMES = (0.0, 0.1, 0.2, 1.2, 1.3, 1.4)


def write_irregular_video(path: Path) -> Path:
    """Write six frames at :data:`IRREGULAR_TIMES`."""
    return write_video(path, draw_frames(len(IRREGULAR_TIMES)), rate=10.0, times=IRREGULAR_TIMES)

"""Times of the frames of a stream, which start at 0 and increase, whatever timestamps a file holds."""

import math

#: Seconds by which a timestamp must fall for the frames to count as those of a new recording.
_NEW_RECORDING = 1.0
#: Seconds by which a timestamp may be ahead: a day. What is further ahead is no gap but a damaged timestamp.
_LONGEST_GAP = 86_400.0


class FrameClock:
    """Times of the frames of a stream from its timestamps: they start at 0 and increase, whatever a file holds.

    Args:
        rate: frames per second, for frames without a timestamp.
    """

    def __init__(self, rate: float) -> None:
        self.step = 1.0 / rate
        self.last = -math.inf
        self.origin: float | None = None

    def read(self, timestamp: float | None) -> float:
        """Return the time of the next frame, given its timestamp in seconds."""
        usual = max(0.0, self.last + self.step)
        if timestamp is None or not math.isfinite(timestamp):
            self.last = usual
            return usual
        if self.origin is None:
            self.origin = timestamp - usual
        seconds = timestamp - self.origin
        if not self.last < seconds <= usual + _LONGEST_GAP:
            if not self.last - _NEW_RECORDING <= seconds <= usual + _LONGEST_GAP:
                self.origin = timestamp - usual
            seconds = usual
        self.last = seconds
        return seconds

    def restart(self, seconds: float) -> None:
        """Start again with the next timestamp, which is given at least this time: the stream was interrupted."""
        self.last, self.origin = max(self.last, seconds - self.step), None

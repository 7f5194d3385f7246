"""Times of the frames of a stream, which start at 0 and increase, whatever timestamps a file holds."""

import math

#: Seconds by which a timestamp must fall for the frames to count as those of a new recording.
_NEW_RECORDING = 1.0


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
        # Of a number of seconds that is larger than any recording's, the step may be lost in the rounding.
        usual = max(0.0, self.last + self.step, math.nextafter(self.last, math.inf))
        if timestamp is None or not math.isfinite(timestamp):
            self.last = usual
            return usual
        if self.origin is None:
            self.origin = timestamp - usual
        seconds = timestamp - self.origin
        if seconds <= self.last:
            if seconds < self.last - _NEW_RECORDING:
                self.origin = timestamp - usual
            seconds = usual
        self.last = seconds
        return seconds

    def restart(self, seconds: float) -> None:
        """Start again with the next timestamp, which is given at least this time: the stream was interrupted."""
        self.last, self.origin = max(self.last, seconds - self.step), None

"""Copying of a video's sound into its annotated copy."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fer.vision.containers import close_container, open_file, to_seconds

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

#: Codecs of sound that mp4 files may hold and browsers play: their packets are copied, others are encoded as AAC.
COPIED_CODECS = ("aac", "mp3", "opus", "flac")
_SAMPLE_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


class SoundCopier:
    """Copies the sound of a video file, in step with the frames that are written.

    Args:
        source: the video file whose sound is copied.
        find_start: returns the timestamp of its first frame, in seconds, which becomes time 0; called at the first
            frame.

    Attributes:
        codec: name of the sound's codec; None if the file has no sound that can be decoded.
        num_faults: number of errors in the sound.
    """

    def __init__(self, source: str | Path, find_start: Callable[[], float | None] = lambda: None) -> None:
        self.start = 0.0
        self._find_start = find_start
        self.num_faults = 0
        self._container = open_file(source)
        streams = [stream for stream in self._container.streams.audio if stream.codec_context is not None]
        self._input = streams[0] if streams else None
        self.codec = self._input.codec_context.name if self._input is not None else None
        self.is_copied = self.codec in COPIED_CODECS
        self._output: Any = None
        self._resampler: Any = None
        self._packets: Any = iter(())
        self._next: Packet[Any] | None = None

    def attach(self, container: "OutputContainer") -> None:
        """Add a stream for the sound to the container that the frames are written to."""
        if self._input is None:
            return
        self._target, self.start = container, self._find_start() or 0.0
        if self.is_copied:
            self._output = container.add_stream_from_template(self._input)
        else:
            self._add_encoder(container)
        self._packets = self._container.demux(self._input)
        self._next = next(self._packets, None)

    def copy_until(self, seconds: float | None) -> None:
        """Copy the sound up to a time; None copies all that is left.

        Args:
            seconds: time from the first frame.
        """
        import av

        while self._next is not None:
            time = to_seconds(self._next.dts if self._next.pts is None else self._next.pts, self._next.time_base)
            if seconds is not None and time is not None and time - self.start > seconds:
                return
            try:
                if self._next.size:
                    self._copy(self._next, time)
            except av.error.InvalidDataError:
                self.num_faults += 1
            self._next = self._read()

    def flush(self) -> None:
        """Write what the encoder still holds."""
        if self._output is not None and not self.is_copied:
            for frame in self._resampler.resample(None):
                self._target.mux(self._output.encode(frame))
            self._target.mux(self._output.encode(None))

    def close(self) -> None:
        """Release the file."""
        close_container(self._container)

    def __enter__(self) -> "SoundCopier":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add_encoder(self, container: "OutputContainer") -> None:
        import av

        assert self._input is not None
        codec = self._input.codec_context
        rate = min(_SAMPLE_RATES, key=lambda known: abs(known - codec.sample_rate))
        layout = "mono" if codec.channels == 1 else "stereo"
        self._output = container.add_stream("aac", rate=rate, layout=layout)
        self._output.codec_context.format = "fltp"
        self._output.codec_context.time_base = Fraction(1, rate)
        self._resampler = av.AudioResampler("fltp", layout, rate, frame_size=1024)

    def _read(self) -> "Packet[Any] | None":
        import av

        try:
            packet: Packet[Any] | None = next(self._packets, None)
        except (av.error.FFmpegError, OSError):
            self.num_faults += 1
            return None
        return packet

    def _copy(self, packet: "Packet[Any]", time: float | None) -> None:
        if self.is_copied:
            # A player would show the frames late if the sound began before them.
            if time is not None and time >= self.start and packet.time_base is not None:
                shift = round(self.start / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - shift
                packet.dts = None if packet.dts is None else packet.dts - shift
                packet.stream = self._output
                self._target.mux(packet)
            return
        assert self._input is not None
        for frame in self._input.decode(packet):
            if frame.pts is not None and frame.time_base is not None:
                if frame.pts * frame.time_base < self.start:
                    continue
                frame.pts -= round(self.start / frame.time_base)
            for resampled in self._resampler.resample(frame):
                self._target.mux(self._output.encode(resampled))

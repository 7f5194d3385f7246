"""Opening of video files, cameras and network streams with PyAV, so that a file never makes it read anything else.

A file is recognised by its content, against a list of container formats. Playlists, lists of files and descriptions of
sessions are not in that list, the name of a file is never interpreted, and no container may open a second file or an
address. Network addresses are opened only where the caller allows it.
"""

import errno
import os
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from fer.errors import VideoError
from fer.files import show_path

if TYPE_CHECKING:
    from av.container import InputContainer

#: FFmpeg's names of the container formats that are read, with the suffixes that they usually have.
FORMATS: dict[str, tuple[str, ...]] = {
    "mov": (".mp4", ".mov", ".m4v", ".3gp", ".3g2"),
    "matroska": (".mkv", ".webm"),
    "avi": (".avi",),
    "mpegts": (".ts", ".mts", ".m2ts"),
    "mpeg": (".mpg", ".mpeg", ".vob"),
    "mpegvideo": (".m2v",),
    "flv": (".flv",),
    "asf": (".wmv", ".asf"),
    "ogg": (".ogv",),
    "mxf": (".mxf",),
    "dv": (".dv",),
    "gif": (".gif",),
    "ivf": (".ivf",),
    "mjpeg": (".mjpeg", ".mjpg"),
    "yuv4mpegpipe": (".y4m",),
    "h264": (".h264", ".264"),
    "hevc": (".hevc", ".h265"),
    "m4v": (),
}
#: Suffixes by which the videos of a folder are found; a GIF counts as an image there.
VIDEO_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes) - {".gif"}
#: Schemes of network addresses, and the protocols that their streams may use. None of these reads a file.
NETWORK_SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "tcp", "srt")
_NETWORK_PROTOCOLS = "rtsp,rtsps,rtmp,rtmps,rtmpt,http,https,httpproxy,tls,tcp,udp,rtp,srtp,srt,crypto"
#: Formats that only a network stream may have besides those of files.
_NETWORK_FORMATS = ("rtsp", "rtp", "hls", "live_flv", "mpjpeg", "aac", "mp3")
#: Seconds until a network stream or a camera that sends nothing counts as dropped.
NETWORK_TIMEOUT = 10.0
_CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
#: Bytes that are read from a file at once.
_BUFFER_SIZE = 2**18


class _FileContent:
    """The bytes of a file without its name, so that the name cannot select a format or name further files."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb")
        self.read, self.seek, self.tell = self._stream.read, self._stream.seek, self._stream.tell
        self.close = self._stream.close


def is_camera(source: object) -> bool:
    """Return whether a source is the number or the device of a camera, rather than a file."""
    if isinstance(source, int):
        return True
    return isinstance(source, str) and (source.isdecimal() or re.fullmatch(r"/dev/video\d+", source) is not None)


def is_network(source: object) -> bool:
    """Return whether a source is a network address."""
    return isinstance(source, str) and source.lower().partition("://")[0] in NETWORK_SCHEMES and "://" in source


def open_container(source: str | Path | int, *, allow_network: bool = False) -> "InputContainer":
    """Open a video file, a camera or, if allowed, a network address.

    Args:
        source: a path, the number or device of a camera, or an address such as "rtsp://camera/stream".
        allow_network: whether an address is opened.

    Raises:
        VideoError: the source is missing, of another format, or not allowed.
    """
    if is_camera(source):
        return _open_camera(source)
    if is_network(source):
        if not allow_network:
            raise VideoError(
                f"A network address is read only by the tasks. Received: {source}."
                " Remedy: invoke video --input, or allow_network=True."
            )
        return _open_network(str(source))
    return open_file(source)


def open_file(path: str | Path | int) -> "InputContainer":
    """Open a video file by its content; its name is taken literally, and it can refer to no other file.

    Raises:
        VideoError: the file is missing, or in none of :data:`FORMATS`.
    """
    name = str(path)
    path = Path(name)
    if not name or not os.path.isfile(path):  # Unlike Path.is_file, it raises nothing for a name that is too long.
        raise VideoError(
            f"A video must be an existing file or the number of a camera. Received: {show_path(name)}."
            " Remedy: check the path."
        )
    options = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none", "enable_drefs": "0"}
    try:
        content = _FileContent(path)
    except OSError as error:
        raise VideoError(
            f"A video must be readable. Received: {show_path(path)} ({error.strerror}). Remedy: check its permissions."
        ) from None
    try:
        return _open(content, options=options, io_open=_refuse_io, buffer_size=_BUFFER_SIZE)
    except (OSError, ValueError) as error:
        content.close()
        raise _refuse(
            "A video must be in a container format that is read (mp4, mov, mkv, webm, avi, ts, mpg, wmv, flv, …).",
            path,
            error,
            "convert it to mp4 (H.264)",
        ) from None


def close_container(container: "InputContainer") -> None:
    """Close a container and the file that :func:`open_file` opened for it."""
    container.close()
    content = getattr(container.file, "file", None)
    if content is not None:
        content.close()


def _open_network(address: str) -> "InputContainer":
    scheme = address.partition("://")[0].lower()
    options = {
        "format_whitelist": ",".join((*FORMATS, *_NETWORK_FORMATS)),
        "protocol_whitelist": _NETWORK_PROTOCOLS,
    }
    if scheme in ("rtsp", "rtsps"):
        options["rtsp_transport"] = "tcp"
    if scheme in ("http", "https"):
        options |= {"reconnect": "1", "reconnect_on_network_error": "1", "reconnect_delay_max": "4"}
    try:
        return _open(address, options=options, timeout=NETWORK_TIMEOUT)
    except (OSError, ValueError) as error:
        rule = "A network address must send a video."
        raise _refuse(rule, address, error, "check the address and that the camera is on") from None


def _open_camera(source: str | Path | int) -> "InputContainer":
    format_name = _CAMERA_FORMATS.get(sys.platform)
    try:
        if format_name is None:
            raise OSError(errno.ENOSYS, f"no cameras on {sys.platform}")
        return _open(_name_camera(source, format_name), format=format_name, timeout=NETWORK_TIMEOUT)
    except (OSError, ValueError, IndexError) as error:
        rule = "A camera must send a video."
        raise _refuse(rule, source, error, "check that the camera is connected and not in use") from None


def _name_camera(source: str | Path | int, format_name: str) -> str:
    name = str(source)
    if not name.isdecimal():
        return name
    if format_name == "dshow":
        from av.device import enumerate_input_devices

        cameras = [device for device in enumerate_input_devices("dshow") if "video" in device.media_types]
        return f"video={cameras[int(name)].name}"
    return f"/dev/video{int(name)}" if format_name == "v4l2" else name


def _open(file: object, **options: Any) -> "InputContainer":
    # PyAV takes a tenth of a second to import.
    import av

    try:
        container: InputContainer = av.open(file, "r", metadata_errors="replace", **options)
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from None
    return container


def _refuse_io(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError(errno.EPERM, f"a video must not open {url}")


def _refuse(rule: str, source: object, error: Exception, remedy: str) -> VideoError:
    reason = getattr(error, "strerror", None) or str(error).partition(":")[0]
    return VideoError(f"{rule} Received: {show_path(str(source))} ({reason}). Remedy: {remedy}.")


def to_seconds(value: int | None, time_base: Fraction | None) -> float | None:
    """Return a time of a container in seconds, or None where it has none."""
    return None if value is None or time_base is None else value * time_base.numerator / time_base.denominator

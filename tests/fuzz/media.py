"""Hostile images and videos, and thin images for the detector of faces."""

import functools
import io
import random
import struct
import tempfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from vision_media import write_video

from fer.vision.decoding import MAX_PIXELS
from fer.vision.images import decode_image
from fer.vision.video import VideoReader
from fer.vision.yunet import YuNetDetector, build_detector
from fuzz.harness import MOST_SECONDS, Input, WrongAnswer
from fuzz.mutators import mutate_bytes

_FORMATS = {
    "jpg": ("JPEG", {}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "webp": ("WEBP", {}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tif": ("TIFF", {"compression": "tiff_lzw"}),
    "avif": ("AVIF", {}),
    "heic": ("HEIF", {}),
}
_CONTAINERS = {
    "mp4": "mpeg4",
    "mov": "mjpeg",
    "mkv": "mpeg4",
    "webm": "libvpx",
    "avi": "mjpeg",
    "ts": "mpeg2video",
    "mpg": "mpeg2video",
    "flv": "flv1",
    "h264": "libx264",
}


class Images:
    """Images of each format, with damage, and files that ask for much more memory than they have bytes."""

    name = "images"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw an image."""
        if random.random() < 0.05:
            return random.choice((_draw_png_bomb, _draw_scans, _draw_half_png))(random)
        suffix = random.choice(list(_FORMATS))
        return Input(mutate_bytes(random, _encode_image(suffix, random.randrange(3))), f"fuzzed.{suffix}")

    def read(self, path: Path) -> None:
        """Decode the image."""
        image = decode_image(path)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not 0 < image.size <= 3 * MAX_PIXELS:
            raise WrongAnswer(f"an image of {image.dtype} {image.shape}")
        if path.name.startswith("half"):
            raise WrongAnswer("an image of which rows are missing")


@functools.cache
def _encode_image(suffix: str, mode: int) -> bytes:
    name, options = _FORMATS[suffix]
    if name == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    pixels = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    pixels[:, 20:] //= 64
    image = Image.fromarray(pixels).convert(("RGB", "L", "RGBA")[0 if name in ("JPEG", "BMP") and mode == 2 else mode])
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _pack_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _pack_png(width: int, height: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_pack_chunk(*chunk) for chunk in chunks)


def _draw_png_bomb(random: random.Random) -> Input:
    side = random.choice((7_999, 20_000, 60_000))
    return Input(_pack_png(side, side, zlib.compress(bytes(random.choice((0, 100, 10**6))))), "bomb.png")


def _draw_half_png(random: random.Random) -> Input:
    rows = random.randrange(100)
    return Input(_pack_png(64, 100, zlib.compress((b"\0" + bytes(3 * 64)) * rows)), "half.png")


def _draw_scans(random: random.Random) -> Input:
    content = _encode_image("progressive.jpg", 0)
    start = content.rindex(b"\xff\xda")
    return Input(content[:-2] + content[start:-2] * random.choice((20, 2000)) + content[-2:], "scans.jpg")


class Videos:
    """Videos in each kind of container, with damage; playlists and lists of files under the suffix of a video."""

    name = "videos"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a video."""
        if random.random() < 0.05:
            content = (
                mutate_bytes(random, random.choice(_PLAYLISTS)) if random.random() < 0.5 else random.choice(_PLAYLISTS)
            )
            return Input(content, random.choice(("fuzzed.mp4", "fuzzed.m3u8", "fuzzed.ffconcat", "fuzzed.mkv")))
        suffix = random.choice(list(_CONTAINERS))
        return Input(mutate_bytes(random, _encode_video(suffix)), f"fuzzed.{suffix}")

    def read(self, path: Path) -> None:
        """Read all frames."""
        if path.read_bytes() in _PLAYLISTS:
            path.with_name("secret.mp4").write_bytes(_encode_video("mp4"))
        last, index = -1.0, -1
        with VideoReader(path) as video:
            for frame in video.read(max_pixels=4_000_000):
                if frame.image.dtype != np.uint8 or frame.image.ndim != 3 or not np.isfinite(frame.seconds):
                    raise WrongAnswer(f"a frame of {frame.image.dtype} {frame.image.shape} at {frame.seconds} s")
                if frame.seconds < last or frame.index != index + 1:
                    raise WrongAnswer(f"frame {frame.index} at {frame.seconds} s after {index} at {last} s")
                last, index = frame.seconds, frame.index
        if path.with_name("secret.mp4").exists():
            raise WrongAnswer("a list of files was read as a video")


_PLAYLISTS = (
    b"ffconcat version 1.0\nfile secret.mp4\n",
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 26\n",
)


@functools.cache
def _encode_video(suffix: str) -> bytes:
    draw = np.random.default_rng(5)
    frames = [
        np.kron(draw.integers(0, 256, (6, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8)) for _ in range(12)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video.{suffix}"
        return write_video(
            path, frames, 25.0, codec=_CONTAINERS[suffix], container_options={"fflags": "+bitexact"}
        ).read_bytes()


class ThinImages:
    """Images of any shape: what is detected may not depend on the images before."""

    name = "detector"
    most_seconds = MOST_SECONDS

    def draw(self, random: random.Random) -> Input:
        """Draw a shape and a seed."""
        sides = [random.choice((1, 2, 3, 5, 17, 31, 33, 64, 200, 640, 3000)) for _ in range(2)]
        height, width = (min(side, 10**6 // other) for side, other in zip(sides, sides[::-1], strict=True))
        return Input(struct.pack("<HHI", height, width, random.randrange(2**32)), "shape.bin")

    def read(self, path: Path) -> None:
        """Detect faces with the detector that saw the images before, and with one that saw none."""
        height, width, seed = struct.unpack("<HHI", path.read_bytes())
        image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        used, new = (detector.detect(image) for detector in (_get_detector(), build_detector()))
        if repr(used) != repr(new):
            raise WrongAnswer(f"an image of {height}x{width} pixels: {len(used)} faces, and {len(new)} anew")


@functools.cache
def _get_detector() -> YuNetDetector:
    return build_detector()

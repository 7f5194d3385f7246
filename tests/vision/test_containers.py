"""What is opened as a video, and that nothing else is read because of what a file holds or is named."""

import http.server
import os
import shutil
import socketserver
import threading

import numpy as np
import pytest
from vision_media import draw_frames, write_video

from fer.errors import VideoError
from fer.vision.containers import FORMATS, VIDEO_SUFFIXES, is_camera, is_network
from fer.vision.video import VideoReader

#: Grey value of the frames of the video that must not be read.
SECRET = 200


@pytest.fixture
def secret(tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    return write_video(folder / "secret.mp4", [np.full((48, 64, 3), SECRET, np.uint8)] * 5, codec="libx264")


class Listener:
    """A server that counts what is asked of it."""

    def __init__(self) -> None:
        self.requests = []
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                outer.requests.append(self.request.recv(200))

        self.server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener():
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


LISTS = {
    "concat": "ffconcat version 1.0\nfile other/secret.mp4\n",
    "concat of an absolute path": "ffconcat version 1.0\nfile '{secret}'\n",
    "concat of an address": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.mp4'\n",
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n",
    "playlist of an address": (
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n"
    ),
    "key of a playlist": (
        '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI="http://127.0.0.1:{port}/key"\n'
        "#EXTINF:2,\n{secret}\n#EXT-X-ENDLIST\n"
    ),
    "session description": (
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n"
    ),
    "DASH manifest": (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
        'bandwidth="1"><BaseURL>http://127.0.0.1:{port}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>'
    ),
    "Windows playlist": "[Reference]\nRef1=http://127.0.0.1:{port}/a.wmv\n",
    "playlist of Real": "rtsp://127.0.0.1:{port}/a\n",
}


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".ffconcat", ".sdp", ".mpd", ".avi"])
@pytest.mark.parametrize("kind", LISTS)
def test_a_file_that_names_others_is_refused_and_reads_none_of_them(tmp_path, secret, listener, kind, suffix):
    path = tmp_path / f"list{suffix}"
    path.write_text(LISTS[kind].format(secret=secret, port=listener.port), encoding="utf-8")
    with pytest.raises(VideoError) as caught, VideoReader(path) as video:
        list(video.read())
    assert "\n" not in str(caught.value)
    assert listener.requests == []


@pytest.mark.parametrize(
    "name", ["frame_%03d.mp4", "[talk].mp4", "a*b?.mp4", "http:a.mp4", "concat:x|y.mp4", "a%d.avi", "-i.mp4", "ü.mp4"]
)
def test_the_name_of_a_file_is_literal(tmp_path, name):
    path = tmp_path / name
    write_video(tmp_path / "plain.mp4", draw_frames(4), codec="libx264").rename(path)
    write_video(tmp_path / "frame_001.mp4", draw_frames(2), codec="libx264")
    with VideoReader(path) as video:
        assert sum(1 for _ in video.read()) == 4


def test_the_content_decides_on_the_format_not_the_suffix(tmp_path):
    path = shutil.copy(write_video(tmp_path / "a.mkv", draw_frames(4)), tmp_path / "a.m3u8")
    with VideoReader(path) as video:
        assert sum(1 for _ in video.read()) == 4


def test_an_image_is_no_video(tmp_path):
    from PIL import Image

    Image.fromarray(draw_frames(1)[0]).save(tmp_path / "f_001.png")
    with pytest.raises(VideoError, match="container format"):
        VideoReader(tmp_path / "f_001.png")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_is_no_utf8_is_read_and_escaped(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    os.rename(write_video(tmp_path / "a.mp4", draw_frames(3), codec="libx264"), path)
    with VideoReader(path) as video:
        assert sum(1 for _ in video.read()) == 3
        assert video.name.encode("utf-8").endswith(b"\\xe9.mp4")


def test_an_empty_path_is_not_taken_for_the_folder():
    with pytest.raises(VideoError, match="Received: ''"):
        VideoReader("")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_with_a_line_break_is_shown_in_one_line(tmp_path):
    path = tmp_path / "two\nlines.mp4"
    path.write_bytes(b"damaged")
    with pytest.raises(VideoError, match=r"two\\nlines") as caught:
        VideoReader(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("source", ["missing.mp4", "frames_%03d.png", "concat:a.mp4|b.mp4", "file:a.mp4", "data:,x"])
def test_only_existing_files_are_opened(source):
    with pytest.raises(VideoError, match="existing file"):
        VideoReader(source)


@pytest.mark.parametrize("scheme", ["http", "HTTP", "rtsp", "tcp", "udp"])
def test_an_address_is_refused_unless_it_is_allowed(listener, scheme):
    with pytest.raises(VideoError, match="network address"):
        VideoReader(f"{scheme}://127.0.0.1:{listener.port}/a.mp4")
    assert listener.requests == []


def test_a_video_on_a_web_server_is_read_if_that_is_allowed(tmp_path):
    write_video(tmp_path / "a.mp4", draw_frames(12), codec="libx264")
    with serve_folder(tmp_path) as address, VideoReader(f"{address}/a.mp4", allow_network=True) as video:
        assert not video.is_live
        assert sum(1 for _ in video.read()) == video.num_promised == 12


def test_a_list_on_a_web_server_reads_no_file_of_this_machine(tmp_path, secret):
    for name, text in (("l.mp4", LISTS["concat of an absolute path"]), ("l.m3u8", LISTS["playlist"])):
        (tmp_path / name).write_text(text.format(secret=secret, port=1), encoding="utf-8")
        with serve_folder(tmp_path) as address, pytest.raises(VideoError):
            count_frames(f"{address}/{name}")


def count_frames(address: str) -> int:
    with VideoReader(address, allow_network=True) as video:
        return sum(1 for _ in video.read())


class serve_folder:
    """A web server of a folder, without its log."""

    def __init__(self, folder) -> None:
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=str(folder))

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *error) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_a_camera_is_a_number_or_a_device():
    assert all(is_camera(source) for source in (0, "0", "12", "/dev/video0"))
    assert not any(is_camera(source) for source in ("0.mp4", "-1", "/dev/null", "dev/video0"))


def test_an_address_has_a_scheme():
    assert is_network("rtsp://camera/1")
    assert not any(is_network(source) for source in ("talk.mp4", "C:/talk.mp4", "file:///etc/passwd", "concat:a", 3))


def test_every_suffix_is_lower_case_and_belongs_to_one_format():
    suffixes = [suffix for of_format in FORMATS.values() for suffix in of_format]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in VIDEO_SUFFIXES)

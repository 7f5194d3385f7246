import subprocess
import sys
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vision_media import draw_frames, find_media, write_video

from fer.errors import VideoError
from fer.vision import video
from fer.vision.video import VideoReader, VideoWriter, is_camera


def read_all(path, every: int = 1) -> list[tuple[int, float, int]]:
    with VideoReader(path) as reader:
        return [(frame.index, frame.seconds, round(frame.image.mean() / 4)) for frame in reader.read(every)]


def test_every_frame_has_its_index_time_and_image(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_frames(30), rate=20.0)
    read = read_all(path)
    assert [index for index, _, _ in read] == list(range(30))
    assert [shown for _, _, shown in read] == list(range(30))
    np.testing.assert_allclose([seconds for _, seconds, _ in read], np.arange(30) / 20, atol=1e-6)


def test_every_third_frame_keeps_its_own_index_and_time(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_frames(10), rate=20.0)
    read = read_all(path, every=3)
    assert [(index, shown) for index, _, shown in read] == [(0, 0), (3, 3), (6, 6), (9, 9)]
    assert read[2][1] == pytest.approx(0.3)


def test_a_step_below_1_is_a_video_error(tmp_path):
    path = write_video(tmp_path / "a.avi", draw_frames(3))
    with pytest.raises(VideoError, match="at least 1"):
        read_all(path, every=0)


def test_frames_are_rgb(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    path = write_video(tmp_path / "a.avi", [red] * 3)
    with VideoReader(path) as reader:
        frame = next(reader.read()).image
    assert frame[..., 0].mean() > 240
    assert frame[..., 2].mean() < 20


def test_the_frames_of_a_truncated_video_are_read(tmp_path):
    content = find_media("WolfgangLanger_Pexels.mp4").read_bytes()
    path = tmp_path / "half.mp4"
    path.write_bytes(content[: len(content) // 2])
    with VideoReader(path) as reader:
        count = sum(1 for _ in reader.read())
        assert count == reader.num_read == 228
        assert reader.num_promised == 472


def test_the_whole_video_has_472_frames_with_the_times_of_the_container():
    with VideoReader(find_media("WolfgangLanger_Pexels.mp4")) as reader:
        times = [frame.seconds for frame in reader.read()]
        assert reader.num_read == reader.num_promised == 472
    assert len(times) == 472
    np.testing.assert_allclose(times, np.arange(472) * 1001 / 24000, atol=2e-3)


def replace_atom(content: bytes, path: list[bytes], body: bytes) -> bytes:
    """Replace the body of one atom of an mp4 file, named by its path; of atoms with the same name, the first."""
    position = 0
    while position < len(content):
        size = int.from_bytes(content[position : position + 4])
        name = content[position + 4 : position + 8]
        if name == path[0]:
            inner = content[position + 8 : position + size]
            inner = body if len(path) == 1 else replace_atom(inner, path[1:], body)
            atom = (len(inner) + 8).to_bytes(4) + name + inner
            return content[:position] + atom + content[position + size :]
        position += size
    raise AssertionError(f"no atom {path[0]!r}")


def test_a_file_of_variable_rate_keeps_its_times(tmp_path):
    """The durations are rewritten in the table of the file, which follows the frames, so that these do not move."""
    path = tmp_path / "variable.mp4"
    with VideoWriter(path, 10.0) as writer:
        for index in range(6):
            writer.write(np.full((48, 64, 3), index * 40, np.uint8))
    # The edit list would end the video after the old duration.
    content = path.read_bytes().replace(b"edts", b"free")
    position = content.index(b"stts") + 16
    tick = int.from_bytes(content[position : position + 4])
    assert content.index(b"mdat") < content.index(b"moov")
    durations = [1, 5, 2, 10, 1, 1]
    table = bytes(4) + len(durations).to_bytes(4)
    table += b"".join((1).to_bytes(4) + (duration * tick).to_bytes(4) for duration in durations)
    path.write_bytes(replace_atom(content, [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], table))
    read = read_all(path)
    assert [index for index, _, _ in read] == list(range(6))
    np.testing.assert_allclose([seconds for _, seconds, _ in read], [0, 0.1, 0.6, 0.8, 1.8, 1.9], atol=2e-3)


class FakeCapture:
    """A capture with the given timestamps, in milliseconds, as of a variable frame rate or a damaged file."""

    def __init__(self, times: list[float], rate: float = 25.0, count: float = 0.0) -> None:
        self.times, self.rate, self.count, self.position = times, rate, count, -1

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        self.position += 1
        return self.position < len(self.times)

    def retrieve(self):
        return True, np.zeros((4, 4, 3), np.uint8)

    def get(self, what: int) -> float:
        return {
            cv2.CAP_PROP_FPS: self.rate,
            cv2.CAP_PROP_FRAME_COUNT: self.count,
            cv2.CAP_PROP_POS_MSEC: self.times[min(self.position, len(self.times) - 1)] if self.times else 0.0,
        }[what]

    def release(self) -> None:
        self.times = []


def read_times(monkeypatch, capture: FakeCapture) -> list[float]:
    monkeypatch.setattr(video, "_open_capture", lambda source, camera: capture)
    with VideoReader("any.mp4") as reader:
        return [frame.seconds for frame in reader.read()]


def test_the_times_of_the_container_are_kept_at_a_variable_rate(monkeypatch):
    assert read_times(monkeypatch, FakeCapture([0, 10, 200, 233, 1000])) == [0.0, 0.01, 0.2, 0.233, 1.0]


def test_frames_without_times_get_those_of_the_rate(monkeypatch):
    np.testing.assert_allclose(read_times(monkeypatch, FakeCapture([0] * 5, rate=50.0)), [0, 0.02, 0.04, 0.06, 0.08])


def test_a_container_without_rate_has_25_frames_per_second(monkeypatch):
    np.testing.assert_allclose(read_times(monkeypatch, FakeCapture([0] * 3, rate=float("nan"))), [0, 0.04, 0.08])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_times_increase_for_any_timestamps(times):
    with pytest.MonkeyPatch.context() as patch:
        read = read_times(patch, FakeCapture(times))
    assert len(read) == len(times)
    assert all(np.isfinite(read))
    assert read[0] >= 0
    assert all(later > earlier or later > 1e15 for earlier, later in pairwise(read))


@pytest.mark.parametrize("source", ["missing.mp4", "http://127.0.0.1/a.mp4", "frames_%03d.png"])
def test_only_existing_files_are_opened(source):
    with pytest.raises(VideoError, match="existing file"):
        VideoReader(source)


@pytest.mark.parametrize("content", [b"", b"not a video" * 100, b"\x00\x00\x00\x18ftypmp42" + bytes(500)])
def test_other_files_are_video_errors_of_one_line(tmp_path, content):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        read_all(path)
    assert "\n" not in str(caught.value)
    assert "bad.mp4" in str(caught.value)


def test_a_damaged_video_has_frames_or_is_a_video_error(tmp_path):
    """OpenCV prints messages and may crash on damaged files, so they are read in another process."""
    whole = write_video(tmp_path / "a.avi", draw_frames(12)).read_bytes()
    generator = np.random.default_rng(0)
    for number in range(12):
        damaged = bytearray(whole)
        for position in generator.integers(0, len(damaged), 40):
            damaged[position] = generator.integers(0, 256)
        (tmp_path / f"bad{number}.avi").write_bytes(bytes(damaged[: generator.integers(200, len(damaged))]))
    code = (
        "import sys\nfrom pathlib import Path\nfrom fer.errors import VideoError\n"
        "from fer.vision.video import VideoReader\n"
        "for path in sorted(Path(sys.argv[1]).glob('bad*.avi')):\n"
        "    try:\n        with VideoReader(path) as video:\n            print(sum(1 for _ in video.read()))\n"
        "    except VideoError as error:\n        print('error', str(error).count('\\n'))\n"
    )
    process = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True)
    answers = process.stdout.decode("ascii").split("\n")[:-1]
    assert len(answers) == 12
    assert all(answer == "error 0" or 1 <= int(answer) <= 12 for answer in answers)
    assert any(answer.isdecimal() for answer in answers)


def test_a_camera_is_a_number():
    assert is_camera(0)
    assert is_camera("0")
    assert is_camera("12")
    assert not is_camera("0.mp4")
    assert not is_camera("-1")


@pytest.mark.usefixtures("capfd")
def test_a_missing_camera_is_a_video_error():
    with pytest.raises(VideoError, match="camera"):
        VideoReader("97")


def test_an_annotated_video_can_be_read_again(tmp_path):
    path = tmp_path / "deep" / "out.mp4"
    with VideoWriter(path, 20.0) as writer:
        for index in range(10):
            writer.write(np.full((49, 65, 3), index * 20, np.uint8), index / 20)
    with VideoReader(path) as reader:
        frames = [frame.image for frame in reader.read()]
    assert len(frames) == 10
    assert frames[0].shape == (48, 64, 3)
    np.testing.assert_allclose([frame.mean() for frame in frames], np.arange(10) * 20, atol=6)


def test_an_annotated_video_keeps_the_times_of_a_variable_rate(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 10.0) as writer:
        counts = []
        for seconds in (0.0, 0.1, 0.5, 0.51, 0.6, 5000.0, 5000.1):
            writer.write(np.zeros((32, 32, 3), np.uint8), seconds)
            counts.append(writer.num_written)
    # 0.51 has the same frame number as 0.5; the jump of 5000 seconds is shortened to ten.
    assert counts == [1, 2, 6, 6, 7, 108, 109]


def test_a_frame_of_another_size_is_resized_to_the_first_one(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", 10.0) as writer:
        for shape in ((48, 64, 3), (96, 128, 3), (20, 30, 3), (49, 65, 3)):
            writer.write(np.full(shape, 90, np.uint8))
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert {frame.image.shape for frame in reader.read()} == {(48, 64, 3)}
        assert reader.num_read == 4


def test_an_annotated_video_must_be_mp4(tmp_path):
    with pytest.raises(VideoError, match=r"\.mp4"):
        VideoWriter(tmp_path / "out.avi", 20.0)


@pytest.mark.usefixtures("capfd")
def test_an_unknown_codec_is_a_video_error(tmp_path):
    with pytest.raises(VideoError, match="writable"):
        VideoWriter(tmp_path / "out.mp4", 20.0, codec="!!!!").write(np.zeros((32, 32, 3), np.uint8))

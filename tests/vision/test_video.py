import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from vision_media import draw_frames, find_media, write_video

from fer.errors import VideoError
from fer.vision.video import VideoReader


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


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_a_file_of_variable_rate_keeps_its_times(tmp_path, suffix):
    times = [0.0, 0.1, 0.6, 0.8, 1.8, 1.9]
    codec = "libvpx" if suffix == ".webm" else "libx264"
    path = write_video(tmp_path / f"v{suffix}", draw_frames(6), times=times, codec=codec)
    np.testing.assert_allclose([seconds for _, seconds, _ in read_all(path)], times, atol=2e-3)


def test_a_browsers_recording_without_rate_and_duration_has_its_frames_and_rate(tmp_path):
    """MediaRecorder writes a stream: times to the millisecond, with jitter, no duration and no default rate."""
    times = [index * 1001 / 24000 + 0.004 * (index % 3) for index in range(48)]
    path = write_video(
        tmp_path / "r.webm", draw_frames(48), times=times, codec="libvpx", container_options={"live": "1"}
    )
    with VideoReader(path) as reader:
        assert reader.num_promised == 48
        assert reader.rate == pytest.approx(24.0, abs=0.2)
        read = [frame.seconds for frame in reader.read()]
        assert not reader.ended_early
    np.testing.assert_allclose(read, times, atol=2e-3)


def draw_corner(width: int = 64, height: int = 48) -> np.ndarray:
    """A dark frame with one bright corner, top left."""
    frame = np.full((height, width, 3), 20, np.uint8)
    frame[: height // 2, : width // 2] = 220
    return frame


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("hflip", [False, True])
def test_a_video_with_a_display_matrix_is_upright(tmp_path, rotation, hflip):
    path = write_video(tmp_path / "p.mp4", [draw_corner()] * 3, codec="libx264", rotation=rotation, hflip=hflip)
    expected = np.rot90(draw_corner(), rotation // 90)
    expected = expected[:, ::-1] if hflip else expected
    with VideoReader(path) as reader:
        image = next(reader.read()).image
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 6


def test_pixels_that_are_not_square_become_square(tmp_path):
    path = write_video(tmp_path / "p.mp4", [draw_corner(72, 58)] * 3, codec="libx264", aspect=Fraction(64, 45))
    with VideoReader(path) as reader:
        image = next(reader.read()).image
    assert image.shape == (58, round(72 * 64 / 45), 3)
    assert image[:20, :40].mean() > 200
    assert image[:20, 62:].mean() < 40


def test_an_impossible_pixel_aspect_is_ignored(tmp_path):
    path = write_video(tmp_path / "p.mp4", draw_frames(3), codec="libx264", aspect=Fraction(2000, 1))
    with VideoReader(path) as reader:
        assert next(reader.read()).image.shape == (48, 64, 3)


def write_interlaced(path, codec: str = "libx264", count: int = 12):
    options = {"flags": "+ilme+ildct"} | ({"x264opts": "tff=1"} if codec == "libx264" else {})
    return write_video(path, [draw_corner(128, 96)] * count, codec=codec, codec_options=options, rate=25.0)


@pytest.mark.parametrize(
    ("name", "codec"), [("i.mp4", "libx264"), ("i.mpg", "mpeg2video"), ("i.ts", "mpeg2video"), ("i.mkv", "mpeg2video")]
)
def test_interlaced_video_has_every_frame_with_its_time(tmp_path, name, codec):
    path = write_interlaced(tmp_path / name, codec)
    with VideoReader(path) as reader:
        frames = list(reader.read())
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / 25, atol=2e-3)
    for frame in frames:
        assert np.abs(frame.image.astype(int) - draw_corner(128, 96)).mean() < 6


def write_fields(path, codec: str, *, size: tuple[int, int], pixels: str, sound_codec: str | None = None, **options):
    """Write twelve frames of a disc in motion whose two fields are a fiftieth of a second apart, as a camera does."""
    width, height = size
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream(codec, rate=25, options={"flags": "+ilme+ildct", "x264opts": "tff=1"})
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        if sound_codec:
            container.add_stream(sound_codec, rate=48000, layout="stereo")
        for index in range(12):
            fields = [np.hypot(columns - width // 3 - 6 * (2 * index + half), rows - height // 2) for half in (0, 1)]
            distance = np.where(rows % 2 == 0, *fields)
            image = np.repeat(np.where(distance < height // 4, 220, 30).astype(np.uint8)[:, :, None], 3, axis=2)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "size", "pixels", "options"),
    [
        ("dv.dv", "dvvideo", (720, 576), "yuv420p", {}),
        ("dv.avi", "dvvideo", (720, 576), "yuv420p", {}),
        ("prores.mov", "prores_ks", (320, 192), "yuv422p10le", {}),
        ("disc.vob", "mpeg2video", (720, 576), "yuv420p", {}),
        (
            "avchd.mts",
            "libx264",
            (720, 576),
            "yuv420p",
            {"format": "mpegts", "container_options": {"mpegts_m2ts_mode": "1"}},
        ),
    ],
)
def test_the_interlaced_video_of_a_camera_has_every_frame_without_comb(tmp_path, name, codec, size, pixels, options):
    path = write_fields(tmp_path / name, codec, size=size, pixels=pixels, **options)
    with VideoReader(path) as reader:
        frames = list(reader.read())
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / 25, atol=2e-3)
    for index, frame in enumerate(frames):
        grey = frame.image.mean(axis=2)
        width = grey.shape[1] / size[0]
        # The disc is where it was in the first field, and not a memory of another film.
        centre = np.average(np.arange(grey.shape[1]), weights=(grey > 120).sum(axis=0))
        assert centre / width == pytest.approx(size[0] // 3 + 12 * index, abs=8)
        # A comb is a row that differs from both of its neighbours.
        lone = np.abs(grey[1:-1] - (grey[:-2] + grey[2:]) / 2) - np.abs(grey[:-2] - grey[2:]) / 2
        assert (lone > 60).mean() < 0.002


def test_two_videos_in_one_process_share_no_frame(tmp_path):
    """OpenCV answered for an interlaced video with memory that the video before had left."""
    bright = write_video(tmp_path / "b.mp4", [np.full((96, 128, 3), 250, np.uint8)] * 12, codec="libx264")
    dark = tmp_path / "d.mp4"
    options = {"flags": "+ilme+ildct", "x264opts": "tff=1"}
    write_video(dark, [np.full((96, 128, 3), 10, np.uint8)] * 12, codec="libx264", codec_options=options)
    for _ in range(3):
        with VideoReader(bright) as reader:
            assert all(frame.image.min() > 240 for frame in reader.read())
        with VideoReader(dark) as reader:
            assert all(frame.image.max() < 20 for frame in reader.read())


@pytest.mark.parametrize(
    ("name", "codec", "sound_codec", "options"),
    [
        ("s.mkv", "libx264", "aac", {}),
        ("s.flv", "flv", "aac", {}),
        ("s.wmv", "wmv2", "wmav2", {}),
        ("s.ts", "libx264", "aac", {}),
        ("s.mp4", "libx264", "aac", {"movflags": "frag_keyframe+empty_moov"}),
        ("s.avi", "mpeg4", "mp2", {}),
    ],
)
def test_an_intact_video_whose_sound_is_longer_is_no_damaged_one(tmp_path, name, codec, sound_codec, options):
    path = write_video(
        tmp_path / name,
        draw_frames(48),
        24.0,
        codec=codec,
        sound=3.5,
        sound_codec=sound_codec,
        container_options=options,
    )
    with VideoReader(path) as reader:
        assert abs(sum(1 for _ in reader.read()) - 48) <= 1
        assert (reader.num_faults, reader.ended_early) == (0, False)


@pytest.mark.parametrize(("name", "codec"), [("c.mkv", "libx264"), ("c.flv", "flv"), ("c.mp4", "libx264")])
def test_a_video_that_is_cut_short_is_noticed(tmp_path, name, codec):
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(60)]
    path = write_video(tmp_path / name, frames, codec=codec, container_options={"movflags": "+faststart"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with VideoReader(path) as reader:
        assert 5 < sum(1 for _ in reader.read()) < 45
        assert reader.ended_early


def test_a_video_whose_last_tenths_of_a_second_are_missing_is_noticed(tmp_path):
    path = write_video(tmp_path / "v.mkv", draw_frames(50), rate=25.0)
    with av.open(str(path)) as container:
        start = [packet.pos for packet in container.demux(video=0) if packet.size][-6]
    path.write_bytes(path.read_bytes()[:start])
    with VideoReader(path) as reader:
        assert 40 < sum(1 for _ in reader.read()) < 46
        assert reader.ended_early


def test_an_intact_video_whose_subtitles_are_longer_is_no_damaged_one(tmp_path):
    """The duration in the header of a Matroska file is that of its longest stream."""
    (tmp_path / "t.srt").write_text("1\n00:00:09,000 --> 00:00:10,000\nGoodbye.\n")
    path = tmp_path / "s.mkv"
    sources = [
        av.open(str(write_video(tmp_path / "v.mkv", draw_frames(12), rate=25.0))),
        av.open(str(tmp_path / "t.srt")),
    ]
    with av.open(str(path), "w") as container, sources[0], sources[1]:
        streams = [container.add_stream_from_template(source.streams[0]) for source in sources]
        for source, stream in zip(sources, streams, strict=True):
            for packet in source.demux():
                if packet.size:
                    packet.stream = stream
                    container.mux(packet)
    with VideoReader(path) as reader:
        assert reader.num_promised == sum(1 for _ in reader.read()) == 12
        assert not reader.ended_early


@pytest.mark.parametrize("content", [b"", b"not a video" * 100, b"\x00\x00\x00\x18ftypmp42" + bytes(500)])
def test_other_files_are_video_errors_of_one_line(tmp_path, content):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        read_all(path)
    assert "\n" not in str(caught.value)
    assert "bad.mp4" in str(caught.value)


def test_a_damaged_video_has_frames_or_is_a_video_error(tmp_path):
    """Decoders of damaged files may crash, so they are read in another process."""
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


@pytest.mark.usefixtures("capfd")
def test_a_missing_camera_is_a_video_error():
    with pytest.raises(VideoError, match="camera"):
        VideoReader("97")


def test_a_frame_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.mp4", draw_frames(3), codec="libx264")
    with VideoReader(path) as reader:
        monkeypatch.setattr(reader, "_decode_all", lambda: pytest.fail("decoded"))
        with pytest.raises(VideoError, match="64x48"):
            next(reader.read(max_pixels=64 * 48 - 1))


def test_a_frame_that_just_fits_the_limit_is_read(tmp_path):
    with VideoReader(write_video(tmp_path / "v.mp4", draw_frames(3), codec="libx264")) as reader:
        assert len(list(reader.read(max_pixels=64 * 48))) == 3


def test_a_sound_with_a_cover_image_is_no_video(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        sound = container.add_stream("aac", rate=48000, layout="mono")
        container.mux(cover.encode(av.VideoFrame.from_ndarray(draw_frames(1)[0], format="rgb24")))
        container.mux(cover.encode(None))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with pytest.raises(VideoError, match="readable frame"):
        VideoReader(tmp_path / "song.mp4")


@pytest.mark.parametrize("every", [0, 1.5, "2", None])
def test_a_step_between_frames_is_a_whole_number(tmp_path, every):
    write_video(tmp_path / "v.mp4", draw_frames(2))
    with VideoReader(tmp_path / "v.mp4") as video, pytest.raises(VideoError, match="'every' must be a whole number"):
        next(video.read(every=every))


def test_too_long_a_name_is_a_missing_video():
    with pytest.raises(VideoError, match="existing file"):
        VideoReader("n" * 300)

from vision_media import draw_frames, write_video

from fer.bench.videos import measure_reading, run_video_bench


def test_every_figure_is_printed():
    lines = []
    run_video_bench(frames=20, log=lines.append)
    assert [line.split(": ")[0] for line in lines] == [
        "640x480 H.264 video, written",
        "the same video, read",
        "memory growth from frame 10 to 20",
    ]


def test_the_memory_of_reading_is_flat(tmp_path):
    """A leak of one frame in ten would be 5 MB."""
    write_video(tmp_path / "v.mp4", draw_frames(60, 160, 120) * 34, codec="libx264")
    _, growth = measure_reading(tmp_path / "v.mp4")
    assert growth is None or growth < 4

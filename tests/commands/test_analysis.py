from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from training_runs import ignore

import fer
from fer import commands, reports
from fer.data import draw_sample
from fer.errors import ImageError, SettingsError


def test_images_none_of_which_is_readable_are_an_error_after_the_table(folder):
    Path("a.jpg").write_bytes(b"damaged")
    with pytest.raises(ImageError, match="none of which"):
        commands.predict("a.jpg", "t.csv", quiet=True, log=ignore)
    assert "An image must be" in Path("t.csv").read_text()


def test_predict_writes_the_table_and_prints_a_summary(folder):
    Image.fromarray(draw_sample(140).faces[0]).save(folder / "face.png")
    lines = []
    commands.predict("face.png", "faces.csv", whole_image=True, quiet=True, log=lines.append)
    header, *rows = (folder / "faces.csv").read_text().splitlines()
    assert header.startswith("image,")
    assert len(rows) == 1
    assert "faces.csv" in lines[0]


@pytest.fixture
def streamed(monkeypatch):
    """The arguments that ``video`` passes on, instead of reading a video."""
    calls = []

    def process_video(*arguments, **options):
        calls.append((arguments, options))
        return SimpleNamespace(describe=lambda: "3 frames")

    monkeypatch.setattr(reports, "process_video", process_video)
    monkeypatch.setattr(fer, "Analyzer", lambda classifier, **options: options, raising=False)
    monkeypatch.setattr(fer, "Classifier", SimpleNamespace(load=lambda path: None), raising=False)
    return calls


def test_video_passes_its_options_on_and_prints_a_summary(streamed):
    lines = []
    asked = {"csv": "out.csv", "plot": "out.png", "baseline": "0-5", "every": 2, "max_side": 320}
    commands.video("in.mp4", **asked, quiet=True, log=lines.append)
    [(arguments, options)] = streamed
    assert arguments == (Path("in.mp4"),)
    # A function, so that the network is not loaded before the outputs are checked.
    assert options["analyzer"]() == {"max_side": 320}
    assert options["baseline"] == "0-5"
    assert (options["csv"], options["plot"], options["annotated"]) == ("out.csv", "out.png", None)
    assert (options["every"], options["progress"], options["allow_network"]) == (2, False, True)
    assert lines == ["3 frames"]


def test_video_writes_a_table_beside_the_video_if_nothing_is_asked_for(streamed):
    commands.video("folder/in.mp4", log=lambda line: None)
    assert streamed[0][1]["csv"] == str(Path("folder/in_faces.csv"))
    commands.video("folder/in.mp4", plot="p.png", log=lambda line: None)
    assert streamed[1][1]["csv"] is None


def test_several_videos_are_one_table(streamed, monkeypatch):
    monkeypatch.setattr(reports, "process_videos", reports.process_video)
    commands.video(["a/in.mp4", "b.mp4"], log=lambda line: None)
    assert streamed[0][0] == ([Path("a/in.mp4"), Path("b.mp4")],)
    assert streamed[0][1]["csv"] == str(Path("a/videos_faces.csv"))


def test_a_side_below_one_is_refused_before_any_work(streamed):
    with pytest.raises(SettingsError, match="--max-side must be at least 1"):
        commands.video("in.mp4", max_side=0)
    assert streamed == []

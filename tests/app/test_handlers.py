import io
import threading
from contextlib import suppress

import numpy as np
import pytest
from app_media import build_stub_analyzer
from PIL import Image
from vision_media import draw_frames, write_video

from fer.app import handlers as module
from fer.app.engine import Engine
from fer.app.examples import write_examples
from fer.app.handlers import Handlers, LivePieces, Upload
from fer.app.pages.cards import encode_data_url
from fer.app.sessions import LONGEST_SILENCE, Sessions
from fer.errors import ImageError, VideoError

FRAME = encode_data_url(np.full((64, 64, 3), 90, np.uint8))


@pytest.fixture
def handlers(tmp_path):
    # The live and video analyzers detect with YuNet; the stub stands behind the photo's.
    return Handlers(Engine(build_stub_analyzer), Sessions(tmp_path / "made"))


def upload(tmp_path, content, name="holiday.jpg"):
    folder = tmp_path / "uploads"
    folder.mkdir(exist_ok=True)
    path = folder / "0.bin"
    path.write_bytes(content)
    return Upload(name, path)


def draw_jpeg():
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def test_a_frame_gives_picture_status_people_and_timeline_and_a_pause_leaves_the_page(handlers):
    shown = handlers.show_live("ada", FRAME, explain=False, paused=False)
    assert shown.picture.startswith("data:image/jpeg;base64,")
    assert "no face" in shown.status
    assert "No face in view" in shown.people
    assert handlers.show_live("ada", FRAME, explain=False, paused=True) == LivePieces()
    assert handlers.show_live("ada", None, explain=False, paused=False) == LivePieces()
    assert handlers.sessions.visit("ada").live.num_frames == 1


def test_a_broken_frame_is_a_sentence_and_the_picture_stays(handlers):
    pieces = handlers.show_live("ada", "data:image/jpeg;base64,AAAA", explain=False, paused=False)
    assert pieces.picture is None
    assert 'role="alert"' in pieces.status


def test_the_loading_is_told_instead_of_waited_for(handlers, monkeypatch):
    monkeypatch.setattr(Engine, "is_loading", True)
    pieces = handlers.show_live("ada", FRAME, explain=False, paused=False)
    assert "being loaded" in pieces.status
    assert pieces.picture is None


def test_a_photo_gives_cards_and_downloads_and_a_bad_one_a_sentence_without_the_servers_path(handlers, tmp_path):
    shown = handlers.show_photo("ada", upload(tmp_path, draw_jpeg()), explain=True)
    assert shown.cards.count("<article") == 1
    assert shown.cards.count("<img") == 2
    assert 'download="holiday expressions.csv"' in shown.downloads
    for content in (b"", b"no picture", draw_jpeg()[:200]):
        bad = handlers.show_photo("ada", upload(tmp_path, content), explain=False)
        assert bad.picture is None
        assert 'role="alert"' in bad.cards
        assert "holiday.jpg" in bad.cards
        assert str(tmp_path) not in bad.cards
    assert "Upload, paste" in handlers.show_photo("ada", None, explain=False).cards


def test_a_name_from_outside_cannot_write_into_the_page(handlers, tmp_path):
    name = '"><script>alert(1)</script>.jpg'
    shown = handlers.show_photo("ada", upload(tmp_path, draw_jpeg(), name), explain=False)
    bad = handlers.show_photo("ada", upload(tmp_path, b"x", name), explain=False)
    assert "<script>" not in shown.downloads + shown.cards + bad.cards


def test_the_endpoint_removes_what_was_sent_whatever_comes_of_it(handlers, tmp_path):
    sent = upload(tmp_path, draw_jpeg())
    answer = handlers.analyze_image("ada", sent)
    assert (answer["width"], answer["height"], len(answer["faces"])) == (64, 64, 1)
    assert not sent.path.exists()
    sent = upload(tmp_path, b"no picture")
    with pytest.raises(ImageError, match=r"holiday\.jpg") as caught:
        handlers.analyze_image("ada", sent)
    assert str(tmp_path) not in str(caught.value)
    assert not sent.path.exists()
    sent = upload(tmp_path, b"no video", "talk.mp4")
    with pytest.raises(VideoError, match=r"talk\.mp4"):
        handlers.analyze_video("ada", sent, 1)
    assert not sent.path.exists()
    with pytest.raises(ImageError, match=r"none\. Remedy: upload"):
        handlers.analyze_image("ada", None)


@pytest.mark.parametrize("index", [0, 1])
def test_an_example_that_an_endpoint_is_handed_stays(handlers, index):
    path = write_examples(handlers.sessions.root / "examples")[index]
    round_about = path.parent / ".." / "examples" / path.name
    for each in (path, round_about):
        handlers.analyze_image("eve", Upload(path.name, each))
        with suppress(VideoError):
            handlers.analyze_video("eve", Upload(path.name, each), 1)
        handlers.sessions.forget("eve")
        assert path.is_file()


def test_a_video_is_told_of_until_its_files_are_there_and_cancel_ends_it(handlers, tmp_path):
    path = write_video(tmp_path / "v.avi", draw_frames(20))
    *progress, last = handlers.show_video("ada", Upload("v.avi", path), 1)
    assert all(pieces.running for pieces in progress)
    assert not last.running
    assert "20 frames, 20 analyzed" in last.summary
    assert all(file.is_file() for file in (last.annotated, last.plot, last.table))
    handlers.cancel_video("ben")
    ended = []
    for pieces in handlers.show_video("ada", Upload("v.avi", path), 1):
        handlers.cancel_video("ada")
        ended.append(not pieces.running)
    assert ended[-1]
    assert not any(ended[:-1])
    assert not last.table.exists(), "a new video replaces the files of the one before"


@pytest.fixture
def pace(monkeypatch):
    """Lets a video's next frame be looked at, at each release."""
    pace = threading.Semaphore(0)

    def find(image):
        pace.acquire(timeout=30)
        return [(8, 8, 40, 40)]

    monkeypatch.setattr(module, "PROGRESS_EVERY", 0.01)
    monkeypatch.setattr(Engine, "video", build_stub_analyzer(find))
    return pace


def test_a_long_video_is_not_taken_for_one_whose_viewer_has_left(tmp_path, pace):
    clock = [0.0]
    handlers = Handlers(Engine(build_stub_analyzer), Sessions(tmp_path / "made", lambda: clock[0]))
    sent = Upload("v.avi", write_video(tmp_path / "v.avi", draw_frames(5)))
    shown = []
    for pieces in handlers.show_video("ada", sent, 1):
        shown.append(pieces)
        clock[0] += LONGEST_SILENCE * 0.9
        handlers.sessions.visit("ben")
        pace.release()
    assert clock[0] > 3 * LONGEST_SILENCE
    assert "5 frames, 5 analyzed" in shown[-1].summary
    assert shown[-1].table.is_file()
    assert sent.path.is_file()


def test_who_leaves_during_a_video_is_not_taken_in_again(handlers, tmp_path, pace):
    sent = Upload("v.avi", write_video(tmp_path / "v.avi", draw_frames(5)))
    shown = handlers.show_video("ada", sent, 1)
    assert next(shown).running
    handlers.sessions.forget("ada")
    pace.release(5)
    assert not [*shown][-1].running
    assert len(handlers.sessions) == 0


def test_no_video_and_a_bad_one_are_sentences(handlers, tmp_path):
    (pieces,) = handlers.show_video("ada", None, 1)
    assert "Choose a video first" in pieces.progress
    (pieces,) = handlers.show_video("ada", upload(tmp_path, b"no video", "talk.mp4"), 1)
    assert "talk.mp4" in pieces.progress
    assert str(tmp_path) not in pieces.progress
    (pieces,) = handlers.show_video("ada", Upload("talk.mp4", tmp_path / "cleaned up.mp4"), 1)
    assert "talk.mp4" in pieces.progress
    assert "upload it again" in pieces.progress
    assert str(tmp_path) not in pieces.progress

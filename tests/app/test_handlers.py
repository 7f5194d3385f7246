import io
import threading
from contextlib import suppress

import numpy as np
import pytest
from app_media import build_stub_analyzer
from PIL import Image
from vision_media import draw_frames, write_video

from fer.app import handlers as module
from fer.app.data_urls import encode_image_url
from fer.app.engine import Analyzers, Engine
from fer.app.examples import write_examples
from fer.app.handlers import Handlers, LiveUpdate, Upload
from fer.app.pages import photo
from fer.app.sessions import LONGEST_SILENCE, Sessions
from fer.errors import ImageError, VideoError

FRAME = encode_image_url(np.full((64, 64, 3), 90, np.uint8))


@pytest.fixture
def handlers(tmp_path):
    # Only the photo analyzer uses the stub detector; the other two detect with YuNet.
    engine = Engine(build_stub_analyzer)
    assert engine.analyzers
    return Handlers(engine, Sessions(tmp_path))


def upload(tmp_path, content, name="holiday.jpg"):
    folder = tmp_path / "uploads" / "0"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "0.bin"
    path.write_bytes(content)
    return Upload(name, path)


def encode_jpeg():
    stream = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(stream, "JPEG")
    return stream.getvalue()


def test_a_frame_updates_image_status_and_people(handlers):
    update = handlers.show_live("ada", FRAME, explain=False, paused=False)
    assert update.image.startswith("data:image/jpeg;base64,")
    assert "no face" in update.status
    assert "No face in view" in update.people


def test_a_frame_is_ignored_while_paused(handlers):
    handlers.show_live("ada", FRAME, explain=False, paused=False)
    assert handlers.show_live("ada", FRAME, explain=False, paused=True) == LiveUpdate()
    assert handlers.sessions.visit("ada").live.num_frames == 1


def test_a_missing_frame_leaves_the_tab_as_it_is(handlers):
    assert handlers.show_live("ada", None, explain=False, paused=False) == LiveUpdate()


def test_a_broken_frame_gives_an_error_and_leaves_the_image(handlers):
    update = handlers.show_live("ada", "data:image/jpeg;base64,AAAA", explain=False, paused=False)
    assert update.image is None
    assert 'role="alert"' in update.status


def test_a_frame_does_not_wait_for_the_network(tmp_path):
    go = threading.Event()

    def build():
        go.wait(30)
        return build_stub_analyzer()

    engine = Engine(build)
    update = Handlers(engine, Sessions(tmp_path)).show_live("ada", FRAME, explain=False, paused=False)
    go.set()
    engine.join()
    assert "is loading" in update.status
    assert update.image is None


def test_a_neutral_face_needs_a_camera(handlers):
    assert "Start the camera first" in handlers.start_baseline("ada")
    assert "No neutral face" in handlers.clear_baseline("ada")


def test_a_neutral_face_is_held_and_forgotten(handlers):
    handlers.show_live("ada", FRAME, explain=False, paused=False)
    assert "Hold a neutral face" in handlers.start_baseline("ada")
    assert "Hold a neutral face" in handlers.show_live("ada", FRAME, explain=False, paused=False).people
    handlers.clear_baseline("ada")
    assert "neutral face" not in handlers.show_live("ada", FRAME, explain=False, paused=False).people


def test_a_neutral_face_leaves_with_its_visitor(handlers):
    handlers.show_live("ada", FRAME, explain=False, paused=False)
    handlers.start_baseline("ada")
    handlers.sessions.forget("ada")
    assert "neutral face" not in handlers.show_live("ada", FRAME, explain=False, paused=False).people


def test_a_photo_gives_cards_and_downloads(handlers, tmp_path):
    update = handlers.show_photo("ada", upload(tmp_path, encode_jpeg()), explain=True)
    assert 'src="data:image/jpeg;base64,' in update.image
    assert update.cards.count("<article") == 1
    assert update.cards.count("<img") == 2
    assert 'download="holiday expressions.csv"' in update.downloads


@pytest.mark.parametrize("content", [b"", b"not an image", encode_jpeg()[:200]], ids=["empty", "text", "cut"])
def test_a_bad_photo_gives_an_error_without_the_path_on_the_server(handlers, tmp_path, content):
    update = handlers.show_photo("ada", upload(tmp_path, content), explain=False)
    assert update.image == ""
    assert 'role="alert"' in update.cards
    assert "holiday.jpg" in update.cards
    assert str(tmp_path) not in update.cards


def test_no_photo_gives_the_hint(handlers):
    assert "Upload, paste" in handlers.show_photo("ada", None, explain=False).cards


@pytest.fixture
def example_handlers(tmp_path):
    """Handlers with an example, and the list of the images that were analyzed."""
    analyzed = []

    def find(image):
        analyzed.append(image.shape)
        return [(8, 8, 40, 40)]

    path = tmp_path / "example.jpg"
    path.write_bytes(encode_jpeg())
    return Handlers(Engine(lambda: build_stub_analyzer(find)), Sessions(tmp_path), path), analyzed


def test_a_new_page_shows_the_example_which_is_analyzed_once(example_handlers):
    handlers, analyzed = example_handlers
    updates = [handlers.show_first_photo(name) for name in ("ada", "bob", "eve")]
    assert updates[0].cards.count("<article") == 1
    assert "Upload, paste" in updates[0].cards
    assert updates == updates[:1] * 3
    assert len(analyzed) == 1


def test_the_example_does_not_replace_the_photo_of_a_fast_visitor(example_handlers, tmp_path):
    handlers, _ = example_handlers
    handlers.show_photo("ada", upload(tmp_path, encode_jpeg()), explain=False)
    assert handlers.show_first_photo("ada") is None
    assert handlers.show_first_photo("bob") is not None


def test_a_cleared_photo_shows_the_example_with_activation_maps_if_asked(example_handlers):
    handlers, _ = example_handlers
    assert handlers.show_photo("ada", None, explain=True).cards.count("<img") == 2
    assert handlers.show_photo("ada", None, explain=False).cards.count("<img") == 1


@pytest.mark.parametrize("content", [encode_jpeg(), b"x"], ids=["good", "bad"])
def test_a_file_name_is_escaped(handlers, tmp_path, content):
    name = '"><script>alert(1)</script>.jpg'
    update = handlers.show_photo("ada", upload(tmp_path, content, name), explain=False)
    assert "<script>" not in update.downloads + update.cards


def test_the_image_endpoint_answers_and_removes_the_file(handlers, tmp_path):
    sent = upload(tmp_path, encode_jpeg())
    answer = handlers.analyze_image("ada", sent)
    assert (answer["width"], answer["height"], len(answer["faces"])) == (64, 64, 1)
    assert not sent.path.exists()


def test_the_image_endpoint_neither_draws_nor_encodes_nor_renders(handlers, tmp_path, monkeypatch):
    def fail(*_, **__):
        pytest.fail("the endpoint rendered the photo tab")

    sent = upload(tmp_path, encode_jpeg())
    for name in ("draw_faces", "render_cards", "faces_to_table"):
        monkeypatch.setattr(photo, name, fail)
    monkeypatch.setattr(Image.Image, "save", fail)
    assert len(handlers.analyze_image("ada", sent)["faces"]) == 1


def test_the_image_endpoint_removes_a_bad_file_and_hides_its_path(handlers, tmp_path):
    sent = upload(tmp_path, b"not an image")
    with pytest.raises(ImageError, match=r"holiday\.jpg") as caught:
        handlers.analyze_image("ada", sent)
    assert str(tmp_path) not in str(caught.value)
    assert not sent.path.exists()


def test_the_video_endpoint_removes_a_bad_file_and_hides_its_path(handlers, tmp_path):
    sent = upload(tmp_path, b"not a video", "talk.mp4")
    with pytest.raises(VideoError, match=r"talk\.mp4") as caught:
        handlers.analyze_video("ada", sent, 1)
    assert str(tmp_path) not in str(caught.value)
    assert not sent.path.exists()


def test_an_endpoint_needs_a_file(handlers):
    with pytest.raises(ImageError, match="none"):
        handlers.analyze_image("ada", None)


@pytest.mark.parametrize("index", [0, 1])
def test_an_example_sent_to_an_endpoint_is_not_removed(handlers, index):
    path = write_examples(handlers.sessions.root / "examples")[index]
    detour = path.parent / ".." / "examples" / path.name
    for address in (path, detour):
        handlers.analyze_image("eve", Upload(path.name, address))
        with suppress(VideoError):
            handlers.analyze_video("eve", Upload(path.name, address), 1)
        handlers.sessions.forget("eve")
        assert path.is_file()


def test_a_video_shows_progress_and_then_its_files(handlers, tmp_path):
    path = write_video(tmp_path / "v.avi", draw_frames(20))
    *progress, last = handlers.show_video("ada", Upload("v.avi", path), 1)
    assert all(update.running for update in progress)
    assert not last.running
    assert "20 frames, 20 analyzed" in last.summary
    assert last.timeline == "", "nobody is seen"
    assert all(file.is_file() for file in (last.annotated, last.plot, last.table))


def test_a_new_video_replaces_the_files_of_the_last_one(handlers, tmp_path):
    path = write_video(tmp_path / "v.avi", draw_frames(2))
    *_, first = handlers.show_video("ada", Upload("v.avi", path), 1)
    *_, second = handlers.show_video("ada", Upload("v.avi", path), 1)
    assert not first.table.exists()
    assert second.table.is_file()


@pytest.fixture
def pace(monkeypatch):
    """A semaphore: each release lets one more frame of a video be analyzed."""
    pace = threading.Semaphore(0)

    def detect(image):
        pace.acquire(timeout=30)
        return [(8, 8, 40, 40)]

    stub = build_stub_analyzer()
    monkeypatch.setattr(module, "PROGRESS_EVERY", 0.01)
    monkeypatch.setattr(Engine, "analyzers", Analyzers(stub, build_stub_analyzer(detect), stub))
    return pace


def test_cancel_ends_a_video_early(handlers, tmp_path, pace):
    sent = Upload("v.avi", write_video(tmp_path / "v.avi", draw_frames(5)))
    updates = handlers.show_video("ada", sent, 1)
    assert next(updates).running
    handlers.cancel_video("ada")
    pace.release(5)
    *_, last = updates
    assert not last.running
    assert "Stopped before the end" in last.summary


def test_cancel_without_a_video_does_nothing(handlers):
    handlers.cancel_video("ben")


def test_a_visitor_waiting_for_a_long_video_is_kept(tmp_path, pace):
    now = [0.0]
    handlers = Handlers(Engine(build_stub_analyzer), Sessions(tmp_path, lambda: now[0]))
    sent = Upload("v.avi", write_video(tmp_path / "v.avi", draw_frames(5)))
    updates = []
    for update in handlers.show_video("ada", sent, 1):
        updates.append(update)
        now[0] += LONGEST_SILENCE * 0.9
        handlers.sessions.forget_silent()
        pace.release()
    assert now[0] > 3 * LONGEST_SILENCE
    assert "5 frames, 5 analyzed" in updates[-1].summary
    assert updates[-1].table.is_file()
    assert sent.path.is_file()


def test_a_visitor_who_leaves_during_a_video_does_not_come_back(handlers, tmp_path, pace):
    sent = Upload("v.avi", write_video(tmp_path / "v.avi", draw_frames(5)))
    updates = handlers.show_video("ada", sent, 1)
    assert next(updates).running
    handlers.sessions.forget("ada")
    pace.release(5)
    assert not [*updates][-1].running
    assert len(handlers.sessions) == 0


def test_no_video_gives_a_hint(handlers):
    (update,) = handlers.show_video("ada", None, 1)
    assert "Choose a video first" in update.progress


def test_a_bad_video_gives_an_error_without_the_path_on_the_server(handlers, tmp_path):
    (update,) = handlers.show_video("ada", upload(tmp_path, b"not a video", "talk.mp4"), 1)
    assert "talk.mp4" in update.progress
    assert str(tmp_path) not in update.progress


def test_a_video_that_was_removed_while_waiting_gives_an_error(handlers, tmp_path):
    (update,) = handlers.show_video("ada", Upload("talk.mp4", tmp_path / "removed.mp4"), 1)
    assert "talk.mp4" in update.progress
    assert "upload it again" in update.progress
    assert str(tmp_path) not in update.progress

import contextlib

import pytest

from fer.app.sessions import LONGEST_SILENCE, Sessions


class StubJob:
    stopped = False

    def stop(self):
        self.stopped = True


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def sessions(tmp_path, now):
    return Sessions(tmp_path, lambda: now[0])


def write_file(folder, name="a.jpg"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"x")
    return path


def test_forget_stops_the_video(sessions):
    job = sessions.visit("ada").job = StubJob()
    sessions.forget("ada")
    assert job.stopped
    assert len(sessions) == 0


def test_forget_removes_the_visitors_folder(sessions, tmp_path):
    write_file(sessions.make_folder("ada"), "table.csv")
    sessions.forget("ada")
    assert list(sessions.results.iterdir()) == []


def test_forget_removes_uploads_and_their_empty_folder(sessions, tmp_path):
    upload = write_file(tmp_path / "uploads" / "1" / "digest")
    sessions.add_upload("ada", upload)
    sessions.forget("ada")
    assert list(sessions.uploads.iterdir()) == []


def test_forgetting_an_unknown_visitor_does_nothing(sessions):
    sessions.forget("ada")
    assert len(sessions) == 0


def test_an_upload_of_two_visitors_is_kept_for_the_second(sessions, tmp_path):
    upload = write_file(tmp_path / "uploads" / "1" / "digest")
    for name in ("ada", "ben"):
        sessions.add_upload(name, upload)
    sessions.forget("ada")
    assert upload.exists()
    sessions.release("ben", upload)
    assert not upload.exists()


def test_release_removes_only_the_visitors_own_upload(sessions, tmp_path):
    upload, other = write_file(tmp_path / "uploads" / "1" / "digest"), write_file(tmp_path / "uploads" / "2" / "digest")
    sessions.add_upload("ada", upload)
    sessions.release("ada", other)
    sessions.release("ben", upload)
    assert upload.exists()
    assert other.exists()
    sessions.release("ada", upload)
    assert not upload.exists()


def test_an_upload_is_kept_until_the_last_of_a_visitors_requests_has_used_it(sessions, tmp_path):
    upload = write_file(tmp_path / "uploads" / "1" / "digest")
    for _ in range(2):
        sessions.add_upload("ada", upload)
    sessions.release("ada", upload)
    assert upload.exists()
    sessions.release("ada", upload)
    assert not upload.exists()


def test_a_file_that_was_not_uploaded_is_never_removed(sessions, tmp_path):
    shared = write_file(tmp_path / "examples")
    detour = tmp_path / "uploads" / ".." / "examples" / shared.name
    link = tmp_path / "uploads" / "1" / "link.jpg"
    link.parent.mkdir(parents=True)
    link.symlink_to(shared)
    for path in (shared, detour, link):
        sessions.add_upload("ada", path)
    sessions.forget("ada")
    assert shared.exists()


def test_equal_files_of_two_visitors_are_in_different_folders(sessions):
    with sessions.receive_upload() as first, sessions.receive_upload() as second:
        assert first != second
        assert first.parent == second.parent == sessions.uploads


def test_an_upload_that_breaks_off_leaves_no_file(sessions):
    with contextlib.suppress(ConnectionError), sessions.receive_upload() as folder:
        write_file(folder)
        raise ConnectionError
    assert list(sessions.uploads.iterdir()) == []


def test_an_upload_that_nobody_used_is_removed_later(sessions, now):
    with sessions.receive_upload() as folder:
        used = write_file(folder)
    with sessions.receive_upload() as folder:
        unused = write_file(folder)
    sessions.add_upload("ada", used)
    now[0] = LONGEST_SILENCE + 1
    sessions.visit("ada")
    sessions.forget_silent()
    assert used.exists()
    assert not unused.exists()


def test_only_silent_visitors_are_forgotten(sessions, now):
    folder = sessions.make_folder("ada")
    now[0] = LONGEST_SILENCE - 1
    sessions.visit("ben")
    sessions.forget_silent()
    assert folder.exists()
    now[0] = LONGEST_SILENCE + 1
    sessions.forget_silent()
    assert not folder.exists()
    assert len(sessions) == 1


def test_refresh_keeps_a_visitor(sessions, now):
    visitor = sessions.visit("ada")
    for _ in range(3):
        now[0] += LONGEST_SILENCE - 1
        sessions.refresh(visitor)
        sessions.forget_silent()
    assert len(sessions) == 1


def test_refresh_does_not_bring_back_a_forgotten_visitor(sessions):
    visitor = sessions.visit("ada")
    sessions.forget("ada")
    sessions.refresh(visitor)
    assert len(sessions) == 0


def test_a_new_folder_replaces_the_last_one(sessions):
    first = sessions.make_folder("ada")
    second = sessions.make_folder("ada")
    assert first != second
    assert not first.exists()
    assert second.is_dir()

import pytest

from fer.app.sessions import LONGEST_SILENCE, Sessions


class Job:
    stopped = False

    def stop(self):
        self.stopped = True


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def sessions(tmp_path, clock):
    return Sessions(tmp_path / "made", lambda: clock[0])


def write(folder, name="a.jpg"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"x")
    return path


def test_who_leaves_takes_everything_along(sessions, tmp_path):
    folder = sessions.make_folder("ada")
    write(folder, "table.csv")
    upload = write(tmp_path / "uploads" / "1")
    visitor = sessions.visit("ada")
    visitor.uploads.add(upload)
    visitor.job = Job()
    sessions.forget("ada")
    assert visitor.job.stopped
    assert len(sessions) == 0
    assert list((tmp_path / "made").iterdir()) == []
    assert not upload.parent.exists()
    sessions.forget("ada")


def test_a_file_that_two_have_sent_stays_until_both_have_left(sessions, tmp_path):
    upload = write(tmp_path / "uploads" / "1")
    for name in ("ada", "ben"):
        sessions.visit(name).uploads.add(upload)
    sessions.forget("ada")
    assert upload.exists()
    sessions.release("ben", upload)
    assert not upload.exists()


def test_only_a_visitors_own_upload_is_removed(sessions, tmp_path):
    upload, other = write(tmp_path / "uploads" / "1"), write(tmp_path / "uploads" / "2")
    sessions.visit("ada").uploads.add(upload)
    sessions.release("ada", other)
    sessions.release("ben", upload)
    assert upload.exists()
    assert other.exists()
    sessions.release("ada", upload)
    assert not upload.exists()


def test_the_silent_are_forgotten_and_the_others_are_not(sessions, clock):
    folder = sessions.make_folder("ada")
    clock[0] = LONGEST_SILENCE - 1
    sessions.visit("ben")
    assert folder.exists()
    clock[0] = LONGEST_SILENCE + 1
    sessions.visit("cleo")
    assert not folder.exists()
    assert len(sessions) == 2


def test_who_is_refreshed_stays_and_who_has_left_is_not_taken_in_again(sessions, clock):
    visitor = sessions.visit("ada")
    for _ in range(3):
        clock[0] += LONGEST_SILENCE - 1
        sessions.refresh(visitor)
        sessions.visit("ben")
    assert len(sessions) == 2
    sessions.forget("ada")
    sessions.refresh(visitor)
    assert len(sessions) == 1


def test_a_new_folder_replaces_the_one_before(sessions):
    first = sessions.make_folder("ada")
    second = sessions.make_folder("ada")
    assert first != second
    assert not first.exists()
    assert second.is_dir()
    sessions.forget_all()
    assert not second.exists()

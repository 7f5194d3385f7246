import asyncio
import multiprocessing
import os
import signal
import tempfile
import time

import pytest

from fer.app import cleaning
from fer.app.cleaning import build_lifespan, open_temporary_folder, remove_leftovers
from fer.app.sessions import LONGEST_SILENCE, Sessions


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def age(folder):
    """Make a folder look a minute old."""
    os.utime(folder, (time.time() - 60,) * 2)


def serve(temporary, ready):
    tempfile.tempdir = str(temporary)
    with open_temporary_folder() as files:
        (files / "photo.jpg").write_bytes(b"x")
        ready.set()
        time.sleep(60)


@pytest.fixture
def server(temporary):
    """A process that holds a temporary folder until it is killed."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=serve, args=(temporary, ready))
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_a_folder_is_private_and_is_removed_at_the_end(temporary):
    with open_temporary_folder() as files:
        assert files.parent.parent == temporary
        assert files.parent.stat().st_mode & 0o777 == 0o700
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_running_server_is_kept(server, temporary):
    (folder,) = temporary.iterdir()
    age(folder)
    remove_leftovers()
    assert (folder / "files" / "photo.jpg").is_file()


def test_the_folder_of_a_killed_server_is_removed_by_the_next_one(server, temporary):
    (folder,) = temporary.iterdir()
    os.kill(server.pid, signal.SIGKILL)
    server.join()
    assert folder.is_dir()
    age(folder)
    with open_temporary_folder() as files:
        assert not folder.exists()
        assert files.is_dir()


def test_other_folders_are_kept(temporary):
    (temporary / "holiday").mkdir()
    (temporary / "fer-dl-link").symlink_to(temporary / "holiday")
    (temporary / "fer-dl-new").mkdir()
    age(temporary / "holiday")
    remove_leftovers()
    assert {path.name for path in temporary.iterdir()} == {"holiday", "fer-dl-link", "fer-dl-new"}


def test_a_server_forgets_visitors_and_returns_memory_while_it_runs(tmp_path, monkeypatch):
    now, returned = [0.0], []
    monkeypatch.setattr(cleaning, "return_memory", lambda: returned.append(1))
    sessions = Sessions(tmp_path, lambda: now[0])
    sessions.visit("ada")
    now[0] = LONGEST_SILENCE + 1

    async def run():
        async with build_lifespan(sessions, every=0.01)(None):
            while not returned:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 10))
    assert len(sessions) == 0

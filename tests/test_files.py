import hashlib
import os
from pathlib import Path

import pytest

from fer.errors import OutputError
from fer.files import check_writable, compute_digest, encode_path, show_path, write_atomically

CONTENTS = ["grün\n", "grün\n".encode(), lambda stream: stream.write("grün\n".encode())]


def block_with_file(folder: Path) -> Path:
    """Return a path whose parent is a file, so that nothing can be written there, not even by root."""
    (folder / "file").write_text("")
    return folder / "file" / "table.csv"


def list_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("content", CONTENTS, ids=["text", "bytes", "function"])
def test_write_creates_missing_folders(tmp_path, content):
    path = tmp_path / "new" / "folder" / "a.txt"
    write_atomically(path, content)
    assert list_files(path.parent) == {"a.txt": "grün\n".encode()}


def test_write_replaces_the_old_content(tmp_path):
    write_atomically(tmp_path / "a.txt", "a longer old content")
    write_atomically(str(tmp_path / "a.txt"), "new")
    assert list_files(tmp_path) == {"a.txt": b"new"}


def test_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    write_atomically(tmp_path / "a.txt", "old")

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(tmp_path / "a.txt", "new")
    assert list_files(tmp_path) == {"a.txt": b"old"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
def test_other_errors_pass_through_and_keep_the_old_file(tmp_path, error):
    write_atomically(tmp_path / "a.txt", "old")

    def fail(stream):
        stream.write(b"half")
        raise error

    with pytest.raises(error):
        write_atomically(tmp_path / "a.txt", fail)
    assert list_files(tmp_path) == {"a.txt": b"old"}


@pytest.mark.parametrize("use", [check_writable, lambda path: write_atomically(path, "")], ids=["check", "write"])
@pytest.mark.parametrize(
    "find_path",
    [
        block_with_file,
        lambda folder: folder,
        lambda folder: folder / ("x" * 300),
        pytest.param(
            lambda folder: Path("/proc/nothing/table.csv"),
            marks=pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc"),
        ),
    ],
    ids=["below-a-file", "a-folder", "long-name", "proc"],
)
def test_unwritable_path_is_one_line_with_the_path(tmp_path, use, find_path):
    path = find_path(tmp_path)
    with pytest.raises(OutputError) as caught:
        use(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_writable_leaves_no_file_and_no_folder(tmp_path):
    check_writable(tmp_path / "new" / "folder" / "a.txt")
    assert not list(tmp_path.iterdir())


def test_check_writable_leaves_an_existing_file_untouched(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    check_writable(tmp_path / "a.txt")
    assert list_files(tmp_path) == {"a.txt": b"old"}


def test_check_writable_keeps_existing_empty_folders(tmp_path):
    (tmp_path / "empty").mkdir()
    check_writable(tmp_path / "empty" / "a.txt")
    assert (tmp_path / "empty").is_dir()


def test_digest_is_the_sha256_of_the_bytes(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abc")
    assert compute_digest(tmp_path / "a.bin") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("name", ["two\nlines.jpg", "\x1b[31mred.jpg", "a\u2028b.jpg", "tab\t.jpg", "\udcfc.jpg", ""])
def test_a_path_in_a_message_is_one_printable_line(name):
    shown = show_path(name)
    assert shown
    assert shown.isprintable()
    assert len(shown.splitlines()) == 1


def test_a_path_in_a_table_keeps_its_characters():
    assert encode_path("two\nlines grün.jpg") == "two\nlines grün.jpg"

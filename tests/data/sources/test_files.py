import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from data_sources import draw_faces, write_tree
from PIL import Image

from fer.data.sources import files
from fer.data.sources.archives import is_archive_of_images
from fer.data.sources.folders import read_folder
from fer.errors import DataError
from fer.vision.decoding import FORMATS, IMAGE_SUFFIXES

SPLITS = {"train": 3, "val": 2, "test": 1}


@pytest.fixture
def archive(tmp_path):
    write_tree(tmp_path / "tree", SPLITS)
    shutil.make_archive(str(tmp_path / "tree"), "zip", tmp_path, "tree")
    return tmp_path / "tree.zip"


def test_a_zip_of_images_is_read_like_its_folder(archive):
    plain, packed = read_folder(archive.with_suffix("")), read_folder(archive)
    assert np.array_equal(plain.faces, packed.faces)
    assert np.array_equal(plain.labels, packed.labels)
    assert np.array_equal(plain.split, packed.split)
    assert packed.rejects == packed.notes == ()


@pytest.mark.parametrize("has_folders", [False, True])
@pytest.mark.parametrize("root", ["tree\\", "tree/", ""])
def test_a_zip_whose_names_have_backslashes_is_read_like_its_folder(tmp_path, root, has_folders):
    write_tree(tmp_path / "tree", SPLITS)
    with zipfile.ZipFile(tmp_path / "tree.zip", "w") as opened:
        for path in (tmp_path / "tree").rglob("*"):
            name = root + "\\".join(path.relative_to(tmp_path / "tree").parts)
            if path.is_file():
                opened.write(path, name)
            elif has_folders:
                opened.writestr(f"{name}\\", b"")
    before = sorted(tmp_path.parent.rglob("*"))
    plain, packed = read_folder(tmp_path / "tree"), read_folder(tmp_path / "tree.zip")
    assert np.array_equal(plain.faces, packed.faces)
    assert np.array_equal(plain.labels, packed.labels)
    assert np.array_equal(plain.split, packed.split)
    assert packed.rejects == packed.notes == ()
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_damaged_member_of_a_zip_is_rejected_alone(archive):
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo("tree/train/angry/0001.png")
    content = bytearray(archive.read_bytes())
    content[info.header_offset + 60 + len(info.filename)] ^= 0xFF
    archive.write_bytes(content)
    raw = read_folder(archive)
    assert [reject.location for reject in raw.rejects] == ["tree/train/angry/0001.png"]
    assert len(raw.faces) == 41


@pytest.mark.parametrize("kind", ["tar", "gztar", "bztar", "xztar"])
def test_a_tar_of_images_is_read_like_its_folder(tmp_path, kind):
    write_tree(tmp_path / "tree", SPLITS)
    archive = Path(shutil.make_archive(str(tmp_path / "tree"), kind, tmp_path, "tree"))
    plain, packed = read_folder(tmp_path / "tree"), read_folder(archive)
    assert np.array_equal(plain.faces, packed.faces)
    assert np.array_equal(plain.labels, packed.labels)
    assert packed.rejects == packed.notes == ()
    assert is_archive_of_images(archive)


def test_a_compressed_tar_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    write_tree(tmp_path / "tree", SPLITS)
    archive = Path(shutil.make_archive(str(tmp_path / "tree"), "gztar", tmp_path, "tree"))
    monkeypatch.setattr(files, "MAX_UNPACKED", 1000)
    with pytest.raises(DataError, match="unpack it"):
        read_folder(archive)


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_tar_is_refused_with_one_line(tmp_path, keep):
    write_tree(tmp_path / "tree", SPLITS)
    archive = Path(shutil.make_archive(str(tmp_path / "tree"), "gztar", tmp_path, "tree"))
    archive.write_bytes(archive.read_bytes()[: int(keep * archive.stat().st_size)])
    with pytest.raises(DataError, match="must be readable") as caught:
        read_folder(archive)
    assert "\n" not in str(caught.value)


def test_an_archive_with_a_table_of_fer2013_is_no_archive_of_images(tmp_path):
    for name, members in {
        "table.zip": ["fer2013.csv", "a.png"],
        "other.zip": ["faces.csv"],
        "labels.zip": ["train/1/a.png", "train_labels.csv"],
    }.items():
        with zipfile.ZipFile(tmp_path / name, "w") as opened:
            for member in members:
                opened.writestr(member, b"content")
    found = {name: is_archive_of_images(tmp_path / name) for name in ("table.zip", "other.zip", "labels.zip")}
    assert found == {"table.zip": False, "other.zip": False, "labels.zip": True}


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_a_truncated_zip_is_refused_with_one_line(archive, keep):
    archive.write_bytes(archive.read_bytes()[: int(keep * archive.stat().st_size)])
    with pytest.raises(DataError, match="must be readable") as caught:
        read_folder(archive)
    assert "\n" not in str(caught.value)


def test_a_link_to_a_folder_around_it_is_not_followed(tmp_path):
    write_tree(tmp_path, SPLITS)
    (tmp_path / "train" / "angry" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(read_folder(tmp_path).faces) == 42


def test_a_linked_class_folder_is_read(tmp_path):
    write_tree(tmp_path / "tree", SPLITS)
    (tmp_path / "tree" / "test" / "sad").rename(tmp_path / "elsewhere")
    (tmp_path / "tree" / "test" / "sad").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert len(read_folder(tmp_path / "tree").faces) == 42


def test_a_file_name_that_is_not_utf8_is_escaped_in_the_rejects(tmp_path):
    write_tree(tmp_path, SPLITS)
    (tmp_path / "train" / "sad" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"not an image")
    (reject,) = read_folder(tmp_path).rejects
    assert reject.location == "train/sad/caf\\udce9.png"
    assert reject.reason.isprintable()


@pytest.mark.parametrize("suffix", IMAGE_SUFFIXES)
def test_images_of_every_format_are_read(tmp_path, suffix):
    write_tree(tmp_path, SPLITS)
    kind = next(kind for kind, suffixes in FORMATS.items() if suffix in suffixes)
    path = tmp_path / "train" / "sad" / f"9{suffix}"
    try:
        Image.fromarray(draw_faces(1)[0]).save(path, format=kind)
    except (KeyError, OSError):
        pytest.skip(f"Pillow cannot write {kind}")
    raw = read_folder(tmp_path)
    assert len(raw.faces) == 43
    assert raw.rejects == raw.notes == ()

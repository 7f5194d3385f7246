import shutil
import zipfile

import numpy as np
import pytest
from data_sources import write_tree

from fer.data.sources.folders import read_folder
from fer.errors import DataError

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


def test_a_damaged_member_of_a_zip_is_rejected_alone(archive):
    with zipfile.ZipFile(archive) as opened:
        info = opened.getinfo("tree/train/angry/0001.png")
    content = bytearray(archive.read_bytes())
    content[info.header_offset + 60 + len(info.filename)] ^= 0xFF
    archive.write_bytes(content)
    raw = read_folder(archive)
    assert [reject.location for reject in raw.rejects] == ["tree/train/angry/0001.png"]
    assert len(raw.faces) == 41


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

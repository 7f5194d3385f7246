import io
import os
from pathlib import Path

import pytest
from PIL import Image

from fer.errors import ImageError
from fer.reports.inputs import find_images, scan_inputs
from fer.vision.decoding import FORMATS


def write_image(path: Path, kind: str = "JPEG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Image.new("RGB", (20, 20), "white").save(stream, kind)
    path.write_bytes(stream.getvalue())
    return path


@pytest.fixture
def folder(tmp_path):
    for name in ("in/a.png", "in/b.png", "in/c.jpg", "in/sub/a.PNG"):
        write_image(tmp_path / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    return tmp_path / "in"


def test_inputs_are_files_folders_and_patterns_without_repeats(folder):
    names = [path.name for path in find_images([folder / "b.png", folder, str(folder / "*.png")])]
    assert names == ["b.png", "a.png", "c.jpg", "a.PNG"]
    assert [path.name for path in find_images(str(folder / "**" / "*.PNG"))] == ["a.PNG"]
    assert [path.name for path in find_images(folder / "notes.txt")] == ["notes.txt"]


def test_a_file_whose_name_is_a_pattern_is_found_by_name(tmp_path):
    path = write_image(tmp_path / "a[1].png")
    assert find_images(str(path)) == [path]


@pytest.mark.parametrize("inputs", ["missing.png", "none/*.png", [], ".", "x" * 5000, "a\0b"])
def test_inputs_that_match_no_image_are_an_error(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match="Received"):
        find_images(inputs)


@pytest.mark.parametrize(
    "pattern", ["[2024] trip/*.jpg", "[2024] trip/[ab].jpg", "[2024] trip/day [1]/?.jpg", "~/p/*.jpg"]
)
def test_patterns_with_brackets_in_folders_and_the_home_folder_are_found(tmp_path, monkeypatch, pattern):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("[2024] trip/a.jpg", "[2024] trip/b.jpg", "[2024] trip/day [1]/a.jpg", "p/a.jpg"):
        write_image(tmp_path / name)
    assert find_images(pattern)


@pytest.mark.parametrize("suffix", [suffix for suffixes in FORMATS.values() for suffix in suffixes])
def test_every_suffix_of_a_format_is_found_in_any_case(tmp_path, suffix):
    paths = [write_image(tmp_path / f"a{suffix}"), write_image(tmp_path / f"b{suffix.upper()}")]
    assert find_images(tmp_path) == paths


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "AVIF"])
def test_an_image_without_its_suffix_is_found_by_its_content(tmp_path, kind):
    assert find_images(tmp_path if write_image(tmp_path / "download.bin", kind) else "") != []


def test_images_that_cannot_be_decoded_are_not_left_aside(tmp_path):
    for name in ("a.dng", "b.CR2", "c.jxl", "d.svg"):
        (tmp_path / name).write_bytes(b"some image")
    assert len(find_images(tmp_path)) == 4


def test_what_is_left_aside_is_counted(folder):
    (folder / "talk.mov").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "README").write_bytes(b"")
    found = scan_inputs(folder)
    assert dict(found.left_aside) == {".txt": 1, ".mov": 1, "hidden": 1, "without a suffix": 1}
    assert found.describe_left_aside().startswith("Skipped: 4 files (")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root opens every folder")
def test_a_folder_that_cannot_be_opened_is_counted(folder):
    (folder / "sub").chmod(0)
    try:
        assert scan_inputs(folder).left_aside["folder that cannot be opened"] == 1
    finally:
        (folder / "sub").chmod(0o755)


def test_a_broken_link_to_an_image_has_a_row(folder):
    (folder / "z.jpg").symlink_to("gone.jpg")
    assert find_images(folder)[-1].name in ("z.jpg", "a.PNG")
    assert len(find_images(folder)) == 5

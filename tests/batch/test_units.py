import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from batch_media import ROOT, write_image

from fer.batch.units import find_offsets, is_manifest, read_units, write_units
from fer.errors import DataError, ImageError, SettingsError


@pytest.fixture
def lists(tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    return folder


def read_list(path: Path) -> list[str]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_manifest(path: Path, column: str, cells: list[str]) -> Path:
    path.write_text("".join(f"{text}\n" for text in [f"number,{column}", *(f"{i},{c}" for i, c in enumerate(cells))]))
    return path


def test_a_folder_has_its_images_and_videos_and_counts_the_rest(tmp_path, lists):
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder, "b.png", 1)
    write_image(folder, "a.png", 1)
    (folder / "talk.mp4").write_bytes(b"video")
    (folder / "notes.txt").write_text("no image")
    units, left_aside = write_units(folder, lists)
    assert read_list(lists / "images.txt") == [str(folder / "a.png"), str(folder / "b.png")]
    assert read_list(lists / "videos.txt") == [str(folder / "talk.mp4")]
    assert (units["image"].count, units["video"].count) == (2, 1)
    assert left_aside == "Skipped: 1 file (1 .txt)."


def test_paths_of_a_manifest_begin_at_its_folder_and_addresses_stay(tmp_path, lists):
    manifest = write_manifest(tmp_path / "all.csv", "path", ["a.jpg", "/b/c.mp4", "file:///d.png", ""])
    write_units(manifest, lists)
    assert read_list(lists / "images.txt") == [str(tmp_path / "a.jpg"), "file:///d.png"]
    assert read_list(lists / "videos.txt") == ["/b/c.mp4"]


def test_the_column_of_a_manifest_can_name_the_kind(tmp_path, lists):
    write_units(write_manifest(tmp_path / "all.csv", "video", ["recording.dat"]), lists)
    assert read_list(lists / "videos.txt") == [str(tmp_path / "recording.dat")]


def test_repeats_are_dropped_and_counted_whatever_lies_between(tmp_path, lists):
    manifest = write_manifest(tmp_path / "all.csv", "path", ["a.jpg", "b.jpg", "a.jpg", "c.jpg", "b.jpg", "a.jpg"])
    units, _ = write_units([manifest, str(tmp_path / "all.csv")], lists)
    assert read_list(lists / "images.txt") == [str(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    assert (units["image"].count, units["image"].repeats) == (3, 9)


def test_a_name_that_is_not_utf_8_is_read_back(tmp_path, lists):
    name = os.fsdecode(b"gr\xfc\xdfe\n.png")
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder, name, 1)
    write_units(folder, lists)
    assert read_units(lists / "images.txt", 0, 1) == [str(folder / name)]


def test_offsets_lead_to_every_part(tmp_path, lists):
    write_units(write_manifest(tmp_path / "all.csv", "path", [f"{i}.jpg" for i in range(11)]), lists)
    offsets = find_offsets(lists / "images.txt", 4)
    counts = [4, 4, 3]
    units = [u for o, n in zip(offsets, counts, strict=True) for u in read_units(lists / "images.txt", o, n)]
    assert units == [str(tmp_path / f"{i}.jpg") for i in range(11)]


def test_a_folder_of_addresses_is_listed(tmp_path, lists):
    folder = tmp_path / "in"
    folder.mkdir()
    write_image(folder, "a.png", 1)
    (folder / "notes.txt").write_text("no image")
    _, left_aside = write_units(f"file://{folder}/", lists)
    assert read_list(lists / "images.txt") == [f"file://{folder}/a.png"]
    assert left_aside == "Skipped: 1 file (1 .txt)."


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv", "a.csv.gz"])
def test_a_manifest_is_known_by_its_suffix(name):
    assert is_manifest(name)


@pytest.mark.parametrize("name", ["a.jpg", "csv", "a.csv.jpg", "a.gz"])
def test_other_files_are_no_manifests(name):
    assert not is_manifest(name)


def test_a_manifest_without_a_known_column_names_its_columns(tmp_path, lists):
    with pytest.raises(DataError, match="number, file"):
        write_units(write_manifest(tmp_path / "all.csv", "file", ["a.jpg"]), lists)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'path\n"a'])
def test_a_damaged_manifest_is_one_error(tmp_path, lists, content):
    (tmp_path / "all.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"all\.csv"):
        write_units(tmp_path / "all.csv", lists)


def test_a_missing_manifest_is_one_error(tmp_path, lists):
    with pytest.raises(DataError, match=r"gone\.csv"):
        write_units(tmp_path / "gone.csv", lists)


def test_a_manifest_without_rows_is_an_error(tmp_path, lists):
    with pytest.raises(ImageError, match="at least one"):
        write_units(write_manifest(tmp_path / "all.csv", "path", []), lists)


def test_an_address_that_nothing_reads_is_an_error(tmp_path, lists):
    with pytest.raises(SettingsError, match="nothing://"):
        write_units(write_manifest(tmp_path / "all.csv", "path", ["nothing://a.jpg"]), lists)


_MEASURE = """
import resource, sys
from pathlib import Path
from fer.batch.units import write_units
folder = Path(sys.argv[1])
def measure(count):
    with open(folder / "all.csv", "w") as stream:
        stream.write("path\\n")
        stream.writelines(f"a/folder/with/a/long/name/to/fill/memory/photo_{i:09d}.jpg\\n" for i in range(count))
    units, _ = write_units(folder / "all.csv", folder)
    assert units["image"].count == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = measure(40_000)
print(measure(400_000) - before)
"""


def test_a_manifest_is_not_held_in_memory(tmp_path):
    pytest.importorskip("resource", reason="reads the memory of a process")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _MEASURE, str(tmp_path)]
    growth = float(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
    # The paths of 360,000 rows alone are 28 MB, and as strings of Python 45 MB.
    assert growth < 20

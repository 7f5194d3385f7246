from pathlib import Path

import numpy as np
import pytest

from fer.bench.datasets import write_table
from fer.data import draw_sample, load_dataset, mapped, prepare_dataset, save_dataset
from fer.data.mapped import open_face_file
from fer.errors import OutputError


def is_mapped(array: np.ndarray) -> bool:
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = array.base if isinstance(array, np.ndarray) else None
    return False


def test_faces_of_a_prepared_file_are_mapped_and_read_only(tmp_path):
    dataset = draw_sample(140, name="tiny")
    save_dataset(dataset, tmp_path)
    loaded = load_dataset("tiny", tmp_path)
    assert is_mapped(loaded.faces)
    np.testing.assert_array_equal(loaded.faces, dataset.faces)
    with pytest.raises(ValueError, match="read-only"):
        loaded.faces[0] = 0


def test_mapped_faces_outlive_the_replacement_of_their_file(tmp_path):
    dataset = draw_sample(140, name="tiny")
    save_dataset(dataset, tmp_path)
    loaded = load_dataset("tiny", tmp_path)
    save_dataset(draw_sample(140, name="tiny", seed=5), tmp_path)
    np.testing.assert_array_equal(loaded.faces, dataset.faces)


def test_a_compressed_file_is_read_into_memory(tmp_path):
    dataset = draw_sample(140, name="tiny")
    path = save_dataset(dataset, tmp_path)
    with np.load(path) as content:
        np.savez_compressed(path, **content)
    loaded = load_dataset("tiny", tmp_path)
    assert not is_mapped(loaded.faces)
    assert loaded.fingerprint == dataset.fingerprint


def test_a_part_of_a_data_set_is_in_memory(tmp_path):
    save_dataset(draw_sample(140, name="tiny"), tmp_path)
    assert not is_mapped(load_dataset("tiny", tmp_path).part("validation").faces)


def test_collected_faces_stay_when_their_file_is_closed(tmp_path):
    faces = draw_sample(140).faces
    with open_face_file(tmp_path / "not" / "there") as face_file:
        face_file.append(faces[:3])
        face_file.append(faces[3])
        collected = face_file.map()
    assert is_mapped(collected)
    np.testing.assert_array_equal(collected, faces[:4])
    assert list(tmp_path.iterdir()) == []


def test_no_faces_are_an_empty_array():
    with open_face_file() as face_file:
        assert face_file.map().shape == (0, 48, 48)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(mapped.tempfile, "TemporaryFile", lambda dir: Path("/dev/full").open("w+b"))  # noqa: SIM115
    write_table(tmp_path / "table.csv", 10)
    with pytest.raises(OutputError, match="No space left"):
        prepare_dataset(tmp_path / "table.csv", "full", tmp_path)

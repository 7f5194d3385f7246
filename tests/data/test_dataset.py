import zipfile
from dataclasses import replace

import numpy as np
import pytest
from data_sources import catch_message, draw_faces
from hypothesis import given
from hypothesis import strategies as st

from fer.data.dataset import Dataset, load_dataset, save_dataset
from fer.data.drawn.sample import draw_sample
from fer.errors import DataError, OutputError, SettingsError

ARRAYS = ("faces", "labels", "split", "votes", "clean")


def make_dataset(count: int = 12, **replaced) -> Dataset:
    rng = np.random.default_rng(1)
    arrays = {
        "faces": draw_faces(count),
        "labels": np.arange(count, dtype=np.int64) % 7,
        "split": (np.arange(count) % 3).astype(np.uint8),
        "votes": rng.integers(0, 11, (count, 10), dtype=np.uint8),
        "clean": rng.random(count) < 0.5,
    }
    return Dataset("tiny", **(arrays | replaced), source="csv")


def test_a_loaded_data_set_equals_the_saved_one(tmp_path):
    dataset = make_dataset()
    path = save_dataset(dataset, tmp_path / "new" / "folder")
    for loaded in (load_dataset("tiny", tmp_path / "new" / "folder"), load_dataset(path)):
        assert all(np.array_equal(getattr(dataset, field), getattr(loaded, field)) for field in ARRAYS)
        assert all(getattr(dataset, field).dtype == getattr(loaded, field).dtype for field in ARRAYS)
        assert (loaded.name, loaded.is_sample, loaded.source) == ("tiny", False, "csv")
        assert loaded.fingerprint == dataset.fingerprint


def test_a_sample_is_one_after_loading(tmp_path):
    save_dataset(replace(make_dataset(), source="sample"), tmp_path)
    assert load_dataset("tiny", tmp_path).is_sample is True


def test_a_file_that_also_stores_is_sample_is_read(tmp_path):
    # As written before ``is_sample`` was derived from the source.
    path = save_dataset(replace(make_dataset(), source="sample"), tmp_path)
    with np.load(path) as content:
        stored = dict(content)
    np.savez(path, is_sample=True, **stored)
    assert load_dataset("tiny", tmp_path).is_sample is True


@pytest.mark.parametrize("field", ARRAYS)
@given(row=st.integers(0, 11))
def test_the_fingerprint_changes_with_any_row_of_any_array(field, row):
    dataset = make_dataset()
    changed = getattr(dataset, field).copy()
    changed[row] = ~changed[row] if changed.dtype == bool else (changed[row] + 1) % 3
    same = np.array_equal(changed, getattr(dataset, field))
    assert (replace(dataset, **{field: changed}).fingerprint == dataset.fingerprint) is same


def test_the_fingerprint_ignores_name_and_source():
    dataset = make_dataset()
    assert replace(dataset, name="other", source="folder").fingerprint == dataset.fingerprint


def test_the_fingerprint_changes_with_the_number_of_rows():
    assert make_dataset(11).fingerprint != make_dataset(12).fingerprint


def test_part_keeps_the_rows_of_one_split_in_order():
    dataset = make_dataset()
    part = dataset.part("validation")
    assert np.array_equal(part.faces, dataset.faces[1::3])
    assert np.array_equal(part.labels, dataset.labels[1::3])
    assert len(part) == 4
    assert set(part.split) == {1}


def test_is_in_marks_the_rows_of_one_split():
    assert make_dataset(7).is_in("test").tolist() == [False, False, True, False, False, True, False]


@pytest.mark.parametrize("method", ["part", "is_in"])
def test_an_unknown_split_is_refused(method):
    with pytest.raises(SettingsError, match=r"Use 'train', 'validation', 'test'. Received: 'val'"):
        getattr(make_dataset(), method)("val")


def test_count_classes_counts_each_row_once():
    counts = make_dataset(21, split=np.repeat(np.arange(3, dtype=np.uint8), 7)).count_classes()
    assert np.array_equal(counts, np.ones((3, 7)))


@pytest.mark.parametrize(
    "replaced",
    [
        {"faces": np.zeros((12, 48, 48), np.float32)},
        {"faces": np.zeros((12, 48, 47), np.uint8)},
        {"labels": np.zeros(11, np.int64)},
        {"labels": np.full(12, 7, np.int64)},
        {"labels": np.full(12, -1, np.int64)},
        {"split": np.full(12, 3, np.uint8)},
        {"votes": np.zeros((12, 7), np.uint8)},
        {"clean": np.zeros(12, np.uint8)},
    ],
)
def test_an_array_with_another_type_shape_or_range_is_refused(replaced):
    with pytest.raises(DataError, match=next(iter(replaced))):
        make_dataset(**replaced)


def test_the_error_for_a_missing_file_names_the_task(tmp_path):
    with pytest.raises(DataError, match="invoke preprocess"):
        load_dataset("absent", tmp_path)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused_with_one_line(tmp_path, keep):
    path = save_dataset(make_dataset(), tmp_path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match="invoke preprocess") as caught:
        load_dataset("tiny", tmp_path)
    assert "\n" not in str(caught.value)


def test_an_altered_array_is_refused(tmp_path):
    path = save_dataset(make_dataset(), tmp_path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["faces.npy"] = members["faces.npy"][:-1] + bytes([members["faces.npy"][-1] ^ 1])
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match="fingerprint"):
        load_dataset("tiny", tmp_path)


def test_a_plain_array_file_is_refused(tmp_path):
    with (tmp_path / "array.npz").open("wb") as stream:
        np.save(stream, np.zeros(3))
    with pytest.raises(DataError, match=r"array\.npz"):
        load_dataset(tmp_path / "array.npz")


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "a b", "tiny.npz"])
def test_a_name_that_is_not_a_plain_file_name_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="name"):
        save_dataset(replace(make_dataset(), name=name), tmp_path / "data")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch, error):
    path = save_dataset(make_dataset(), tmp_path)
    old = path.read_bytes()

    def fail(stream, **arrays):
        stream.write(b"half of the new")
        raise error

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(error):
        save_dataset(make_dataset(7), tmp_path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"tiny\.npz"):
        save_dataset(make_dataset(), tmp_path / "file")


def test_an_altered_face_is_not_read(tmp_path):
    path = save_dataset(draw_sample(140, name="tiny"), tmp_path)
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="must match its fingerprint"):
        load_dataset(path)


def test_damaged_members_give_one_short_line(tmp_path):
    dataset = draw_sample(140, name="tiny")
    whole = save_dataset(dataset, tmp_path).read_bytes()
    generator = np.random.default_rng(0)
    path = tmp_path / "damaged.npz"
    # The faces are most of the file; what can fail in other ways is in the headers and the directory at its end.
    structure = np.r_[0:400, len(whole) - 6000 : len(whole)]
    for round_number in range(400):
        content = bytearray(whole)
        for index in generator.choice(structure, size=1 + round_number % 3):
            content[index] = generator.integers(256)
        if round_number % 7 == 0:
            del content[int(generator.choice(structure)) :]
        path.write_bytes(content)
        message = catch_message(lambda: load_dataset(path))
        assert len(message) <= 300
        assert message.isprintable()

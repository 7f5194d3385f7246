import re

import numpy as np
import pytest
from data_sources import draw_faces, write_tree
from PIL import Image

from fer.data.sources.folders import read_folder
from fer.data.sources.splitting import merge_groups
from fer.errors import DataError, SettingsError


def write_persons(root, num_persons=12, layout="{name}/{person}/{number}.png"):
    """Write two faces per person and expression; return the person of each in reading order."""
    for person in range(num_persons):
        for index, name in enumerate(("happy", "sad", "fear")):
            for number in range(2):
                path = root / layout.format(name=name, person=f"S{person:03}", number=number)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draw_faces(1, seed=person * 100 + index * 10 + number)[0]).save(path)
    paths = sorted(path.relative_to(root) for path in root.rglob("*.png"))
    return [re.search(r"S\d+", path.as_posix()).group() for path in paths]


def find_splits(raw, persons):
    splits = {}
    for person, code in zip(persons, raw.split.tolist(), strict=True):
        splits.setdefault(person, set()).add(code)
    return splits


def test_a_flat_tree_of_classes_gets_both_splits(tmp_path):
    write_tree(tmp_path, {".": 20})
    raw = read_folder(tmp_path)
    for split, count in ((0, 16), (1, 2), (2, 2)):
        assert np.bincount(raw.labels[raw.split == split], minlength=7).tolist() == [count] * 7
    assert "No test split: moved 14 of 140" in raw.notes[0]
    assert "No validation split: moved 14 of 126" in raw.notes[1]


def test_a_tree_without_test_gets_one_and_keeps_its_validation(tmp_path):
    write_tree(tmp_path, {"train": 20, "val": 3})
    assert np.bincount(read_folder(tmp_path).split).tolist() == [126, 21, 14]


@pytest.mark.parametrize(
    ("layout", "group_by"),
    [
        ("{name}/{person}/{number}.png", None),
        ("{name}/{person}/{number}.png", "folder"),
        ("{person}/{name}/{number}.png", "folder"),
        ("{name}/{person}_{number}.png", "name"),
    ],
)
def test_a_person_is_in_one_of_the_drawn_splits(tmp_path, layout, group_by):
    persons = write_persons(tmp_path, layout=layout)
    raw = read_folder(tmp_path, group_by=group_by)
    assert all(len(codes) == 1 for codes in find_splits(raw, persons).values())
    assert set(raw.split) == {0, 1, 2}
    assert "stratified, by person, seed 0" in raw.notes[0]


def test_persons_are_split_without_grouping(tmp_path):
    persons = write_persons(tmp_path)
    raw = read_folder(tmp_path, group_by="none")
    assert any(len(codes) > 1 for codes in find_splits(raw, persons).values())


def test_grouping_by_folder_without_such_folders_is_refused(tmp_path):
    write_tree(tmp_path, {"train": 20, "test": 1})
    with pytest.raises(SettingsError, match="one per person"):
        read_folder(tmp_path, group_by="folder")


def test_an_unknown_grouping_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(SettingsError, match=r"'foldr'.*did you mean 'folder'"):
        read_folder(tmp_path, group_by="foldr")


def test_too_few_persons_are_refused(tmp_path):
    write_persons(tmp_path, num_persons=2)
    with pytest.raises(DataError, match="2 persons"):
        read_folder(tmp_path)


def test_rows_that_share_either_group_are_merged():
    merged = merge_groups(np.array([7, 7, 3, 4, 5]), np.array([1, 2, 2, 8, 9]))
    assert merged[0] == merged[1] == merged[2]
    assert len(set(merged.tolist())) == 3
    assert merge_groups(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0,)

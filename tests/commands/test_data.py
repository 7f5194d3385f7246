from pathlib import Path

import pytest
from data_sources import write_tree
from training_runs import ignore

from fer import commands
from fer.data import draw_sample, save_dataset
from fer.errors import DataError

SPLITS = {"train": 2, "validation": 1, "test": 1}


def test_the_default_name_comes_from_the_source(folder):
    write_tree(folder / "my faces", SPLITS)
    assert commands.preprocess(str(folder / "my faces"), log=ignore) == Path("data/my_faces.npz")


def test_another_data_set_of_the_same_name_is_replaced_only_with_overwrite(folder):
    save_dataset(draw_sample(140, name="trees", seed=3))
    before = Path("data/trees.npz").read_bytes()
    write_tree(folder / "trees", SPLITS)
    with pytest.raises(DataError, match="--overwrite"):
        commands.preprocess("trees", log=ignore)
    assert Path("data/trees.npz").read_bytes() == before
    commands.preprocess("trees", overwrite=True, log=ignore)
    assert Path("data/trees.npz").read_bytes() != before
    # The same data set again changes nothing.
    commands.preprocess("trees", log=ignore)


def test_relight_writes_photos_and_names_the_next_task(folder):
    save_dataset(draw_sample(140))
    lines = []
    commands.relight("night", data="sample", train=3, test=2, log=lines.append)
    assert len(list((folder / "night").rglob("*.jpg"))) == 5
    assert "invoke preprocess --source night --detect" in lines[0]

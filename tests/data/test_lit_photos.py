import numpy as np
import pytest

from fer.data import draw_sample
from fer.data.lit_photos import choose_evenly, write_lit_photos
from fer.errors import DataError, OutputError
from fer.labels import EXPRESSIONS
from fer.vision.images import decode_image
from fer.vision.synthetic_photos import PHOTO_SIZE


def test_photos_are_written_into_a_folder_tree(tmp_path):
    write_lit_photos(draw_sample(140), tmp_path / "lit", num_train=7, num_test=5)
    paths = sorted((tmp_path / "lit").rglob("*.jpg"))
    assert [path.parts[-3] for path in paths].count("train") == 7
    assert {path.parent.name for path in paths if "train" in path.parts} == set(EXPRESSIONS)
    assert len({path.stem for path in paths}) == 12
    assert decode_image(paths[0]).shape == (*PHOTO_SIZE, 3)


def test_the_same_seed_writes_the_same_photos(tmp_path):
    for name in "ab":
        write_lit_photos(draw_sample(140), tmp_path / name, num_train=3, num_test=2)
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.jpg")} for name in "ab")
    assert first == second


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="empty folder"):
        write_lit_photos(draw_sample(140), tmp_path, num_train=3, num_test=2)


def test_too_many_photos_are_refused_before_any_is_written(tmp_path):
    with pytest.raises(DataError, match="must have 22 faces"):
        write_lit_photos(draw_sample(140), tmp_path / "lit", num_train=20, num_test=2)
    assert not (tmp_path / "lit").exists()


def test_rows_are_chosen_evenly_while_there_are_any():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    rows = choose_evenly(np.arange(7), labels, 5)
    assert sorted(labels[rows]) == [0, 0, 1, 1, 2]

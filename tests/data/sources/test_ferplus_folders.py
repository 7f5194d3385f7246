import shutil
from pathlib import Path

import numpy as np
import pytest
from data_sources import draw_faces
from PIL import Image

from fer.data import load_dataset, prepare_dataset
from fer.data.sources.folders import read_folder
from fer.errors import DataError
from fer.labels import EXPRESSIONS

#: Votes by FER+'s columns: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, NF.
HAPPY, ANGRY, TIE, CONTEMPT = (
    (0, 9, 0, 0, 0, 0, 0, 0, 0, 1),
    (2, 0, 0, 0, 8, 0, 0, 0, 0, 0),
    (5, 5, 0, 0, 0, 0, 0, 0, 0, 0),
    (0, 0, 0, 0, 0, 0, 0, 10, 0, 0),
)
FOLDERS = ("FER2013Train", "FER2013Valid", "FER2013Test")


@pytest.fixture
def tree(tmp_path):
    """FER+ as its code writes it, two good images and two without a majority in each split."""
    faces = iter(draw_faces(12))
    for folder in FOLDERS:
        (tmp_path / "ferplus" / folder).mkdir(parents=True)
        lines = []
        for number, votes in enumerate((HAPPY, TIE, ANGRY, CONTEMPT)):
            name = f"fer{number:07}.png"
            Image.fromarray(next(faces)).save(tmp_path / "ferplus" / folder / name)
            lines.append(f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes))}')
        (tmp_path / "ferplus" / folder / "label.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "ferplus"


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_the_labels_are_the_majority_and_the_votes_are_kept(tree, tmp_path, kind):
    source = tree if kind == "folder" else shutil.make_archive(str(tmp_path / "packed"), kind, tree)
    preparation = prepare_dataset(source, "ferplus", tmp_path / "data")
    dataset = load_dataset(str(preparation.path))
    assert [EXPRESSIONS[label] for label in dataset.labels] == ["happy", "angry"] * 3
    assert dataset.split.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.array_equal(dataset.votes, np.array([HAPPY, ANGRY] * 3))
    assert np.array_equal(dataset.faces, draw_faces(12)[[0, 2, 4, 6, 8, 10]])
    assert "Left out, without a majority for an expression: 6 images." in preparation.notes


def test_a_listed_image_that_is_missing_is_a_bad_row_and_an_unlisted_one_is_counted(tree):
    (tree / "FER2013Test" / "fer0000000.png").rename(tree / "FER2013Test" / "other.png")
    raw = read_folder(tree)
    assert [reject.location for reject in raw.rejects] == ["FER2013Test/fer0000000.png"]
    assert "Ignored 1 image outside class folders." in raw.notes


@pytest.mark.parametrize("line", ["fer.png,1,2", 'fer.png,"(0, 0, 48, 48)",1,2,3,4,5,6,7,8,9,x'])
def test_a_line_that_is_none_of_ferplus_is_refused(tree, line):
    (tree / "FER2013Test" / "label.csv").write_text(line + "\n")
    with pytest.raises(DataError, match=r"FER\+ list"):
        read_folder(Path(tree))

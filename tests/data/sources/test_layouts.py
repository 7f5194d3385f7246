import itertools

import numpy as np
import pytest
from data_sources import draw_faces, write_tree
from PIL import Image

from fer.data.sources.folders import read_folder
from fer.data.sources.names import CODES
from fer.errors import DataError
from fer.labels import EXPRESSIONS

SPLITS = {"train": 3, "val": 2, "test": 1}
RAFDB_ORDER = ["surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"]


def name_labels(raw, split=2):
    return [EXPRESSIONS[label] for label in raw.labels[raw.split == split]]


def write_face(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_faces(1, seed=seed)[0]).save(path)


@pytest.mark.parametrize("mark", ["file names", "tables of labels"])
def test_numbers_of_a_tree_with_rafdbs_marks_are_its_codes(tmp_path, mark):
    write_tree(tmp_path, {"train": 20, "test": 1}, map(str, range(1, 8)))
    if mark == "file names":
        for number, path in enumerate(sorted(tmp_path.rglob("*.png"))):
            path.rename(path.with_name(f"{path.parent.parent.name}_{number:05}_aligned.png"))
    else:
        for split in ("train", "test"):
            (tmp_path / f"{split}_labels.csv").write_text("image,label\n")
    raw = read_folder(tmp_path)
    assert name_labels(raw) == RAFDB_ORDER
    assert any("codes of RAF-DB: 1 surprise, 2 fear" in note for note in raw.notes)


@pytest.mark.parametrize("codes", [range(7), range(1, 8), range(8)])
def test_numbered_folders_without_marks_ask_for_a_mapping(tmp_path, codes):
    write_tree(tmp_path, SPLITS, map(str, codes))
    with pytest.raises(DataError, match=r"numbers need a mapping.*`--mapping` with rafdb, fer2013, affectnet"):
        read_folder(tmp_path)


def test_affectnets_numbers_are_read_with_its_mapping(tmp_path):
    write_tree(tmp_path, {"train_set": 3, "val_set": 2, "test_set": 1}, map(str, range(8)))
    raw = read_folder(tmp_path, mapping=CODES["affectnet"])
    assert name_labels(raw) == ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]
    assert raw.notes[-1] == "Left out by the mapping: 6 of '7'."


def test_the_codes_of_a_mapping_are_said(tmp_path):
    write_tree(tmp_path, SPLITS, map(str, range(7)))
    raw = read_folder(tmp_path, mapping=CODES["fer2013"])
    assert name_labels(raw) == list(EXPRESSIONS)
    assert "Numbered folders are read by the mapping: 0 angry, 1 disgust, 2 fear" in raw.notes[0]


@pytest.mark.parametrize(
    "names",
    [
        ("FER2013Train", "FER2013Valid", "FER2013Test"),
        ("Training", "dev", "Testing"),
        ("train_set", "val_set", "test_set"),
        ("Training", "PublicTest", "PrivateTest"),
    ],
)
def test_spellings_of_the_splits(tmp_path, names):
    write_tree(tmp_path, dict(zip(names, (3, 2, 1), strict=True)))
    assert np.bincount(read_folder(tmp_path).split).tolist() == [21, 14, 7]


def test_a_folder_beside_the_splits_that_is_none_is_refused_with_its_count(tmp_path):
    write_tree(tmp_path, SPLITS | {"holdout": 3})
    with pytest.raises(DataError, match=r"'holdout' \(21 images\)"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("splits", "meaning", "counts"),
    [
        ({"train": 20, "eval": 1}, "test", [126, 14, 7]),
        ({"train": 3, "dev": 2, "eval": 1}, "test", [21, 14, 7]),
        ({"train": 3, "eval": 1, "test": 2}, "validation", [21, 7, 14]),
    ],
)
def test_eval_is_the_test_split_unless_there_is_one(tmp_path, splits, meaning, counts):
    write_tree(tmp_path, splits)
    raw = read_folder(tmp_path)
    assert np.bincount(raw.split).tolist() == counts
    assert raw.notes[0] == f"The folder 'eval' is the {meaning} split."


@pytest.mark.parametrize("layout", ["{split}/{name}", "{name}/{split}", "all/{split}/{name}", "{split}/{name}/S1"])
def test_splits_and_classes_are_found_at_any_depth(tmp_path, layout):
    for number, (split, name) in enumerate(itertools.product(SPLITS, ("happy", "sad"))):
        write_face(tmp_path / layout.format(split=split, name=name) / "1.png", seed=number)
    raw = read_folder(tmp_path)
    rows = sorted(zip(raw.split.tolist(), raw.labels.tolist(), strict=True))
    assert rows == [(split, EXPRESSIONS.index(name)) for split in range(3) for name in ("happy", "sad")]


def test_images_outside_class_folders_are_counted(tmp_path):
    write_tree(tmp_path, SPLITS)
    write_face(tmp_path / "contact.png")
    write_face(tmp_path / "train" / "loose.png")
    raw = read_folder(tmp_path)
    assert len(raw.faces) == 42
    assert raw.notes == ("Ignored 2 images outside class folders.",)


@pytest.mark.parametrize(("name", "hint"), [("suprise", "surprise"), ("Hapy", "happy"), ("Angery", "angry")])
def test_a_misspelt_class_folder_names_the_nearest_expression(tmp_path, name, hint):
    write_tree(tmp_path, SPLITS, ["fear", name])
    raw = read_folder(tmp_path)
    assert len(raw.rejects) == 6
    assert f"it is {name!r}; did you mean {hint!r}?" in raw.rejects[0].reason


def test_a_tree_without_any_expression_is_refused_with_the_nearest(tmp_path):
    write_tree(tmp_path, SPLITS, ["suprise", "hapy"])
    with pytest.raises(DataError, match="'hapy'; did you mean 'happy'"):
        read_folder(tmp_path)


@pytest.mark.parametrize("kind", ["aligned", "original"])
def test_rafdb_is_read_as_its_authors_publish_it(tmp_path, kind):
    lines = []
    for number in range(1, 148):
        stem = f"train_{number:05}" if number <= 140 else f"test_{number - 140:04}"
        lines.append(f"{stem}.jpg {(number - 1) % 7 + 1}")
        suffix = "_aligned" if kind == "aligned" else ""
        write_face(tmp_path / "Image" / kind / f"{stem}{suffix}.jpg", seed=number)
    lines.append("test_0099.jpg 1")
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    raw = read_folder(tmp_path)
    assert np.bincount(raw.split).tolist() == [126, 14, 7]
    assert name_labels(raw) == RAFDB_ORDER
    assert [reject.location for reject in raw.rejects] == ["test_0099"]
    assert "codes of RAF-DB" in raw.notes[0]

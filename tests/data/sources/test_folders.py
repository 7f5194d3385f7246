import io

import numpy as np
import pytest
import skimage.data
from data_sources import draw_faces, write_tree
from PIL import Image

from fer.data.sources.folders import read_folder
from fer.errors import DataError, SettingsError
from fer.labels import EXPRESSIONS
from fer.vision.images import prepare_face

SPLITS = {"train": 3, "val": 2, "test": 1}


def index_of(expression: str) -> int:
    return EXPRESSIONS.index(expression)


def test_grey_faces_of_48_pixels_come_back_bit_for_bit(tmp_path):
    faces = write_tree(tmp_path, SPLITS)
    raw = read_folder(tmp_path)
    assert np.array_equal(raw.faces, faces)
    assert raw.split.tolist() == [0] * 21 + [1] * 14 + [2] * 7
    assert raw.rejects == ()
    assert raw.notes == ()


def test_labels_follow_the_names_not_their_order(tmp_path):
    write_tree(tmp_path, SPLITS)
    raw = read_folder(tmp_path)
    # In alphabetical order neutral precedes sad and surprise; in EXPRESSIONS it is the last.
    expected = [index_of(name) for name in sorted(EXPRESSIONS)]
    assert raw.labels[raw.split == 2].tolist() == expected
    assert expected == [0, 1, 2, 3, 6, 4, 5]


@pytest.mark.parametrize("folder", ["val", "valid", "validation", "Validation", "PublicTest"])
def test_spellings_of_the_validation_folder(tmp_path, folder):
    write_tree(tmp_path, {"train": 1, folder: 1, "test": 1})
    assert np.bincount(read_folder(tmp_path).split).tolist() == [7, 7, 7]


def test_a_tree_nested_in_single_folders_is_found(tmp_path):
    write_tree(tmp_path / "archive" / "DATASET", SPLITS)
    assert len(read_folder(tmp_path).faces) == 42


def test_number_codes_from_zero_are_read_with_a_mapping(tmp_path):
    write_tree(tmp_path, SPLITS, map(str, range(7)))
    raw = read_folder(tmp_path, mapping={str(code): name for code, name in enumerate(EXPRESSIONS)})
    assert raw.labels[raw.split == 2].tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_mapping_takes_precedence_over_the_built_in_names(tmp_path):
    write_tree(tmp_path, SPLITS, ["happy", "gloom"])
    raw = read_folder(tmp_path, mapping={"gloom": "sad", "happy": "surprise"})
    assert raw.labels[raw.split == 2].tolist() == [index_of("sad"), index_of("surprise")]


def test_a_mapping_to_an_unknown_expression_is_refused(tmp_path):
    write_tree(tmp_path, SPLITS)
    with pytest.raises(SettingsError, match="'gloom' to 'contempt'"):
        read_folder(tmp_path, mapping={"gloom": "contempt"})


def test_images_of_any_size_and_colour_become_grey_faces(tmp_path):
    write_tree(tmp_path, SPLITS)
    colour = np.zeros((200, 120, 3), np.uint8)
    colour[..., 0] = 255
    Image.fromarray(colour).save(tmp_path / "train" / "angry" / "9.jpg", quality=95)
    Image.fromarray(np.full((100, 100), 40_000, np.uint16)).save(tmp_path / "train" / "angry" / "99.png")
    raw = read_folder(tmp_path)
    assert len(raw.faces) == 44
    # Red at full strength is 76 by the BT.601 weights; 40000 of 65535 is 156 of 255.
    assert raw.faces[3] == pytest.approx(np.full((48, 48), 76), abs=2)
    assert raw.faces[4] == pytest.approx(np.full((48, 48), 156), abs=1)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("spoil", [truncate, lambda content: b"", lambda content: b"not an image"])
def test_an_unreadable_image_is_rejected_alone(tmp_path, spoil):
    faces = write_tree(tmp_path, SPLITS)
    path = tmp_path / "train" / "angry" / "0001.png"
    path.write_bytes(spoil(path.read_bytes()))
    raw = read_folder(tmp_path)
    assert [reject.location for reject in raw.rejects] == ["train/angry/0001.png"]
    assert "\n" not in raw.rejects[0].reason
    assert np.array_equal(raw.faces, np.delete(faces, 1, axis=0))
    assert raw.rows.tolist() == [i for i in range(42) if i != 1]


def test_all_images_of_an_unknown_folder_are_rejected(tmp_path):
    write_tree(tmp_path, SPLITS, ["angry", "contempt"])
    raw = read_folder(tmp_path)
    assert len(raw.rejects) == 6
    assert raw.rejects[0].location == "train/contempt/0000.png"
    assert "'contempt'" in raw.rejects[0].reason
    assert set(raw.labels) == {0}


def test_other_files_are_ignored_and_counted(tmp_path):
    write_tree(tmp_path, SPLITS)
    (tmp_path / "train" / "angry" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "test" / "sad" / "._0000.png").write_bytes(b"")
    raw = read_folder(tmp_path)
    assert raw.notes == ("Ignored 2 files that are not images.",)
    assert len(raw.faces) == 42


def test_a_missing_validation_split_is_drawn_from_train(tmp_path):
    write_tree(tmp_path, {"train": 20, "test": 1})
    raw = read_folder(tmp_path)
    assert np.bincount(raw.labels[raw.split == 1], minlength=7).tolist() == [2] * 7
    assert np.bincount(raw.labels[raw.split == 0], minlength=7).tolist() == [18] * 7
    assert (raw.split == 2).sum() == 7
    assert "14 of 140" in raw.notes[0]


def test_the_drawn_validation_split_follows_the_seed(tmp_path):
    write_tree(tmp_path, {"train": 20, "test": 1})
    first, again, other = (read_folder(tmp_path, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.split, again.split)
    assert not np.array_equal(first.split, other.split)


def test_duplicates_stay_in_the_same_split_when_validation_is_drawn(tmp_path):
    write_tree(tmp_path, {"train": 20, "test": 1})
    content = (tmp_path / "train" / "fear" / "0000.png").read_bytes()
    for i in range(1, 15):
        (tmp_path / "train" / "fear" / f"{i:04}.png").write_bytes(content)
    for seed in range(4):
        raw = read_folder(tmp_path, seed=seed)
        same = (raw.faces == raw.faces[raw.labels == index_of("fear")][0]).all(axis=(1, 2))
        assert same.sum() == 15
        assert len(set(raw.split[same])) == 1


def test_too_few_images_to_draw_validation_from_are_refused(tmp_path):
    write_tree(tmp_path, {"train": 1, "test": 1})
    with pytest.raises(DataError, match="add a validation folder"):
        read_folder(tmp_path)


def test_a_tree_with_splits_but_without_train_is_refused(tmp_path):
    write_tree(tmp_path, {"val": 1, "test": 1})
    with pytest.raises(DataError, match=r"must have a 'train' folder. Received: .* with test, validation"):
        read_folder(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"images in class folders. Received: .* with 0 files and no image"):
        read_folder(tmp_path)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_folder(tmp_path / "absent")


def test_an_image_with_too_many_pixels_is_rejected(tmp_path):
    write_tree(tmp_path, SPLITS)
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    (tmp_path / "train" / "happy" / "bomb.png").write_bytes(buffer.getvalue())
    raw = read_folder(tmp_path)
    assert [reject.location for reject in raw.rejects] == ["train/happy/bomb.png"]
    assert len(raw.faces) == len(draw_faces(42))


def write_photos(root, photos):
    for path, photo in photos.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo).save(root / path)


def test_the_faces_of_whole_photos_are_detected(tmp_path):
    photo = skimage.data.astronaut()
    pair = np.concatenate([photo, photo[:, ::-1]], axis=1)
    empty = np.full((200, 300, 3), 128, np.uint8)
    write_photos(
        tmp_path,
        {
            "train/happy/a.png": photo,
            "train/happy/b.png": pair,
            "train/sad/c.png": empty,
            "val/sad/d.png": photo,
            "test/fear/e.png": photo,
        },
    )
    raw = read_folder(tmp_path, detect=True)
    assert raw.labels.tolist() == [index_of(name) for name in ("happy", "happy", "happy", "sad", "fear")]
    assert raw.split.tolist() == [0, 0, 0, 1, 2]
    assert [(reject.location, reject.reason) for reject in raw.rejects] == [
        ("train/sad/c.png", "no face was detected in the photo")
    ]
    assert raw.notes == ("1 photo shows several faces; each face has the label of its folder.",)
    # The face is found, not the centre of the photo taken for it.
    assert not np.array_equal(raw.faces[0], prepare_face(photo))
    assert np.array_equal(raw.faces[0], raw.faces[3])

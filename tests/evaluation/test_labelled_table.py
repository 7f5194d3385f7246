"""Labelled tables: which columns are read, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from fer.errors import DataError, SettingsError
from fer.evaluation.labelled_table import count_groups, read_labelled_table

PIXELS = " ".join(["7"] * 2304)


@pytest.fixture
def write(tmp_path):
    """Write a table beside an image."""
    Image.fromarray(np.zeros((60, 60), np.uint8)).save(tmp_path / "a.png")

    def write_table(*lines):
        path = tmp_path / "faces.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write_table


def test_images_are_found_beside_the_table(write, tmp_path):
    table = read_labelled_table(write("image,label,age", "a.png,happy,old", "a.png,Sadness,young"), "age")
    assert table.sources == (tmp_path / "a.png",) * 2
    assert table.y_true.tolist() == [3, 4]
    assert table.groups == ("old", "young")
    assert not table.is_faces


def test_pixels_and_numbers_of_fer2013_are_read_without_the_training_rows(write):
    rows = [
        f'{label},"{PIXELS}",{usage},{glasses}'
        for label, usage, glasses in ((0, "Training", "yes"), (6, "PublicTest", "no"), (3, "PrivateTest", "yes"))
    ]
    table = read_labelled_table(write("emotion,pixels,Usage,glasses", *rows), "glasses")
    assert table.y_true.tolist() == [6, 3]
    assert table.is_faces
    assert table.sources[0].shape == (48, 48)
    assert table.notes == ("1 training rows are left out.",)


def test_rows_without_a_group_are_counted(write):
    table = read_labelled_table(write("image,label,age", "a.png,sad,old", "a.png,sad,", "a.png,sad,young"), "age")
    assert count_groups(table) == {"old": 1, "young": 1}
    assert table.notes == ("1 rows without a group are left out.",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("image,label", "a.png,sad"), "'age'.*'image', 'label'"),
        (("file,label,age", "a.png,sad,old"), "image or pixels"),
        (("image,label,age", "a.png,2,old", "a.png,sad,young"), r"1 bad rows \(row 1: the label must be an expression"),
        (("image,label,age", "a.png,sad,old", "b.png,sad,young"), r"row 2: no file 'b\.png'"),
        (("image,label,age,age ", "a.png,sad,old,x", "a.png,sad,young,y"), "'age' twice"),
        (("image,label,age", f"{'a' * 300}.png,sad,old", "a.png,sad,young"), "row 1: no file 'a{70}"),
        (("image,label,age", "0,a.png,much,old", "1,a.png,sad,young"), "row 1: the label must be an expression"),
        (("image,emotion,age", "a.png,²,old", "a.png,1,young"), "row 1: the emotion must be an expression; it is '²'"),
        (("image,emotion,age", f"a.png,{'9' * 5000},old", "a.png,1,young"), "row 1: the emotion must be an expression"),
        (("image,label,age",), "must have rows with a group"),
        (("image,label,age", "a.png,sad,old,", "a.png,sad,young,"), "as many fields as the header"),
        (("pixels,label,age", "1 2,sad,old", f"{PIXELS},sad,young"), "row 1: a face must have 2304 pixels"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_data_error(write, lines, message):
    with pytest.raises(DataError, match=message) as caught:
        read_labelled_table(write(*lines), "age")
    assert len(str(caught.value)) < 500
    assert "Remedy" in str(caught.value)


def test_names_of_any_length_and_with_line_breaks_give_one_short_line(write, tmp_path):
    write("x" * 5000 + ",label,age").rename(tmp_path / "two\nlines.csv")
    with pytest.raises(DataError, match=r"two\\nlines\.csv with 'x{100}") as caught:
        read_labelled_table(tmp_path / "two\nlines.csv", "age" * 500)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    with pytest.raises(DataError, match="missing"):
        read_labelled_table("a" * 300 + ".csv", "age")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_separated_by_semicolons_or_tabs_is_read(write, delimiter):
    lines = ("image,label,age", "a.png,sad,old", "a.png,happy,young")
    table = read_labelled_table(write(*(line.replace(",", delimiter) for line in lines)), "age")
    assert table.y_true.tolist() == [4, 3]


def test_white_space_makes_no_other_group(write):
    table = read_labelled_table(
        write("image,label,age", "a.png,sad,old ", "a.png,sad,old", 'a.png,sad,"very\nold"'), "age"
    )
    assert count_groups(table) == {"old": 2, "very old": 1}


@pytest.mark.parametrize("values", [["same"] * 50, [f"person {i}" for i in range(50)]])
def test_a_column_of_one_or_too_many_values_is_refused(write, values):
    path = write("image,label,age", *(f"a.png,sad,{value}" for value in values))
    with pytest.raises(SettingsError, match="2 to 40 different values"):
        read_labelled_table(path, "age")


@pytest.mark.parametrize(("name", "reason"), [("none.csv", "missing"), ("data/fer2013.npz", "has no groups")])
def test_a_missing_table_or_a_prepared_data_set_is_a_data_error(name, reason):
    with pytest.raises(DataError, match=reason):
        read_labelled_table(name, "age")

import io
import json
import zipfile

import pandas as pd
import pytest
import skimage.data
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.errors import OutputError, SettingsError
from fer.reports import tables
from fer.reports.tables import FACE_COLUMNS, IMAGE_COLUMNS, build_table, choose_table_writer, faces_to_table


def test_faces_become_one_row_each():
    faces = Analyzer(StubClassifier(), StubDetector([(10.0, 20.0, 60.0, 80.0)] * 2)).analyze(skimage.data.astronaut())
    table = faces_to_table(faces)
    assert table["face"].tolist() == [1, 2]
    row = table.iloc[0]
    assert row["label"] == faces[0].label
    assert row[faces[0].label] == pytest.approx(faces[0].confidence, abs=1e-4)
    assert row[["x_min", "y_min", "x_max", "y_max"]].tolist() == [10.0, 20.0, 60.0, 80.0]


def test_a_table_takes_a_single_face():
    (face,) = Analyzer(StubClassifier(), StubDetector([(10.0, 20.0, 60.0, 80.0)])).analyze(skimage.data.astronaut())
    pd.testing.assert_frame_equal(faces_to_table(face), faces_to_table([face]))
    with pytest.raises(SettingsError, match=r"fer\.Face"):
        faces_to_table([[face]])


def test_a_table_of_no_faces_has_the_columns_of_faces():
    table = faces_to_table([])
    assert list(table.columns) == list(FACE_COLUMNS)
    assert len(table) == 0


def test_missing_values_do_not_change_the_type_of_a_column():
    table = build_table(
        [{"image": "a.png"}, {"image": "b.png", "face": 1, "uncertain": True}], ("image", *FACE_COLUMNS)
    )
    assert (str(table["face"].dtype), str(table["uncertain"].dtype)) == ("Int64", "boolean")
    assert table["face"].tolist()[1] == 1


@pytest.mark.parametrize("name", ["t.ods", "t", "csv"])
def test_an_unknown_suffix_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match=r"\.csv, \.xlsx, \.json or \.parquet"):
        choose_table_writer(tmp_path / name)


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"fer-dl\[parquet\]"):
        choose_table_writer(tmp_path / "t.parquet")


def test_a_table_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"t\.csv"):
        choose_table_writer(tmp_path / "file" / "t.csv")


def test_a_suffix_may_be_in_upper_case(tmp_path):
    stream = io.BytesIO()
    choose_table_writer(tmp_path / "T.CSV")(pd.DataFrame({"face": [1]}), stream)
    assert stream.getvalue() == b"face\n1\n"


FORMULAS = ("=cmd|'/c calc'!A1.png", "+1.png", "-1.png", "@SUM(1).png", "\tx.png", "grüße.png")


def build_names(names):
    return build_table([{"image": name, "error": name} for name in names], IMAGE_COLUMNS)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_no_cell_is_a_formula(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    with path.open("wb") as stream:
        choose_table_writer(path)(build_names(FORMULAS), stream)
    if ending == "xlsx":
        content = zipfile.ZipFile(path).read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in content
        assert "grüße.png" in zipfile.ZipFile(path).read("xl/sharedStrings.xml").decode("utf-8")
    else:
        table = pd.read_csv(path)
        assert not table["image"].str.startswith(("=", "+", "-", "@", "\t")).any()
        assert not table["error"].str.startswith(("=", "+", "-", "@", "\t")).any()
        assert table["image"].tolist()[0] == f"./{FORMULAS[0]}"


def test_paths_in_json_and_parquet_are_as_they_are(tmp_path):
    with (tmp_path / "t.json").open("wb") as stream:
        choose_table_writer(tmp_path / "t.json")(build_names(FORMULAS), stream)
    assert [row["image"] for row in json.loads((tmp_path / "t.json").read_text("utf-8"))] == list(FORMULAS)

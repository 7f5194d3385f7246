import json

import numpy as np
import pandas as pd
import pytest
import skimage.data
from PIL import Image
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.errors import ImageError, SettingsError
from fer.labels import EXPRESSIONS
from fer.reports import images as reports
from fer.reports.images import FACE_COLUMNS, faces_to_table, find_images, predict_files


def find_by_grey(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    return [(20.0 * index, 5.0, 20.0 * index + 18.0, 30.0) for index in range(int(image[0, 0, 0]))]


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer(StubClassifier(), StubDetector(find_by_grey))


@pytest.fixture
def folder(tmp_path):
    """Three pictures with 2, 0 and 1 faces, one of them in a subfolder, one damaged picture, one that is no picture."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name, count in (("a.png", 2), ("b.png", 0), ("sub/a.PNG", 1)):
        Image.fromarray(np.full((60, 90, 3), count, np.uint8)).save(folder / name)
    (folder / "c.jpg").write_bytes(b"damaged")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_face_is_a_row_and_so_is_a_picture_without_one_or_with_an_error(folder, analyzer, tmp_path):
    out = tmp_path / "out" / "table.csv"
    summary = predict_files(folder, out, analyzer=analyzer, progress=False)
    table = pd.read_csv(out)
    assert list(table.columns) == ["image", *FACE_COLUMNS, "error"]
    assert [name.rsplit("in", 1)[1].strip("/\\") for name in table["image"]] == [
        "a.png",
        "a.png",
        "b.png",
        "c.jpg",
        "sub/a.PNG",
    ]
    assert table["face"].tolist()[:2] == [1, 2]
    assert table["label"].notna().tolist() == [True, True, False, False, True]
    assert table["error"].notna().tolist() == [False, False, False, True, False]
    np.testing.assert_allclose(table.loc[[0, 1, 4], list(EXPRESSIONS)].sum(axis=1), 1.0, atol=1e-3)
    assert (summary.num_images, summary.num_faces, summary.num_without_face, summary.num_errors) == (4, 3, 1, 1)
    assert sum(summary.labels.values()) == 3
    assert summary.describe().startswith("4 pictures, 3 faces: ")
    one = predict_files(folder / "b.png", out, analyzer=analyzer, progress=False).describe()
    assert one.startswith("1 picture, 0 faces: ")
    assert "No face was found in 1" in summary.describe()
    assert "1 could not be read" in summary.describe()
    assert [path.name for path in out.parent.iterdir()] == ["table.csv"]


def test_the_three_formats_hold_the_same_table(folder, analyzer, tmp_path):
    pytest.importorskip("pyarrow")
    for ending in ("csv", "json", "parquet"):
        predict_files(folder, tmp_path / f"t.{ending}", analyzer=analyzer, progress=False)
    table = pd.read_parquet(tmp_path / "t.parquet")
    rows = json.loads((tmp_path / "t.json").read_text())
    lines = pd.read_csv(tmp_path / "t.csv")
    assert table["face"].tolist()[:2] == [1, 2]
    assert str(table["uncertain"].dtype) == "boolean"
    for name in ("label", "confidence", "happy", "x_max", "error"):
        from_json = [row[name] for row in rows]
        for one, two, three in zip(table[name], from_json, lines[name], strict=True):
            if pd.isna(one):
                assert two is None
                assert pd.isna(three)
            else:
                assert one == two == three


def test_crops_of_many_pictures_go_through_the_network_together(folder, analyzer, tmp_path):
    predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, progress=False)
    assert analyzer.classifier.batches == [3 * 3]  # three views of each face


def test_drawings_and_maps_are_written_without_overwriting_each_other(folder, analyzer, tmp_path):
    drawn = tmp_path / "drawn"
    predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, annotate=drawn, explain=True, progress=False)
    names = sorted(path.name for path in drawn.iterdir())
    assert [name for name in names if "face" not in name] == ["a.png", "a_2.png", "b.png"]
    assert sum("_face" in name for name in names) == 3
    with Image.open(drawn / "a.png") as picture:
        assert picture.size == (90, 60)
    with pytest.raises(SettingsError, match="folder"):
        predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, explain=True, progress=False)


@pytest.mark.parametrize("name", ["t.xlsx", "t", "csv"])
def test_an_unknown_ending_is_refused_before_any_work(folder, analyzer, tmp_path, name):
    with pytest.raises(SettingsError, match=r"\.csv, \.json or \.parquet"):
        predict_files(folder, tmp_path / name, analyzer=analyzer, progress=False)
    assert analyzer.classifier.batches == []


def test_parquet_without_pyarrow_names_the_extra(folder, analyzer, tmp_path, monkeypatch):
    monkeypatch.setattr(reports, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"fer-dl\[parquet\]"):
        predict_files(folder, tmp_path / "t.parquet", analyzer=analyzer, progress=False)


def test_inputs_are_files_folders_and_patterns_without_repeats(folder):
    names = [path.name for path in find_images([folder / "b.png", folder, str(folder / "*.png")])]
    assert names == ["b.png", "a.png", "c.jpg", "a.PNG"]
    assert [path.name for path in find_images(str(folder / "**" / "*.PNG"))] == ["a.PNG"]
    assert [path.name for path in find_images(folder / "notes.txt")] == ["notes.txt"]


def test_a_name_with_a_patterns_signs_is_a_file_first(tmp_path):
    path = tmp_path / "a[1].png"
    path.write_bytes(b"x")
    assert find_images(str(path)) == [path]


@pytest.mark.parametrize("given", ["missing.png", "none/*.png", []])
def test_inputs_that_name_no_picture_are_an_error(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError):
        find_images(given)
    with pytest.raises(ImageError, match="Received"):
        find_images(tmp_path)


def test_a_run_that_fails_leaves_the_old_table(folder, tmp_path):
    out = tmp_path / "t.csv"
    out.write_text("old")

    def fail(image):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        predict_files(folder, out, analyzer=Analyzer(StubClassifier(), StubDetector(fail)), progress=False)
    assert out.read_text() == "old"


def test_faces_become_a_table():
    faces = Analyzer(StubClassifier()).analyze(skimage.data.astronaut())
    table = faces_to_table(faces)
    assert list(table.columns) == list(FACE_COLUMNS)
    assert len(table) == 1
    row = table.iloc[0]
    assert row["label"] == faces[0].label
    assert row[faces[0].label] == pytest.approx(faces[0].confidence, abs=1e-4)
    assert row["x_min"] == pytest.approx(faces[0].box[0], abs=0.05)
    assert list(faces_to_table([]).columns) == list(FACE_COLUMNS)
    assert len(faces_to_table([])) == 0

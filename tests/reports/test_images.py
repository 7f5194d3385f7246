import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.errors import ImageError, OutputError, SettingsError
from fer.labels import EXPRESSIONS
from fer.reports.images import find_images, predict_files
from fer.reports.tables import FACE_COLUMNS


def find_by_grey(image: np.ndarray) -> list[tuple[float, float, float, float]]:
    return [(20.0 * index, 5.0, 20.0 * index + 18.0, 30.0) for index in range(int(image[0, 0, 0]))]


@pytest.fixture
def analyzer() -> Analyzer:
    return Analyzer(StubClassifier(), StubDetector(find_by_grey))


@pytest.fixture
def folder(tmp_path):
    """Three images with 2, 0 and 1 faces, one of them in a subfolder, a damaged image, and a text file."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name, count in (("a.png", 2), ("b.png", 0), ("sub/a.PNG", 1)):
        Image.fromarray(np.full((60, 90, 3), count, np.uint8)).save(folder / name)
    (folder / "c.jpg").write_bytes(b"damaged")
    (folder / "notes.txt").write_text("no image")
    return folder


def test_every_image_has_a_row_and_every_face_its_own(folder, analyzer, tmp_path):
    predict_files(folder, tmp_path / "table.csv", analyzer=analyzer, progress=False)
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(table.columns) == ["image", *FACE_COLUMNS, "error"]
    names = [Path(name).relative_to(folder).as_posix() for name in table["image"]]
    assert names == ["a.png", "a.png", "b.png", "c.jpg", "sub/a.PNG"]
    assert table["face"].tolist()[:2] == [1, 2]
    assert table["label"].notna().tolist() == [True, True, False, False, True]
    assert table["error"].notna().tolist() == [False, False, False, True, False]
    np.testing.assert_allclose(table.loc[[0, 1, 4], list(EXPRESSIONS)].sum(axis=1), 1.0, atol=1e-3)


def test_the_summary_counts_images_faces_and_errors(folder, analyzer, tmp_path):
    summary = predict_files(folder, tmp_path / "table.csv", analyzer=analyzer, progress=False)
    assert (summary.num_images, summary.num_faces, summary.num_without_face, summary.num_errors) == (4, 3, 1, 1)
    assert sum(summary.labels.values()) == 3
    assert summary.describe().startswith("4 images, 3 faces: ")
    assert "No face was found in 1" in summary.describe()
    assert "1 could not be read" in summary.describe()


def test_the_summary_of_one_image_is_in_the_singular(folder, analyzer, tmp_path):
    summary = predict_files(folder / "b.png", tmp_path / "table.csv", analyzer=analyzer, progress=False)
    assert summary.describe().startswith("1 image, 0 faces: ")


def test_the_table_is_the_only_file_of_its_folder(folder, analyzer, tmp_path):
    predict_files(folder, tmp_path / "out" / "table.csv", analyzer=analyzer, progress=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["table.csv"]


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


def test_crops_of_many_images_share_a_batch(folder, analyzer, tmp_path):
    predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, progress=False)
    assert analyzer.classifier.batches == [3 * 3]  # three views of each face


def test_annotated_copies_of_equal_names_do_not_overwrite_each_other(folder, analyzer, tmp_path):
    drawn = tmp_path / "drawn"
    predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, annotate=drawn, progress=False)
    assert sorted(path.name for path in drawn.iterdir()) == ["a.png", "a_2.png", "b.png"]
    with Image.open(drawn / "a.png") as copy:
        assert copy.size == (90, 60)


def test_activation_maps_are_named_by_face_and_label(folder, analyzer, tmp_path):
    drawn = tmp_path / "drawn"
    predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, annotate=drawn, explain=True, progress=False)
    labels = pd.read_csv(tmp_path / "t.csv")["label"].dropna().tolist()
    expected = [f"{stem}_{label}.png" for stem, label in zip(("a_face1", "a_face2", "a_2_face1"), labels, strict=True)]
    assert sorted(path.name for path in drawn.glob("*_face*")) == sorted(expected)


def test_activation_maps_need_a_folder(folder, analyzer, tmp_path):
    with pytest.raises(SettingsError, match="folder"):
        predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, explain=True, progress=False)


def test_an_unknown_suffix_is_refused_before_any_work(folder, analyzer, tmp_path):
    with pytest.raises(SettingsError, match=r"\.csv, \.json or \.parquet"):
        predict_files(folder, tmp_path / "t.xlsx", analyzer=analyzer, progress=False)
    assert analyzer.classifier.batches == []


@pytest.mark.parametrize("outputs", [{"out": "file/t.csv"}, {"out": "t.csv", "annotate": "file/drawn"}])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(folder, analyzer, tmp_path, outputs):
    (tmp_path / "file").write_text("a file where a folder is needed")
    with pytest.raises(OutputError):
        predict_files(
            folder, **{name: tmp_path / path for name, path in outputs.items()}, analyzer=analyzer, progress=False
        )
    assert analyzer.classifier.batches == []


def test_inputs_are_files_folders_and_patterns_without_repeats(folder):
    names = [path.name for path in find_images([folder / "b.png", folder, str(folder / "*.png")])]
    assert names == ["b.png", "a.png", "c.jpg", "a.PNG"]
    assert [path.name for path in find_images(str(folder / "**" / "*.PNG"))] == ["a.PNG"]
    assert [path.name for path in find_images(folder / "notes.txt")] == ["notes.txt"]


def test_a_file_whose_name_is_a_pattern_is_found_by_name(tmp_path):
    path = tmp_path / "a[1].png"
    path.write_bytes(b"x")
    assert find_images(str(path)) == [path]


@pytest.mark.parametrize("inputs", ["missing.png", "none/*.png", [], "."])
def test_inputs_that_match_no_image_are_an_error(inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match="Received"):
        find_images(inputs)


def test_a_run_that_fails_leaves_the_old_table(folder, tmp_path):
    out = tmp_path / "t.csv"
    out.write_text("old")

    def fail(image):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        predict_files(folder, out, analyzer=Analyzer(StubClassifier(), StubDetector(fail)), progress=False)
    assert out.read_text() == "old"

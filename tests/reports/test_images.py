import errno
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from vision_media import StubClassifier, StubDetector

from fer.analysis import Analyzer
from fer.errors import InterruptedWork, OutputError, SettingsError
from fer.labels import EXPRESSIONS
from fer.reports.images import predict_files
from fer.reports.partial import PartialTable
from fer.reports.tables import FACE_COLUMNS
from fer.wording import format_probability


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
    assert "\n4 images, 3 faces: " in summary.describe()
    assert "No face was found in 1" in summary.describe()
    assert "1 could not be read" in summary.describe()


def test_the_summary_of_a_few_faces_has_a_line_for_each(folder, analyzer, tmp_path):
    summary = predict_files(
        folder / "a.png", tmp_path / "table.csv", analyzer=analyzer, annotate=tmp_path / "drawn", progress=False
    )
    first, second, files, drawn = summary.describe().splitlines()
    (row, _) = pd.read_csv(tmp_path / "table.csv").to_dict("records")
    assert first.startswith(f"{folder / 'a.png'}, face 1: {row['label']} {format_probability(row['confidence'])}")
    assert ("uncertain" in first) == row["uncertain"]
    assert "face 2: " in second
    assert files.endswith("table.csv")
    assert drawn == f"Annotated copies: {tmp_path / 'drawn'}"


def test_the_summary_of_many_faces_counts_them_by_expression(folder, analyzer, tmp_path, monkeypatch):
    monkeypatch.setattr("fer.reports.images.MAX_ANSWERS", 2)
    summary = predict_files(folder, tmp_path / "table.csv", analyzer=analyzer, progress=False)
    assert summary.answers == ()
    assert summary.describe().splitlines()[1] == ", ".join(f"{k} {n}" for k, n in summary.labels.items() if n)


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
    assert analyzer.classifier.batches == [4 * 3]  # four views of each face


def test_annotated_copies_of_equal_names_do_not_overwrite_each_other(folder, analyzer, tmp_path):
    drawn = tmp_path / "drawn"
    predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, annotate=drawn, progress=False)
    assert sorted(path.name for path in drawn.iterdir()) == ["a.png", "a_2.png", "b.png"]
    with Image.open(drawn / "a.png") as copy:
        assert copy.size == (90, 60)


def test_an_image_whose_copy_would_have_too_long_a_name_is_drawn_under_a_shorter_one(analyzer, tmp_path):
    for stem in ("n" * 250, "日" * 80):
        folder = tmp_path / stem[0]
        folder.mkdir()
        Image.fromarray(np.full((60, 90, 3), 1, np.uint8)).save(folder / f"{stem}.png")
        out = tmp_path / f"table_{stem[0]}.csv"
        predict_files(folder, out, analyzer=analyzer, annotate=tmp_path / "out", explain=True, progress=False)
        assert pd.read_csv(out)["image"].tolist() == [str(folder / f"{stem}.png")]
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_an_image_named_like_an_activation_map_does_not_replace_it(analyzer, tmp_path):
    (tmp_path / "in").mkdir()
    for label in ("a", *(f"a_face1_{label}" for label in EXPRESSIONS)):
        Image.fromarray(np.full((60, 90, 3), 1, np.uint8)).save(tmp_path / "in" / f"{label}.png")
    out = tmp_path / "out"
    predict_files(tmp_path / "in", tmp_path / "t.csv", analyzer=analyzer, annotate=out, explain=True, progress=False)
    assert len(list(out.iterdir())) == 2 * 8


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
    with pytest.raises(SettingsError, match=r"\.csv, \.xlsx, \.json or \.parquet"):
        predict_files(folder, tmp_path / "t.ods", analyzer=analyzer, progress=False)
    assert analyzer.classifier.batches == []


@pytest.mark.parametrize("outputs", [{"out": "file/t.csv"}, {"out": "t.csv", "annotate": "file/drawn"}])
def test_an_output_that_cannot_be_written_is_refused_before_any_work(folder, analyzer, tmp_path, outputs):
    (tmp_path / "file").write_text("a file where a folder is needed")
    with pytest.raises(OutputError):
        predict_files(
            folder, **{name: tmp_path / path for name, path in outputs.items()}, analyzer=analyzer, progress=False
        )
    assert analyzer.classifier.batches == []


def test_a_run_that_fails_leaves_the_old_table(folder, tmp_path):
    out = tmp_path / "t.csv"
    out.write_text("old")

    def fail(image):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        predict_files(folder, out, analyzer=Analyzer(StubClassifier(), StubDetector(fail)), progress=False)
    assert out.read_text() == "old"


# Outputs and inputs


def read_all(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("spelling", ["in", "in/../in", "link", "in/sub"])
def test_annotated_copies_in_a_folder_of_the_images_are_refused(folder, tmp_path, monkeypatch, spelling):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    before = read_all(folder)
    with pytest.raises(OutputError, match="folder of the images"):
        predict_files("in", "t.csv", analyzer=lambda: pytest.fail("analyzed"), annotate=spelling, progress=False)
    assert read_all(folder) == before


@pytest.mark.parametrize("spelling", ["photo.csv", "./x/../photo.csv", "link.csv", "hard.csv"])
def test_a_table_over_an_image_is_refused(tmp_path, monkeypatch, spelling):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    Image.new("RGB", (9, 9)).save("photo.csv", "PNG")
    (tmp_path / "link.csv").symlink_to("photo.csv")
    (tmp_path / "hard.csv").hardlink_to("photo.csv")
    before = Path("photo.csv").read_bytes()
    with pytest.raises(OutputError, match="replace an input"):
        predict_files("photo.csv", spelling, analyzer=lambda: pytest.fail("analyzed"), progress=False)
    assert Path("photo.csv").read_bytes() == before


def test_a_file_that_is_no_annotated_copy_is_not_replaced(folder, analyzer, tmp_path):
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    Image.new("RGB", (9, 9)).save(drawn / "b.png")
    with pytest.raises(OutputError, match=r"b\.png"):
        predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, annotate=drawn, progress=False)
    assert analyzer.classifier.batches == []


def test_annotated_copies_inside_the_input_are_no_photos_of_the_next_run(folder, analyzer, tmp_path):
    for _ in range(2):
        arguments = {"analyzer": analyzer, "annotate": folder / "drawn", "explain": True, "progress": False}
        summary = predict_files(folder, tmp_path / "t.csv", **arguments)
        assert summary.num_images == 4
    assert "6 annotated copy" in summary.describe()
    assert "1 .txt" in summary.describe()


def test_a_file_instead_of_a_folder_of_copies_is_refused_in_one_line(folder, analyzer, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a file"):
        predict_files(folder, tmp_path / "t.csv", analyzer=analyzer, annotate=tmp_path / "file", progress=False)


def test_a_name_that_is_not_utf_8_has_a_row_with_an_escaped_name(folder, analyzer, tmp_path):
    pytest.importorskip("pyarrow")
    name = os.fsdecode(os.fsencode(folder) + b"/gr\xfc\xdfe.png")
    Image.new("RGB", (60, 90)).save(name)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg")).write_bytes(b"damaged")
    for ending in ("csv", "json", "parquet", "xlsx"):
        predict_files(folder, tmp_path / f"t.{ending}", analyzer=analyzer, annotate=tmp_path / "drawn", progress=False)
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["image"].str.endswith("gr\\xfc\\xdfe.png").sum() == 1
    assert "\\xff.jpg" in table.loc[table["image"].str.endswith("\\xff.jpg"), "error"].item()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("ending", ["csv", "json", "parquet", "xlsx"])
def test_a_name_with_a_line_break_has_its_row_and_one_line(folder, analyzer, tmp_path, ending):
    names = [folder / "two\nlines.png", folder / "\x1b[31mred.png"]
    for name in names:
        Image.fromarray(np.full((60, 90, 3), 1, np.uint8)).save(name)
    summary = predict_files([*names, folder / "c.jpg"], tmp_path / f"t.{ending}", analyzer=analyzer, progress=False)
    assert all(line.isprintable() for line in summary.describe().split("\n"))
    assert len(summary.describe().split("\n")) == 4
    if ending == "csv":
        assert pd.read_csv(tmp_path / "t.csv")["image"].tolist() == [str(name) for name in [*names, folder / "c.jpg"]]


# Interruption


class Interruption:
    """Passes images on to an analyzer until Ctrl-C or an error after some of them."""

    def __init__(self, analyzer, after, error=KeyboardInterrupt):
        self.find, self.after, self.error = analyzer.detector.list_boxes, after, error
        self.num_searched = 0

    def __call__(self, image):
        if self.num_searched == self.after:
            raise self.error
        self.num_searched += 1
        return self.find(image)


@pytest.fixture
def many(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(7):
        Image.fromarray(np.full((60, 90, 3), 1 + index % 2, np.uint8)).save(folder / f"{index}.png")
    return folder


def interrupt(many, out, error=KeyboardInterrupt, **options):
    """Analyze images one by one, and stop in the fifth."""
    stub = Analyzer(StubClassifier(), StubDetector(find_by_grey))
    broken = Analyzer(StubClassifier(), StubDetector(Interruption(stub, 4, error)))
    broken.analyze_images = partial(broken.analyze_images, batch_size=1)
    predict_files(many, out, analyzer=broken, progress=False, **options)


def test_ctrl_c_keeps_the_rows_so_far_and_resume_adds_the_others(many, analyzer, tmp_path):
    out = tmp_path / "t.csv"
    with pytest.raises(InterruptedWork, match=r"3 images left.*--resume"):
        interrupt(many, out)
    assert pd.read_csv(out)["image"].nunique() == 4
    summary = predict_files(many, out, analyzer=analyzer, resume=True, progress=False)
    assert summary.num_images == 7
    predict_files(many, tmp_path / "whole.csv", analyzer=analyzer, progress=False)
    assert out.read_text() == (tmp_path / "whole.csv").read_text()
    assert not list(tmp_path.glob("*.partial"))


def test_a_killed_run_is_resumed_from_its_whole_rows(many, analyzer, tmp_path):
    out = tmp_path / "t.parquet"
    pytest.importorskip("pyarrow")
    with pytest.raises(SystemError):
        interrupt(many, out, SystemError)
    with (tmp_path / "t.parquet.partial").open("a") as stream:
        stream.write('{"image": "cut o')
    assert predict_files(many, out, analyzer=analyzer, resume=True, progress=False).num_images == 7
    assert sum(analyzer.classifier.batches) == 4 * (1 + 2 + 1)
    assert pd.read_parquet(out)["image"].nunique() == 7


def test_there_must_be_something_to_resume_with_the_same_settings(many, analyzer, tmp_path):
    with pytest.raises(SettingsError, match="interrupted"):
        predict_files(many, tmp_path / "t.csv", analyzer=analyzer, resume=True, progress=False)
    with pytest.raises(InterruptedWork):
        interrupt(many, tmp_path / "t.csv", settings={"run": "one"})
    with pytest.raises(SettingsError, match="settings it began with"):
        predict_files(many, tmp_path / "t.csv", analyzer=analyzer, resume=True, settings={"run": "two"}, progress=False)


def test_a_full_disk_ends_with_one_line_and_keeps_the_rows(many, analyzer, tmp_path, monkeypatch):
    add = PartialTable.add

    def fill_up(table, image, rows):
        if len(table.rows) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(table, image, rows)

    monkeypatch.setattr(PartialTable, "add", fill_up)
    with pytest.raises(OutputError, match=r"No space left.*--resume"):
        predict_files(many, tmp_path / "t.csv", analyzer=analyzer, progress=False)
    monkeypatch.undo()
    assert predict_files(many, tmp_path / "t.csv", analyzer=analyzer, resume=True, progress=False).num_images == 7


def test_the_progress_shows_images_a_second_faces_and_errors(folder, analyzer, tmp_path, capsys):
    predict_files(folder, tmp_path / "t.csv", analyzer=analyzer)
    last = capsys.readouterr().err.splitlines()[-1]
    assert "4 of 4" in last
    assert "images/s" in last
    assert "3 faces, 1 error" in last

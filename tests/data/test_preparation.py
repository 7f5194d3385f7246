import csv
import shutil
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from data_sources import format_table, make_rows, pack, write_tree, write_votes

from fer.data import choose_name, draw_sample, format_preparation, load_dataset, prepare_dataset, save_dataset
from fer.data.sources.kaggle import download_kaggle
from fer.errors import DataError, OutputError, SettingsError


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "source" / "fer2013.csv.gz"
    path.parent.mkdir()
    path.write_bytes(pack("gz", format_table(make_rows())))
    return path


def write_bad_rows(path, *bad: int) -> list[list[str]]:
    rows = make_rows()
    for row in bad:
        rows[row][1] = "1 2 3"
    path.write_bytes(pack("gz", format_table(rows)))
    return rows


def test_a_prepared_table_can_be_loaded(table, tmp_path):
    preparation = prepare_dataset(str(table), "mine", tmp_path / "data")
    dataset = load_dataset("mine", tmp_path / "data")
    assert preparation.path == tmp_path / "data" / "mine.npz"
    assert preparation.fingerprint == dataset.fingerprint
    assert np.array_equal(preparation.counts, np.ones((3, 7)))
    assert (dataset.name, dataset.source, dataset.is_sample) == ("mine", "csv", False)
    assert preparation.num_votes == 0
    assert dataset.clean.all()


def test_the_prepared_file_holds_the_mask_of_clean_faces(table, tmp_path):
    rows = make_rows()
    rows[8][1] = rows[3][1]
    table.write_bytes(pack("gz", format_table(rows)))
    preparation = prepare_dataset(str(table), "mine", tmp_path / "data")
    assert np.flatnonzero(~load_dataset("mine", tmp_path / "data").clean).tolist() == [3, 8]
    assert preparation.num_clean == (6, 6, 7)
    summary = format_preparation(preparation)
    assert "validation: 1 of 7 faces with an exact duplicate in train, 1 with a near-duplicate" in summary


def test_votes_beside_the_table_are_read_by_default(table, tmp_path):
    votes = write_votes(table.with_name("fer2013new.csv"), [row[2] for row in make_rows()])
    assert prepare_dataset(str(table), "mine", tmp_path / "data").num_votes == 21
    assert np.array_equal(load_dataset("mine", tmp_path / "data").votes, votes)


def test_given_votes_take_precedence_over_those_beside_the_table(table, tmp_path):
    table.with_name("fer2013new.csv").write_text("not read")
    votes = write_votes(tmp_path / "other.csv", [row[2] for row in make_rows()])
    prepare_dataset(str(table), "mine", tmp_path / "data", votes=tmp_path / "other.csv")
    assert np.array_equal(load_dataset("mine", tmp_path / "data").votes, votes)


def test_missing_given_votes_are_refused(table, tmp_path):
    with pytest.raises(DataError, match=r"absent.csv"):
        prepare_dataset(str(table), "mine", tmp_path / "data", votes=tmp_path / "absent.csv")


def test_a_bad_row_is_an_error_that_writes_nothing(table, tmp_path):
    write_bad_rows(table, 4, 6, 8, 10)
    with pytest.raises(DataError) as caught:
        prepare_dataset(str(table), "mine", tmp_path / "data")
    message = str(caught.value)
    assert "4 bad (row 5 and 3 more: a face must have 2304 pixels; it has 3)" in message
    assert "row 11" not in message
    assert "--skip-bad" in message
    assert "\n" not in message
    assert not (tmp_path / "data").exists()


def test_a_refused_source_keeps_the_earlier_file(table, tmp_path):
    before = prepare_dataset(str(table), "mine", tmp_path / "data").path.read_bytes()
    write_bad_rows(table, 4)
    with pytest.raises(DataError):
        prepare_dataset(str(table), "mine", tmp_path / "data")
    assert (tmp_path / "data" / "mine.npz").read_bytes() == before


def test_skip_bad_writes_the_usable_rows_and_lists_the_others(table, tmp_path):
    rows = write_bad_rows(table, 0, 15)
    votes = write_votes(table.with_name("fer2013new.csv"), [row[2] for row in rows])
    preparation = prepare_dataset(str(table), "mine", tmp_path / "data", skip_bad=True)
    dataset = load_dataset("mine", tmp_path / "data")
    assert len(dataset) == 19
    assert np.array_equal(dataset.votes, np.delete(votes, (0, 15), axis=0))
    with (tmp_path / "data" / "mine.rejects.csv").open(newline="") as stream:
        lines = list(csv.reader(stream))
    reason = "a face must have 2304 pixels; it has 3"
    assert lines == [["place", "reason"], ["row 1", reason], ["row 16", reason]]
    assert "Skipped 2 bad rows, listed in" in format_preparation(preparation)


def test_a_source_without_rejects_removes_the_old_list(table, tmp_path):
    write_bad_rows(table, 0)
    prepare_dataset(str(table), "mine", tmp_path / "data", skip_bad=True)
    table.write_bytes(pack("gz", format_table(make_rows())))
    prepared = prepare_dataset(str(table), "mine", tmp_path / "data", skip_bad=True, overwrite=True)
    assert prepared.rejects_path is None
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["mine.npz"]


def test_a_table_without_a_split_is_refused(table, tmp_path):
    table.write_bytes(pack("gz", format_table(make_rows()[:14])))
    with pytest.raises(DataError, match="7 train, 7 validation, 0 test"):
        prepare_dataset(str(table), "mine", tmp_path / "data")


def test_a_table_without_rows_is_refused(table, tmp_path):
    table.write_bytes(pack("gz", format_table([])))
    with pytest.raises(DataError, match="0 train, 0 validation, 0 test"):
        prepare_dataset(table, "mine", tmp_path / "data")


def test_a_folder_with_a_table_is_read_as_that_table(table, tmp_path):
    by_folder = prepare_dataset(str(table.parent), "a", tmp_path / "data")
    assert by_folder.fingerprint == prepare_dataset(str(table), "b", tmp_path / "data").fingerprint


def test_a_folder_tree_is_read(tmp_path):
    write_tree(tmp_path / "tree", {"train": 3, "val": 2, "test": 1})
    prepare_dataset(str(tmp_path / "tree"), "tree", tmp_path / "data")
    dataset = load_dataset("tree", tmp_path / "data")
    assert dataset.source == "folder"
    assert dataset.count_classes().tolist() == [[3] * 7, [2] * 7, [1] * 7]


def test_without_a_source_the_sample_is_prepared(tmp_path):
    preparation = prepare_dataset(None, "sample", tmp_path, seed=3)
    assert load_dataset("sample", tmp_path).is_sample
    assert preparation.counts.tolist() == [[210] * 7, [45] * 7, [45] * 7]
    first = format_preparation(preparation).splitlines()[0]
    assert "sample" in first
    assert "invoke preprocess --source fer2013.csv.gz" in first


def test_the_summary_holds_every_count(table, tmp_path):
    text = format_preparation(prepare_dataset(str(table), "mine", tmp_path / "data"))
    assert "sample" not in text
    for split in ("train", "validation", "test"):
        assert f"{split:10}" + "        1" * 7 + "        7" in text


@pytest.mark.parametrize("options", [{"votes": "votes.csv"}, {"mapping": {"a": "sad"}}, {"detect": True}])
def test_an_option_of_another_source_is_refused(tmp_path, options):
    with pytest.raises(SettingsError, match="applies only to"):
        prepare_dataset(None, "sample", tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_mapping_is_refused_for_a_table(table, tmp_path):
    with pytest.raises(SettingsError, match="'mapping' applies only to a folder tree"):
        prepare_dataset(str(table), "mine", tmp_path / "data", mapping={"a": "sad"})


def test_detection_is_refused_for_a_table(table, tmp_path):
    with pytest.raises(SettingsError, match="'detect' applies only to a folder tree"):
        prepare_dataset(str(table), "mine", tmp_path / "data", detect=True)


def test_votes_are_refused_for_a_folder_tree(tmp_path):
    write_tree(tmp_path / "tree", {"train": 1, "val": 1, "test": 1})
    with pytest.raises(SettingsError, match="'votes' applies only to a FER2013 table"):
        prepare_dataset(str(tmp_path / "tree"), "mine", tmp_path / "data", votes="votes.csv")


def test_a_name_outside_the_folder_is_refused_before_the_source_is_read(tmp_path):
    with pytest.raises(SettingsError, match="name"):
        prepare_dataset(str(tmp_path / "absent.csv"), "../mine", tmp_path)


def test_an_unwritable_folder_is_refused_before_the_source_is_read(table, tmp_path):
    with pytest.raises(OutputError, match=r"mine\.npz"):
        prepare_dataset(str(tmp_path / "absent.csv"), "mine", table / "data")


def test_kaggle_needs_consent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=pytest.fail))
    with pytest.raises(SettingsError, match="--allow-download"):
        prepare_dataset("kaggle:owner/name", "mine", tmp_path)


def test_kaggle_without_kagglehub_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match=r"pip install 'fer-dl\[kaggle\]'"):
        prepare_dataset("kaggle:owner/name", "mine", tmp_path, allow_download=True)


@pytest.mark.parametrize("source", ["kaggle:", "kaggle:name", "kaggle:../etc/passwd", "kaggle:a/b/c", "kaggle:a b/c"])
def test_a_malformed_kaggle_source_is_refused(source):
    with pytest.raises(SettingsError, match="kaggle:<owner>/<name>"):
        download_kaggle(source, allow_download=True)


def test_a_kaggle_download_is_read_like_a_folder(table, tmp_path, monkeypatch):
    handles = []

    def download(handle):
        handles.append(handle)
        return str(table.parent)

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=download))
    prepare_dataset("kaggle:owner/some-name", "mine", tmp_path / "data", allow_download=True)
    assert handles == ["owner/some-name"]
    assert len(load_dataset("mine", tmp_path / "data")) == 21


def test_a_failed_download_is_refused_with_its_reason(monkeypatch):
    def fail(handle):
        raise ConnectionError("no\nroute")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=fail))
    with pytest.raises(DataError, match="no route"):
        download_kaggle("kaggle:owner/name", allow_download=True)


def test_a_zip_of_images_is_read(tmp_path):
    write_tree(tmp_path / "tree", {"train": 3, "val": 2, "test": 1})
    shutil.make_archive(str(tmp_path / "tree"), "zip", tmp_path / "tree")
    preparation = prepare_dataset(tmp_path / "tree.zip", "tree", tmp_path / "data")
    assert preparation.counts.tolist() == [[3] * 7, [2] * 7, [1] * 7]
    assert load_dataset("tree", tmp_path / "data").source == "folder"


def test_junk_below_a_table_with_votes_beside_it_is_no_face(table, tmp_path):
    rows = make_rows()
    table.write_bytes(pack("gz", format_table(rows) + b"# end of file\n"))
    votes = write_votes(table.with_name("fer2013new.csv"), [row[2] for row in rows])
    with pytest.raises(DataError, match=r"1 bad .row 22: a row must have as many fields"):
        prepare_dataset(table, "mine", tmp_path / "data")
    preparation = prepare_dataset(table, "mine", tmp_path / "data", skip_bad=True)
    assert preparation.counts.sum() == 21
    assert np.array_equal(load_dataset("mine", tmp_path / "data").votes, votes)


def test_an_error_lists_each_reason_once_and_is_short(tmp_path):
    write_tree(tmp_path / "tree", {"train": 3, "val": 2, "test": 1}, ["happy", "contempt", "suprise", "x" * 200])
    with pytest.raises(DataError, match=r"18 bad \(train/contempt/0000.png and 5 more: .*'contempt'; ") as caught:
        prepare_dataset(tmp_path / "tree", "mine", tmp_path / "data")
    assert "suprise" in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_a_source_of_three_expressions_is_prepared(tmp_path):
    write_tree(tmp_path / "tree", {".": 20}, ["happy", "sad", "neutral"])
    preparation = prepare_dataset(tmp_path / "tree", "mine", tmp_path / "data")
    assert preparation.counts.sum(axis=1).tolist() == [48, 6, 6]
    assert "No test split: moved 6 of 60" in format_preparation(preparation)


def test_a_grouping_is_refused_for_a_table(table, tmp_path):
    with pytest.raises(SettingsError, match="'group_by' applies only to a folder tree"):
        prepare_dataset(str(table), "mine", tmp_path / "data", group_by="folder")


def test_a_source_is_never_replaced_by_its_own_data_set(tmp_path):
    save_dataset(draw_sample(140, name="mine"), tmp_path)
    before = (tmp_path / "mine.npz").read_bytes()
    with pytest.raises(OutputError, match="replace an input"):
        prepare_dataset(tmp_path / "mine.npz", "mine", tmp_path, overwrite=True)
    assert (tmp_path / "mine.npz").read_bytes() == before


def test_one_group_is_in_the_singular(table, tmp_path):
    preparation = prepare_dataset(str(table), "mine", tmp_path / "data")
    leaks = replace(preparation.leaks, duplicate_faces=2, duplicate_groups=1, crossing_groups=1)
    text = format_preparation(replace(preparation, leaks=leaks))
    assert "2 faces in 1 group; 1 group across splits." in text


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (None, "sample"),
        ("a/fer2013.csv.gz", "fer2013"),
        ("icml_face_data.csv", "icml_face_data"),
        ("kaggle:owner/faces", "faces"),
        ("photos/", "photos"),
        ("my faces (2)", "my_faces_2"),
        ("(1)/...", "dataset"),
    ],
)
def test_the_default_name_is_the_sources(source, name):
    assert choose_name(source) == name

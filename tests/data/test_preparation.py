import csv
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from data_sources import format_table, make_rows, pack, write_tree, write_votes

from fer.data import format_preparation, load_dataset, prepare_dataset
from fer.data.sources.kaggle import download_kaggle
from fer.errors import DataError, SettingsError


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "source" / "fer2013.csv.gz"
    path.parent.mkdir()
    path.write_bytes(pack("gz", format_table(make_rows())))
    return path


def spoil(path, *bad: int) -> list[list[str]]:
    rows = make_rows()
    for row in bad:
        rows[row][1] = "1 2 3"
    path.write_bytes(pack("gz", format_table(rows)))
    return rows


def test_a_table_becomes_a_file_that_loads(table, tmp_path):
    preparation = prepare_dataset(str(table), "mine", tmp_path / "data")
    dataset = load_dataset("mine", tmp_path / "data")
    assert preparation.path == tmp_path / "data" / "mine.npz"
    assert preparation.fingerprint == dataset.fingerprint
    assert np.array_equal(preparation.counts, np.ones((3, 7)))
    assert (dataset.name, dataset.source, dataset.is_sample) == ("mine", "csv", False)
    assert preparation.num_votes == 0
    assert dataset.clean.all()


def test_the_leak_mask_is_in_the_file(table, tmp_path):
    rows = make_rows()
    rows[8][1] = rows[3][1]
    table.write_bytes(pack("gz", format_table(rows)))
    preparation = prepare_dataset(str(table), "mine", tmp_path / "data")
    assert np.flatnonzero(~load_dataset("mine", tmp_path / "data").clean).tolist() == [3, 8]
    assert preparation.num_clean == (6, 6, 7)
    assert "Of 7 validation faces, 1 stand in train" in format_preparation(preparation)


def test_votes_beside_the_table_are_taken(table, tmp_path):
    votes = write_votes(table.with_name("fer2013new.csv"), [row[2] for row in make_rows()])
    assert prepare_dataset(str(table), "mine", tmp_path / "data").num_votes == 21
    assert np.array_equal(load_dataset("mine", tmp_path / "data").votes, votes)


def test_votes_given_go_before_those_beside(table, tmp_path):
    table.with_name("fer2013new.csv").write_text("not read")
    votes = write_votes(tmp_path / "other.csv", [row[2] for row in make_rows()])
    prepare_dataset(str(table), "mine", tmp_path / "data", votes=tmp_path / "other.csv")
    assert np.array_equal(load_dataset("mine", tmp_path / "data").votes, votes)


def test_given_votes_that_are_missing_are_an_error(table, tmp_path):
    with pytest.raises(DataError, match=r"absent.csv"):
        prepare_dataset(str(table), "mine", tmp_path / "data", votes=tmp_path / "absent.csv")


def test_by_default_a_bad_row_stops_and_writes_nothing(table, tmp_path):
    spoil(table, 4, 6, 8, 10)
    with pytest.raises(DataError) as caught:
        prepare_dataset(str(table), "mine", tmp_path / "data")
    message = str(caught.value)
    assert "4 bad (row 5: a face must have 2304 pixels; it has 3; row 7: " in message
    assert "row 11" not in message
    assert "--skip-bad" in message
    assert "\n" not in message
    assert not (tmp_path / "data").exists()


def test_an_earlier_file_survives_a_refused_source(table, tmp_path):
    before = prepare_dataset(str(table), "mine", tmp_path / "data").path.read_bytes()
    spoil(table, 4)
    with pytest.raises(DataError):
        prepare_dataset(str(table), "mine", tmp_path / "data")
    assert (tmp_path / "data" / "mine.npz").read_bytes() == before


def test_skip_bad_writes_the_good_rows_their_votes_and_the_rejects(table, tmp_path):
    rows = spoil(table, 0, 15)
    votes = write_votes(table.with_name("fer2013new.csv"), [row[2] for row in rows])
    preparation = prepare_dataset(str(table), "mine", tmp_path / "data", skip_bad=True)
    dataset = load_dataset("mine", tmp_path / "data")
    assert len(dataset) == 19
    assert np.array_equal(dataset.votes, np.delete(votes, (0, 15), axis=0))
    with (tmp_path / "data" / "mine.rejects.csv").open(newline="") as stream:
        listed = list(csv.reader(stream))
    reason = "a face must have 2304 pixels; it has 3"
    assert listed == [["place", "reason"], ["row 1", reason], ["row 16", reason]]
    assert "Left out: 2 bad rows, listed in" in format_preparation(preparation)


def test_a_list_of_rejects_does_not_outlive_its_source(table, tmp_path):
    spoil(table, 0)
    prepare_dataset(str(table), "mine", tmp_path / "data", skip_bad=True)
    table.write_bytes(pack("gz", format_table(make_rows())))
    assert prepare_dataset(str(table), "mine", tmp_path / "data", skip_bad=True).rejects_path is None
    assert [entry.name for entry in (tmp_path / "data").iterdir()] == ["mine.npz"]


def test_a_table_without_a_split_is_refused(table, tmp_path):
    table.write_bytes(pack("gz", format_table(make_rows()[:14])))
    with pytest.raises(DataError, match="7 train, 7 validation, 0 test"):
        prepare_dataset(str(table), "mine", tmp_path / "data")


def test_a_table_of_a_header_alone_is_refused(table, tmp_path):
    table.write_bytes(pack("gz", format_table([])))
    with pytest.raises(DataError, match="0 train, 0 validation, 0 test"):
        prepare_dataset(table, "mine", tmp_path / "data")


def test_a_folder_that_holds_a_table_is_read_as_the_table(table, tmp_path):
    by_folder = prepare_dataset(str(table.parent), "a", tmp_path / "data")
    assert by_folder.fingerprint == prepare_dataset(str(table), "b", tmp_path / "data").fingerprint


def test_a_folder_tree_is_read(tmp_path):
    write_tree(tmp_path / "tree", {"train": 3, "val": 2, "test": 1})
    prepare_dataset(str(tmp_path / "tree"), "tree", tmp_path / "data")
    dataset = load_dataset("tree", tmp_path / "data")
    assert dataset.source == "folder"
    assert dataset.count_classes().tolist() == [[3] * 7, [2] * 7, [1] * 7]


def test_no_source_is_the_sample_and_says_so_in_one_line(tmp_path):
    preparation = prepare_dataset(None, "sample", tmp_path, seed=3)
    assert load_dataset("sample", tmp_path).is_sample
    assert preparation.counts.tolist() == [[210] * 7, [45] * 7, [45] * 7]
    first = format_preparation(preparation).splitlines()[0]
    assert "sample" in first
    assert "invoke preprocess --source fer2013.csv.gz" in first


def test_the_lines_hold_every_count(table, tmp_path):
    text = format_preparation(prepare_dataset(str(table), "mine", tmp_path / "data"))
    assert "sample" not in text
    for split in ("train", "validation", "test"):
        assert f"{split:10}" + "        1" * 7 + "        7" in text


@pytest.mark.parametrize("options", [{"votes": "votes.csv"}, {"mapping": {"a": "sad"}}])
def test_an_option_of_another_source_is_refused_not_ignored(tmp_path, options):
    with pytest.raises(SettingsError, match="belongs to"):
        prepare_dataset(None, "sample", tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_a_mapping_is_refused_for_a_table_and_votes_for_a_tree(table, tmp_path):
    write_tree(tmp_path / "tree", {"train": 1, "val": 1, "test": 1})
    with pytest.raises(SettingsError, match="'mapping' belongs to a folder tree"):
        prepare_dataset(str(table), "mine", tmp_path / "data", mapping={"a": "sad"})
    with pytest.raises(SettingsError, match="'votes' belongs to a FER2013 table"):
        prepare_dataset(str(tmp_path / "tree"), "mine", tmp_path / "data", votes="votes.csv")


def test_a_name_that_leaves_the_folder_is_refused_before_any_work(tmp_path):
    with pytest.raises(SettingsError, match="name"):
        prepare_dataset(str(tmp_path / "absent.csv"), "../mine", tmp_path)


def test_kaggle_needs_consent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=pytest.fail))
    with pytest.raises(SettingsError, match="--allow-download"):
        prepare_dataset("kaggle:owner/name", "mine", tmp_path)


def test_kaggle_without_its_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match=r"pip install 'fer-dl\[kaggle\]'"):
        prepare_dataset("kaggle:owner/name", "mine", tmp_path, allow_download=True)


@pytest.mark.parametrize("source", ["kaggle:", "kaggle:name", "kaggle:../etc/passwd", "kaggle:a/b/c", "kaggle:a b/c"])
def test_a_malformed_kaggle_source_is_refused(source):
    with pytest.raises(SettingsError, match="kaggle:<owner>/<name>"):
        download_kaggle(source, allow_download=True)


def test_what_kaggle_gives_is_read_like_any_folder(table, tmp_path, monkeypatch):
    asked = []

    def download(handle):
        asked.append(handle)
        return str(table.parent)

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=download))
    prepare_dataset("kaggle:owner/some-name", "mine", tmp_path / "data", allow_download=True)
    assert asked == ["owner/some-name"]
    assert len(load_dataset("mine", tmp_path / "data")) == 21


def test_a_failed_download_is_one_line(monkeypatch):
    def fail(handle):
        raise ConnectionError("no\nroute")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=fail))
    with pytest.raises(DataError, match="no route"):
        download_kaggle("kaggle:owner/name", allow_download=True)

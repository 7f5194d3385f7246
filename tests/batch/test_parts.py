from collections import Counter

import pandas as pd
import pytest

from fer.batch.parts import Counts, read_counts, write_part
from fer.reports.tables import BATCH_COLUMNS, IMAGE_COLUMNS

pytest.importorskip("pyarrow", reason="parts are written with pyarrow")

FACE = {"face": 1, "label": "happy", "confidence": 0.9, "uncertain": False}


def test_a_part_has_the_columns_and_types_of_its_kind_whatever_is_missing(tmp_path):
    write_part(tmp_path / "a.parquet", "image", 1, [[{"image": "a.jpg", "error": "bad"}]])
    write_part(tmp_path / "b.parquet", "image", 1, [[{"image": "a.jpg"} | FACE]])
    first, second = pd.read_parquet(tmp_path / "a.parquet"), pd.read_parquet(tmp_path / "b.parquet")
    assert tuple(first.columns) == IMAGE_COLUMNS
    assert first.dtypes.equals(second.dtypes)
    write_part(tmp_path / "c.parquet", "video", 1, [[{"video": "a.mp4", "error": "bad"}]])
    write_part(tmp_path / "d.parquet", "video", 1, [[{"video": "a.mp4", "frame": 0, "seconds": 0.0} | FACE]])
    first, second = pd.read_parquet(tmp_path / "c.parquet"), pd.read_parquet(tmp_path / "d.parquet")
    assert tuple(first.columns) == BATCH_COLUMNS
    assert first.dtypes.equals(second.dtypes)


def test_counts_are_those_of_the_rows_and_are_in_the_footer(tmp_path):
    groups = [
        [{"video": "a.mp4", "frame": 0} | FACE, {"video": "a.mp4", "frame": 0} | FACE | {"label": "sad"}],
        [{"video": "a.mp4", "frame": 1}],
        [{"video": "a.mp4", "error": "bad"}],
    ]
    counts = write_part(tmp_path / "a.parquet", "video", 1, groups)
    labels = Counter({"happy": 1, "sad": 1})
    assert counts == Counts(units=1, frames=2, faces=2, without_face=1, errors=1, labels=labels)
    assert read_counts(tmp_path / "a.parquet") == counts


def test_the_rows_of_a_long_video_are_written_as_they_come(tmp_path, monkeypatch):
    monkeypatch.setattr("fer.batch.parts._ROWS_AT_ONCE", 10)
    write_part(tmp_path / "a.parquet", "video", 1, ([{"video": "a.mp4", "frame": i}] for i in range(35)))
    assert pd.read_parquet(tmp_path / "a.parquet")["frame"].tolist() == list(range(35))


def test_an_error_while_rows_are_made_leaves_no_file(tmp_path):
    def fail():
        yield [{"image": "a.jpg"}]
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_part(tmp_path / "a.parquet", "image", 1, fail())
    assert list(tmp_path.iterdir()) == []


def test_counts_add_up():
    total = Counts(units=1, faces=2, labels=Counter(happy=2))
    total.add(Counts(units=3, frames=4, errors=1, labels=Counter(happy=1, sad=5)))
    assert total == Counts(units=4, frames=4, faces=2, errors=1, labels=Counter(happy=3, sad=5))

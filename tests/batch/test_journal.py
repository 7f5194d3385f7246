from fer.batch.journal import MOST_DEATHS, UNIT_ENDS_WORKERS, Journal


def end_at(part, attempt, *units):
    """Begin units as a worker does that ends at the last of them, and return its journal."""
    journal = Journal(part, attempt)
    for unit in units:
        journal.begin(unit)
    return journal


def test_a_unit_at_which_workers_of_one_run_ended_is_excluded(tmp_path):
    part = tmp_path / "part.parquet"
    for _ in range(MOST_DEATHS):
        assert end_at(part, "first", 0, 3).excluded == {}
    journal = Journal(part, "first")
    assert journal.excluded == {3: UNIT_ENDS_WORKERS}
    assert journal.has_begun


def test_workers_that_end_at_different_units_exclude_none(tmp_path):
    part = tmp_path / "part.parquet"
    for unit in range(6):
        assert end_at(part, "first", unit).excluded == {}
    assert Journal(part, "first").excluded == {}


def test_deaths_of_another_run_do_not_count(tmp_path):
    part = tmp_path / "part.parquet"
    for attempt in ("first", "second", "third", "fourth"):
        assert not end_at(part, attempt, 3).has_begun
    assert Journal(part, "fifth").excluded == {}


def test_the_first_worker_writes_its_journal_once(tmp_path):
    journal = end_at(tmp_path / "part.parquet", "first", 0)
    journal.path.write_text("written once")
    journal.begin(1)
    assert journal.path.read_text() == "written once"


def test_a_damaged_journal_counts_nothing(tmp_path):
    end_at(tmp_path / "part.parquet", "first", 0)
    (tmp_path / "part.parquet.reading").write_text('{"attempt": "fi')
    assert not Journal(tmp_path / "part.parquet", "first").has_begun


def test_a_removed_journal_is_no_file(tmp_path):
    end_at(tmp_path / "part.parquet", "first", 0).remove()
    assert list(tmp_path.iterdir()) == []


def test_a_unit_without_progress_is_excluded_at_once(tmp_path):
    part = tmp_path / "part.parquet"
    end_at(part, "first", 0).record_timeout(2, 60.0)
    journal = Journal(part, "first")
    assert journal.has_begun
    assert list(journal.excluded) == [2]
    assert "without progress for 60 s" in journal.excluded[2]
    assert f"remove {tmp_path.name}/part.parquet," in journal.excluded[2]
    journal.begin(3)
    assert list(Journal(part, "first").excluded) == [2]
    assert Journal(part, "second").excluded == {}

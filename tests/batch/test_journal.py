from fer.batch.journal import MOST_DEATHS, Journal


def test_a_unit_at_which_workers_of_one_run_ended_is_excluded(tmp_path):
    part = tmp_path / "part.parquet"
    for _ in range(MOST_DEATHS):
        journal = Journal(part, "first")
        assert journal.excluded == frozenset()
        journal.begin(0)
        journal.begin(3)
    journal = Journal(part, "first")
    assert journal.excluded == {3}
    assert journal.has_begun


def test_deaths_of_another_run_do_not_count(tmp_path):
    part = tmp_path / "part.parquet"
    for attempt in ("first", "second", "third", "fourth"):
        journal = Journal(part, attempt)
        assert not journal.has_begun
        journal.begin(3)
    assert Journal(part, "fifth").excluded == frozenset()


def test_a_damaged_journal_counts_nothing(tmp_path):
    Journal(tmp_path / "part.parquet", "first").begin(0)
    (tmp_path / "part.parquet.reading").write_text('{"attempt": "fi')
    assert not Journal(tmp_path / "part.parquet", "first").has_begun


def test_a_removed_journal_is_no_file(tmp_path):
    journal = Journal(tmp_path / "part.parquet", "first")
    journal.begin(0)
    journal.remove()
    assert list(tmp_path.iterdir()) == []

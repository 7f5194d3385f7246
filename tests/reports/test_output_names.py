import os

import pytest

from fer.reports.output_names import MAX_STEM_BYTES, number_stems
from fer.reports.video_outputs import choose_stems


@pytest.mark.parametrize(
    "stems", [["a_3", "a", "a"], ["a", "a", "a_2", "a_2"], ["A", "a", "a"], ["n" * 250, "n" * 251], ["日" * 80] * 3]
)
def test_names_differ_and_are_short_enough_for_suffixes(stems):
    names = number_stems(stems)
    assert len({name.lower() for name in names}) == len(stems)
    assert all(len(os.fsencode(name)) <= MAX_STEM_BYTES + 2 for name in names)


def test_a_stem_is_kept_if_it_is_short_and_not_taken():
    assert number_stems(["b", "a", "c"], taken=["C"]) == ["b", "a", "c_2"]


def test_the_copies_of_videos_of_equal_names_do_not_replace_that_of_a_numbered_one(tmp_path):
    stems = choose_stems([tmp_path / "a_3.mp4", tmp_path / "x/a.mp4", tmp_path / "y/a.mp4"])
    assert len(set(stems)) == 3

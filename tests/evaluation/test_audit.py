"""The audit of groups: intervals against worked cases, and figures of a stub network."""

import numpy as np
import pytest
from evaluation_stubs import GreyClassifier, make_grey_faces
from vision_media import StubDetector

from fer.analysis import Analyzer
from fer.errors import DataError
from fer.evaluation.audit import Audit, Share, audit_groups, combine_shares, compute_gap, compute_group, compute_share
from fer.evaluation.labelled_table import LabelledTable


def make_table(labels, shown, groups, **changes):
    table = {"sources": tuple(make_grey_faces(shown)), "y_true": np.array(labels), "groups": tuple(groups)}
    return LabelledTable(**({"path": "faces.csv", "is_faces": True} | table | changes))


def test_wilsons_interval_is_that_of_newcombes_example():
    # Newcombe (1998), Statistics in Medicine 17, 857, table I: 81 of 263, Wilson's score without correction.
    share = compute_share(np.arange(263) < 81)
    assert (share.value, share.n) == (81 / 263, 263)
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 0.2775), (10, 0.7225, 1.0)])
def test_wilsons_interval_stays_within_0_and_1(count, low, high):
    share = compute_share(np.arange(10) < count)
    assert (share.low, share.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_a_difference_has_newcombes_interval():
    # Newcombe (1998), Statistics in Medicine 17, 873, table II, method 10: 56 of 70 minus 48 of 80.
    first, second = compute_share(np.arange(70) < 56), compute_share(np.arange(80) < 48)
    difference = combine_shares([first, second], [1.0, -1.0])
    assert difference.value == pytest.approx(0.2)
    assert (round(difference.low, 4), round(difference.high, 4)) == (0.0524, 0.3339)


def test_a_mean_of_two_equal_shares_is_narrower_than_each_by_the_square_root_of_two():
    share = Share(0.5, 0.4, 0.6, 100)
    mean = combine_shares([share, share], [0.5, 0.5])
    assert (mean.value, mean.n) == (0.5, 200)
    assert mean.high - mean.value == pytest.approx(0.1 / 2**0.5)


def test_a_group_has_a_recall_of_each_expression_that_it_has():
    figures = compute_group("a", np.array([0, 0, 0, 3]), np.array([0, 0, 1, -1]), is_detected=True)
    assert {name: share.value for name, share in figures.recalls.items()} == {"angry": 2 / 3, "happy": 0.0}
    assert figures.accuracy.value == 0.5
    assert figures.mean_recall.value == pytest.approx(1 / 3)
    assert figures.detected.value == 0.75


def test_groups_are_measured_apart_the_largest_first():
    table = make_table([3, 3, 3, 6, 6], shown=[3, 3, 0, 6, 6], groups=["b", "b", "b", "a", "a"])
    audit = audit_groups(table, Analyzer(GreyClassifier(), whole_image=True))
    assert [(figures.name, figures.n, figures.accuracy.value) for figures in audit.groups] == [
        ("b", 3, 2 / 3),
        ("a", 2, 1.0),
    ]
    assert audit.total.accuracy.value == 0.8
    assert audit.total.detected is None
    assert compute_gap(audit).value == pytest.approx(1 / 3)


def test_a_face_that_is_not_detected_counts_as_wrong():
    table = make_table([3, 3], shown=[3, 3], groups=["a", "b"], is_faces=False)
    audit = audit_groups(table, Analyzer(GreyClassifier(), StubDetector([])))
    assert audit.total.accuracy.value == audit.total.detected.value == 0.0


def test_images_that_cannot_be_read_are_left_out_and_named(tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    faces = tuple(make_grey_faces([3, 6]))
    table = make_table([3, 6, 3], shown=[3], groups=["a", "b", "b"], sources=(*faces, bad), is_faces=False)
    audit = audit_groups(table, Analyzer(GreyClassifier(), whole_image=True))
    assert audit.total.n == 2
    assert audit.notes == ("1 images cannot be read and are left out: bad.png.",)
    unreadable = make_table([3, 3], shown=[3], groups=["a", "b"], sources=(bad, bad), is_faces=False)
    with pytest.raises(DataError, match="can be read"):
        audit_groups(unreadable, Analyzer(GreyClassifier(), whole_image=True))


def test_a_small_group_is_neither_best_nor_worst_if_two_are_large():
    def make_group(name, n, correct):
        return compute_group(name, np.full(n, 3), np.where(np.arange(n) < correct, 3, 0))

    groups = (make_group("large", 40, 20), make_group("larger", 50, 40), make_group("small", 5, 5))
    names = [figures.name for figures in Audit(groups[0], groups).worst_and_best]
    assert names == ["large", "larger"]
    assert [figures.name for figures in Audit(groups[0], groups[1:]).worst_and_best] == ["larger", "small"]

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer import labels
from fer.data.ferplus import compute_ferplus_distribution, compute_ferplus_majority, compute_not_face

VOTES = arrays(np.uint8, st.tuples(st.integers(0, 6), st.just(10)), elements=st.integers(0, 10))


def vote(**counts: int) -> np.ndarray:
    return np.array([[counts.get(column, 0) for column in labels.FERPLUS_COLUMNS]], np.uint8)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (vote(happiness=10), "happy"),
        (vote(neutral=6, sadness=4), "neutral"),
        (vote(anger=5, sadness=5), None),
        # Four single votes are dropped, and four of six remaining is more than half.
        (vote(fear=4, surprise=2, anger=1, sadness=1, neutral=1, disgust=1), "fear"),
        # Three of nine is no majority, although no column holds more.
        (vote(sadness=3, neutral=2, fear=2, anger=2), None),
        (vote(contempt=8, neutral=2), None),
        (vote(unknown=8, neutral=2), None),
        (vote(NF=10), None),
        (vote(neutral=3, unknown=5, sadness=2), None),
        (vote(neutral=1, sadness=1), None),
        (vote(), None),
    ],
)
def test_majority_by_hand(votes, expected):
    index = -1 if expected is None else labels.EXPRESSIONS.index(expected)
    assert compute_ferplus_majority(votes).tolist() == [index]


@pytest.mark.parametrize(
    ("column", "expression"),
    [
        ("neutral", "neutral"),
        ("happiness", "happy"),
        ("surprise", "surprise"),
        ("sadness", "sad"),
        ("anger", "angry"),
        ("disgust", "disgust"),
        ("fear", "fear"),
    ],
)
def test_every_column_means_its_expression(column, expression):
    index = labels.EXPRESSIONS.index(expression)
    assert compute_ferplus_majority(vote(**{column: 9})).tolist() == [index]
    assert compute_ferplus_distribution(vote(**{column: 9})).argmax() == index


def test_distribution_by_hand():
    found = compute_ferplus_distribution(vote(neutral=3, sadness=2, fear=1, contempt=4))
    assert found[0].tolist() == pytest.approx([0, 0, 0, 0, 0.4, 0, 0.6])
    assert found.dtype == np.float32


def test_distribution_without_votes_is_zero():
    assert not compute_ferplus_distribution(vote(NF=9, neutral=1)).any()


def test_not_face_needs_more_votes_than_any_other():
    assert compute_not_face(vote(NF=4, unknown=3, sadness=2)).tolist() == [True]
    assert compute_not_face(vote(NF=5, unknown=5)).tolist() == [False]
    assert compute_not_face(vote()).tolist() == [False]


@given(VOTES)
def test_against_a_plain_loop(votes):
    majority, distribution, not_face = (
        compute_ferplus_majority(votes),
        compute_ferplus_distribution(votes),
        compute_not_face(votes),
    )
    assert majority.dtype == np.int64
    assert distribution.shape == (len(votes), 7)
    for row, cls, share, empty in zip(votes.tolist(), majority, distribution, not_face, strict=True):
        kept = [count if count > 1 else 0 for count in row]
        shared = [kept[column] for column in labels.FERPLUS_COLUMN_OF_EXPRESSION]
        winners = [i for i, count in enumerate(shared) if count > sum(kept) / 2]
        assert cls == (winners[0] if winners else -1)
        assert share.sum() == pytest.approx(1.0 if sum(shared) else 0.0, abs=1e-5)
        assert empty == (row[9] > max(row[:9]))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fer.data.ferplus import (
    FERPLUS_COLUMN_OF_EXPRESSION,
    FERPLUS_COLUMNS,
    compute_ferplus_distribution,
    compute_ferplus_majority,
    compute_not_face,
)
from fer.labels import EXPRESSIONS

VOTES = arrays(np.uint8, st.tuples(st.integers(0, 6), st.just(10)), elements=st.integers(0, 10))


def vote(**counts: int) -> np.ndarray:
    return np.array([[counts.get(column, 0) for column in FERPLUS_COLUMNS]], np.uint8)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (vote(happiness=10), "happy"),
        (vote(neutral=6, sadness=4), "neutral"),
        (vote(anger=5, sadness=5), None),
        # Four single votes are dropped, and four of six remaining is more than half.
        (vote(fear=4, surprise=2, anger=1, sadness=1, neutral=1, disgust=1), "fear"),
        # Three of nine votes are not a majority, although no column holds more.
        (vote(sadness=3, neutral=2, fear=2, anger=2), None),
        (vote(contempt=8, neutral=2), None),
        (vote(unknown=8, neutral=2), None),
        (vote(NF=10), None),
        (vote(neutral=3, unknown=5, sadness=2), None),
        (vote(neutral=1, sadness=1), None),
        (vote(), None),
    ],
)
def test_majority_of_hand_worked_votes(votes, expected):
    index = -1 if expected is None else EXPRESSIONS.index(expected)
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
def test_each_column_belongs_to_its_expression(column, expression):
    index = EXPRESSIONS.index(expression)
    assert compute_ferplus_majority(vote(**{column: 9})).tolist() == [index]
    assert compute_ferplus_distribution(vote(**{column: 9})).argmax() == index


def test_distribution_of_hand_worked_votes():
    distribution = compute_ferplus_distribution(vote(neutral=3, sadness=2, fear=1, contempt=4))
    assert distribution[0].tolist() == pytest.approx([0, 0, 0, 0, 0.4, 0, 0.6])
    assert distribution.dtype == np.float32


def test_distribution_without_shared_votes_is_zero():
    assert not compute_ferplus_distribution(vote(NF=9, neutral=1)).any()


def test_not_face_needs_more_votes_than_any_other_column():
    assert compute_not_face(vote(NF=4, unknown=3, sadness=2)).tolist() == [True]
    assert compute_not_face(vote(NF=5, unknown=5)).tolist() == [False]
    assert compute_not_face(vote()).tolist() == [False]


@given(VOTES)
def test_votes_are_read_like_a_plain_loop_does(votes):
    majority, distribution, not_face = (
        compute_ferplus_majority(votes),
        compute_ferplus_distribution(votes),
        compute_not_face(votes),
    )
    assert majority.dtype == np.int64
    assert distribution.shape == (len(votes), 7)
    for row, label, shares, is_not_face in zip(votes.tolist(), majority, distribution, not_face, strict=True):
        kept = [count if count > 1 else 0 for count in row]
        shared = [kept[column] for column in FERPLUS_COLUMN_OF_EXPRESSION]
        winners = [i for i, count in enumerate(shared) if count > sum(kept) / 2]
        assert label == (winners[0] if winners else -1)
        assert shares.sum() == pytest.approx(1.0 if sum(shared) else 0.0, abs=1e-5)
        assert is_not_face == (row[9] > max(row[:9]))

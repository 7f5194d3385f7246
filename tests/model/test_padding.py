import pytest

from fer.model.padding import compute_padding


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "expected"),
    [
        ((6, 7), (3, 3), (1, 1), ((1, 1), (1, 1))),
        ((6, 7), (3, 3), (2, 2), ((0, 1), (1, 1))),
        ((6, 7), (2, 2), (1, 1), ((0, 1), (0, 1))),
        ((6, 7), (1, 1), (3, 3), ((0, 0), (0, 0))),
    ],
)
def test_same_padding_puts_the_odd_zero_behind(size, kernel, strides, expected):
    assert compute_padding(size, kernel, strides, "same") == expected


def test_valid_padding_adds_nothing():
    assert compute_padding((6, 7), (3, 3), (1, 1), "valid") == ((0, 0), (0, 0))

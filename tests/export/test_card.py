import numpy as np
import pytest
from export_runs import make_dataset

from fer.export.card import measure_parity


def test_parity_counts_labels_and_measures_differences():
    expected = np.full((3, 7), 0.05)
    expected[[0, 1, 2], [0, 1, 1]] = 0.7
    received = expected.copy()
    received[2] = expected[2, [1, 0, 2, 3, 4, 5, 6]]
    parity = measure_parity(received, expected, np.array([0, 1, 1]), make_dataset())
    assert (parity.n, parity.equal_labels) == (3, 2)
    assert parity.largest_difference == pytest.approx(0.65)
    assert parity.mean_difference == pytest.approx(2 * 0.65 / 21)
    assert parity.accuracy == pytest.approx(2 / 3)
    assert (parity.mean_recall, parity.accuracy_of_classifier, parity.mean_recall_of_classifier) == (0.75, 1.0, 1.0)
    assert "2 of 3 labels equal" in parity.describe()

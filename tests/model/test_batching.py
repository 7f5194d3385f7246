import numpy as np
import pytest

from fer.model.batching import BATCH_SIZES, run_in_batches


def make_faces(num_faces, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_faces, 48, 48), dtype=np.uint8)


@pytest.fixture
def sizes():
    """The sizes of the batches that ``forward`` received."""
    return []


@pytest.fixture
def forward(sizes):
    def forward(batch):
        sizes.append(len(batch))
        return batch[:, 0, 0]

    return forward


@pytest.mark.parametrize("num_faces", [1, 2, 8, 9, 64, 65, 256, 257, 600])
def test_any_number_of_faces_gives_one_row_per_face_in_order(forward, num_faces):
    faces = make_faces(num_faces)
    np.testing.assert_array_equal(run_in_batches(forward, faces), faces[:, 0, :1])


@pytest.mark.parametrize(
    ("num_faces", "expected"),
    [(65, [64, 1]), (5, [8]), (3, [1, 1, 1]), (127, [64, 64]), (300, [256, 64]), (600, [256, 256, 64, 8, 8, 8])],
)
def test_a_batch_is_at_least_half_full(forward, sizes, num_faces, expected):
    run_in_batches(forward, make_faces(num_faces))
    assert sizes == expected
    assert set(sizes) <= set(BATCH_SIZES)


def test_other_batch_sizes_may_be_given(forward, sizes):
    run_in_batches(forward, make_faces(10), batch_sizes=(4,))
    assert sizes == [4, 4, 4]


def test_batches_are_padded_with_zeros():
    batches = []

    def forward(batch):
        batches.append(batch)
        return batch[:, 0, 0]

    run_in_batches(forward, make_faces(5))
    assert batches[0].dtype == np.float32
    assert batches[0].shape == (8, 48, 48, 1)
    assert (batches[0][5:] == 0).all()

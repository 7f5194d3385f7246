import numpy as np
import pytest
from data_sources import draw_faces
from hypothesis import given, settings
from hypothesis import strategies as st

from fer.data import leaks
from fer.data.leaks import NEAR, find_leaks, find_near_duplicates, group_duplicates

TRAIN, VALIDATION, TEST = 0, 1, 2


def mix(face: np.ndarray, noise: np.ndarray, weight: float) -> np.ndarray:
    return np.rint((1 - weight) * face + weight * noise).astype(np.uint8)


def correlate(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel().astype(float), second.ravel().astype(float))[0, 1])


def make_planted() -> tuple[np.ndarray, np.ndarray]:
    """Return 30 random faces, 10 per split, with some planted duplicates."""
    faces, split = draw_faces(30), np.repeat(np.arange(3, dtype=np.uint8), 10)
    faces[10] = faces[0]  # validation and train
    faces[11] = faces[0]  # the same training face again
    faces[20] = mix(faces[1], draw_faces(1, seed=9)[0], 0.1)  # near-duplicate, test and train
    faces[21] = faces[12]  # test and validation
    faces[3] = faces[2]  # within train
    return faces, split


def test_planted_duplicates_are_counted():
    report = find_leaks(*make_planted())
    assert report.exact == {("validation", "train"): 2, ("test", "train"): 0, ("test", "validation"): 1}
    assert report.near == {("validation", "train"): 2, ("test", "train"): 1, ("test", "validation"): 1}
    assert (report.duplicate_groups, report.duplicate_faces, report.crossing_groups) == (3, 7, 2)


def test_the_mask_excludes_both_faces_of_a_leak_from_train_only():
    # Duplicates between validation and test, and within train, do not count.
    assert np.flatnonzero(~find_leaks(*make_planted()).clean).tolist() == [0, 1, 10, 11, 20]


def test_duplicates_of_a_single_grey_value_are_leaks():
    faces, split = draw_faces(6), np.array([0, 0, 1, 1, 2, 2], np.uint8)
    faces[0] = faces[2] = 0
    faces[4] = 7
    report = find_leaks(faces, split)
    assert report.exact["validation", "train"] == 1
    assert report.near["validation", "train"] == 0
    assert report.clean.tolist() == [False, True, False, True, True, True]


def test_only_duplicates_share_a_group():
    faces = draw_faces(5)
    faces[4] = faces[1]
    assert group_duplicates(faces).tolist() == [0, 1, 2, 3, 1]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), smooth=st.booleans())
def test_near_duplicates_equal_those_of_corrcoef(seed, smooth):
    rng = np.random.default_rng(seed)
    first, noise = rng.integers(0, 256, (8, 48, 48)), rng.integers(0, 256, (8, 48, 48))
    if smooth:
        first = np.kron(first[:, :6, :6], np.ones((8, 8), int))
    weights = rng.uniform(0.0, 0.4, 8)
    second = np.stack([mix(a, b, w) for a, b, w in zip(first, noise, weights, strict=True)])
    first = first.astype(np.uint8)
    expected = np.array([[correlate(a, b) > NEAR for b in second] for a in first])
    in_first, in_second = find_near_duplicates(first, second)
    assert in_first.tolist() == expected.any(axis=1).tolist()
    assert in_second.tolist() == expected.any(axis=0).tolist()


def test_near_duplicates_may_differ_in_brightness_and_contrast():
    first = draw_faces(3)
    second = (first[1:] * 0.5 + 40).astype(np.uint8)
    in_first, in_second = find_near_duplicates(first, second)
    assert in_first.tolist() == [False, True, True]
    assert in_second.tolist() == [True, True]


def test_faces_of_a_single_grey_value_have_no_near_duplicate():
    grey, noise = np.full((1, 48, 48), 90, np.uint8), draw_faces(1)
    stack = np.concatenate([grey, noise])
    assert [mask.tolist() for mask in find_near_duplicates(stack, stack[::-1])] == [[False, True], [True, False]]


def test_the_result_does_not_depend_on_the_chunk(monkeypatch):
    faces, split = make_planted()
    whole = find_leaks(faces, split)
    for name, size in (("_ROWS", 3), ("_COLUMNS", 4), ("_PIXEL_ROWS", 5)):
        monkeypatch.setattr(leaks, name, size)
    chunked = find_leaks(faces, split)
    assert (chunked.exact, chunked.near) == (whole.exact, whole.near)
    assert np.array_equal(chunked.clean, whole.clean)


def draw_blocks(count: int) -> np.ndarray:
    """Return faces of 6 by 6 grey squares, as unlike each other as faces are."""
    return np.kron(np.random.default_rng(0).integers(0, 256, (count, 6, 6)), np.ones((8, 8))).astype(np.uint8)


@pytest.mark.parametrize("most_pairs", [1e10, 1])
def test_near_duplicates_of_many_faces_are_found(most_pairs, monkeypatch):
    monkeypatch.setattr(leaks, "_MAX_EXACT_PAIRS", most_pairs)
    faces, noise = draw_blocks(3000), draw_faces(100, seed=3)
    faces[2900:] = [mix(face, pixels, 0.1) for face, pixels in zip(faces[:100], noise, strict=True)]
    in_first, in_second = find_near_duplicates(faces[:1000], faces[1000:])
    assert np.flatnonzero(in_first).tolist() == list(range(100))
    assert np.flatnonzero(in_second).tolist() == list(range(1900, 2000))


def test_a_large_set_without_contrast_has_no_near_duplicates(monkeypatch):
    monkeypatch.setattr(leaks, "_MAX_EXACT_PAIRS", 1)
    grey = np.full((3, 48, 48), 90, np.uint8)
    assert not any(mask.any() for mask in find_near_duplicates(draw_faces(4), grey))


def test_the_pixels_of_few_pairs_are_compared(monkeypatch):
    compared = []
    compare = leaks._are_near
    monkeypatch.setattr(leaks, "_are_near", lambda *pairs: compared.append(len(pairs[2])) or compare(*pairs))
    faces = draw_blocks(3000)
    faces[2999] = faces[0]
    in_first, in_second = find_near_duplicates(faces[:1000], faces[1000:])
    assert (np.flatnonzero(in_first).tolist(), np.flatnonzero(in_second).tolist()) == ([0], [1999])
    assert 0 < sum(compared) < 100


def test_faces_that_all_resemble_each_other_are_not_compared_one_by_one(monkeypatch):
    monkeypatch.setattr(leaks, "_are_near", lambda *pairs: pytest.fail("a block of candidates is compared at once"))
    base, noise = draw_blocks(1)[0], draw_faces(60, seed=3)
    # Correlations below the threshold, with nearly the same low frequencies.
    faces = np.stack([mix(base, pixels, 0.35) for pixels in noise])
    assert not any(mask.any() for mask in find_near_duplicates(faces[:30], faces[30:]))
    faces[:30] = base
    assert find_near_duplicates(faces[:20], faces[20:])[1].tolist() == [True] * 10 + [False] * 30


@pytest.mark.parametrize("present", [(), (TRAIN,), (VALIDATION, TEST)])
def test_empty_splits_have_no_leak(present):
    faces = draw_faces(4 * len(present))
    report = find_leaks(faces, np.repeat(np.array(present, np.uint8), 4))
    assert report.clean.all()
    assert not any(report.near.values())

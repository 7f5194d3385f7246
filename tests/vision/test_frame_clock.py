from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fer.vision.frame_clock import FrameClock


def list_clock_times(timestamps: list[float | None], rate: float = 25.0) -> list[float]:
    clock = FrameClock(rate)
    return [clock.read(timestamp) for timestamp in timestamps]


def test_times_start_at_zero_and_follow_the_timestamps():
    np.testing.assert_allclose(list_clock_times([7.0, 7.01, 7.2, 8.0]), [0, 0.01, 0.2, 1.0])


def test_frames_without_timestamps_get_those_of_the_rate():
    np.testing.assert_allclose(list_clock_times([None] * 5, rate=50.0), [0, 0.02, 0.04, 0.06, 0.08])


def test_a_new_recording_in_the_same_file_goes_on_with_its_own_pace():
    np.testing.assert_allclose(list_clock_times([90.0, 90.1, 2.0, 2.5], rate=10.0), [0, 0.1, 0.2, 0.7])


def test_a_damaged_timestamp_far_ahead_is_not_believed():
    np.testing.assert_allclose(list_clock_times([0.0, 0.1, 1e9, 1e9 + 0.5], rate=10.0), [0, 0.1, 0.2, 0.7])


@settings(max_examples=60, deadline=None)
@example([-1.7976931348623157e308, 0.0, None, None])
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), min_size=1, max_size=20))
def test_times_increase_for_any_timestamps(timestamps):
    read = list_clock_times(timestamps)
    assert all(np.isfinite(read[:1]))
    assert read[0] == 0
    assert all(later > earlier for earlier, later in pairwise(read))

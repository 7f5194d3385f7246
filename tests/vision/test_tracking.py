import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer.vision.tracking import Tracker

HAPPY = np.eye(7, dtype=np.float32)[3]
SAD = np.eye(7, dtype=np.float32)[4]


def box_at(x: float, y: float = 50.0, side: float = 40.0) -> tuple[float, float, float, float]:
    return (x, y, x + side, y + side)


def test_two_people_keep_their_numbers_in_any_order_of_detection():
    tracker = Tracker()
    assert tracker.update([box_at(0), box_at(200)], 0.0) == [1, 2]
    assert tracker.update([box_at(204), box_at(3)], 0.1) == [2, 1]
    assert tracker.update([box_at(7)], 0.2) == [1]
    assert tracker.update([box_at(10), box_at(400), box_at(209)], 0.3) == [1, 3, 2]


def test_people_who_pass_each_other_keep_their_numbers():
    tracker = Tracker()
    for step in range(41):
        seconds = step / 20
        boxes = [box_at(10 + step * 5, 40), box_at(210 - step * 5, 60)]
        assert tracker.update(boxes, seconds) == [1, 2]


def test_a_person_hidden_for_a_short_time_keeps_the_number():
    tracker = Tracker(longest_gap=1.0)
    assert tracker.update([box_at(0)], 0.0) == [1]
    assert tracker.update([], 0.5) == []
    assert tracker.update([box_at(5)], 0.9) == [1]


def test_a_person_hidden_for_a_long_time_gets_a_new_number():
    tracker = Tracker(longest_gap=1.0)
    assert tracker.update([box_at(5)], 0.9) == [1]
    assert tracker.update([], 1.3) == []
    assert tracker.update([], 1.6) == []
    assert tracker.update([box_at(5)], 2.0) == [2]


@pytest.mark.parametrize("step", [1.51, 2.0, 60.0])
def test_a_person_of_a_timelapse_keeps_the_number(step):
    tracker = Tracker()
    numbers = [tracker.update([box_at(5 + frame % 2)], frame * step) for frame in range(14)]
    assert numbers == [[1]] * 14
    assert tracker.update([], 14 * step) == []
    assert tracker.update([box_at(5)], 15 * step) == [1]


def test_a_person_missing_in_two_frames_of_a_timelapse_gets_a_new_number():
    tracker = Tracker()
    tracker.update([box_at(5)], 0.0)
    tracker.update([], 2.0)
    tracker.update([], 4.0)
    assert tracker.update([box_at(5)], 6.0) == [2]


@pytest.mark.parametrize("rate", [5, 15, 60])
def test_the_longest_gap_is_in_seconds_at_any_frame_rate(rate):
    tracker = Tracker(longest_gap=1.0)
    tracker.update([box_at(0)], 0.0)
    for frame in range(1, int(0.8 * rate)):
        tracker.update([], frame / rate)
    assert tracker.update([box_at(0)], 0.9) == [1]


def test_a_face_that_moves_while_hidden_keeps_its_number():
    tracker = Tracker()
    for step in range(10):
        assert tracker.update([box_at(step * 10)], step / 10) == [1]
    for step in range(10, 15):
        tracker.update([], step / 10)
    assert tracker.update([box_at(150)], 1.5) == [1]


def test_a_face_that_passes_behind_another_keeps_its_number():
    """Boxes from YuNet of one portrait that passes behind another, in every second frame of 20 per second.

    The last box of the hidden face shrinks and moves backwards; the next one covers only a part of the face.
    """
    front = [(214 + 9.5 * step, 158, 302 + 9.5 * step, 266) for step in range(14)]
    behind = {
        0: (339.6, 170.7, 438.4, 291.5),
        1: (333.0, 169.3, 431.1, 292.2),
        2: (329.0, 168.8, 424.3, 291.4),
        3: (331.3, 172.5, 414.2, 285.0),
        4: (358.2, 180.5, 412.2, 256.2),
        11: (234.5, 178.2, 290.6, 257.6),
        12: (222.4, 170.6, 304.6, 282.7),
        13: (220.0, 169.1, 308.0, 288.3),
    }
    tracker = Tracker()
    assert tracker.update([(157, 158, 245, 266), (393.0, 170.0, 491.0, 292.0)], -0.6) == [1, 2]
    for step in range(14):
        boxes = [front[step], *([behind[step]] if step in behind else [])]
        numbers = tracker.update(boxes, step / 10)
        assert numbers == ([1, 2] if step in behind else [1])


def test_a_face_that_stays_smaller_counts_as_whole_again():
    """A box that shrinks for good, as in a zoom, does not count as a partly covered face for ever."""
    tracker = Tracker(longest_gap=1.0)
    tracker.update([box_at(0, 0, 100)], 0.0)
    for step in range(1, 40):
        assert tracker.update([box_at(30 + step, 30, 45)], step / 10) == [1]
    assert tracker.tracks[0].whole_box == box_at(69, 30, 45)
    assert tracker.tracks[0].velocity[0] == pytest.approx(10.0, abs=1.0)


def test_an_overlap_below_the_threshold_does_not_take_a_box_from_a_better_track():
    tracker = Tracker(least_overlap=0.3)
    tracker.update([box_at(0), box_at(100)], 0.0)
    # The first box overlaps track 2 only; the second overlaps none.
    assert tracker.update([box_at(98), box_at(300)], 0.1) == [2, 3]


def test_an_earlier_time_starts_a_new_stream():
    tracker = Tracker()
    tracker.update([box_at(0)], 10.0)
    assert tracker.update([box_at(0)], 0.0) == [2]


def test_smoothing_is_per_person():
    """A fault seen in another project: all faces shared one average."""
    tracker = Tracker(smoothing_seconds=0.5)
    for step in range(5):
        seconds = step / 10
        first, second = tracker.update([box_at(0), box_at(200)], seconds)
        assert tracker.smooth(first, HAPPY, seconds)[3] == 1.0
        assert tracker.smooth(second, SAD, seconds)[4] == 1.0


def test_smoothing_by_hand():
    tracker = Tracker(smoothing_seconds=0.5)
    (person,) = tracker.update([box_at(0)], 0.0)
    np.testing.assert_array_equal(tracker.smooth(person, HAPPY, 0.0), HAPPY)
    tracker.update([box_at(0)], 0.25)
    smoothed = tracker.smooth(person, SAD, 0.25)
    assert smoothed[3] == pytest.approx(math.exp(-0.5))
    assert smoothed[4] == pytest.approx(1 - math.exp(-0.5))


def test_without_smoothing_the_probabilities_are_unchanged():
    tracker = Tracker(smoothing_seconds=0.0)
    for step, answer in enumerate([HAPPY, SAD, HAPPY]):
        (person,) = tracker.update([box_at(0)], step / 10)
        np.testing.assert_array_equal(tracker.smooth(person, answer, step / 10), answer)


@pytest.mark.parametrize("rates", [(10, 30), (25, 50)])
def test_smoothing_does_not_depend_on_the_frame_rate(rates):
    after_a_second = []
    for rate in rates:
        tracker = Tracker(smoothing_seconds=0.4)
        (person,) = tracker.update([box_at(0)], 0.0)
        tracker.smooth(person, HAPPY, 0.0)
        for frame in range(1, rate + 1):
            tracker.update([box_at(0)], frame / rate)
            smoothed = tracker.smooth(person, SAD, frame / rate)
        after_a_second.append(smoothed)
    np.testing.assert_allclose(*after_a_second, atol=1e-6)


def test_two_trackers_share_nothing_and_can_be_copied():
    one, other = Tracker(), Tracker()
    one.update([box_at(0)], 0.0)
    assert other.tracks == []
    assert other.update([box_at(0), box_at(100)], 0.0) == [1, 2]
    twin = copy.deepcopy(one)
    twin.update([box_at(500)], 0.1)
    assert [track.track_id for track in one.tracks] == [1]


FRAMES = st.lists(
    st.tuples(
        st.floats(0, 0.5),
        st.lists(st.tuples(st.floats(-50, 600), st.floats(-50, 600), st.floats(1, 200)), max_size=5),
    ),
    max_size=15,
)


@settings(max_examples=80)
@given(FRAMES)
def test_numbers_are_never_used_twice_and_answers_stay_probabilities(frames):
    tracker, seconds, last_seen = Tracker(), 0.0, {}
    generator = np.random.default_rng(0)
    for count, (step, faces) in enumerate(frames):
        seconds += step
        numbers = tracker.update([box_at(x, y, side) for x, y, side in faces], seconds)
        assert len(set(numbers)) == len(faces)
        for number in numbers:
            before, seen = last_seen.get(number, (seconds, count))
            is_short = seconds - before <= tracker.longest_gap or count - seen <= tracker.most_missed
            assert number > max(last_seen, default=0) or is_short
            last_seen[number] = seconds, count
            smoothed = tracker.smooth(number, generator.dirichlet(np.ones(7)).astype(np.float32), seconds)
            assert smoothed.dtype == np.float32
            assert smoothed.sum() == pytest.approx(1.0, abs=1e-5)
            assert smoothed.min() >= 0
        assert len(tracker.tracks) <= sum(len(faces) for _, faces in frames)


@settings(max_examples=40)
@given(st.permutations(range(5)), st.integers(0, 2**32 - 1))
def test_the_order_of_the_boxes_does_not_matter(order, seed):
    generator = np.random.default_rng(seed)
    before = [box_at(x * 60) for x in range(5)]
    after = [box_at(x * 60 + generator.uniform(-8, 8)) for x in range(5)]
    tracker = Tracker()
    tracker.update(before, 0.0)
    assert tracker.update([after[index] for index in order], 0.1) == [index + 1 for index in order]

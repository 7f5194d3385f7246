import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from training_runs import PHASES, make_config

from fer.config import DegradationConfig, load_config
from fer.errors import SettingsError
from fer.labels import EXPRESSIONS
from fer.training.batches import TrainingBatches, prefetch

PLAIN_PHASE = PHASES[0] | {"augmentation_strength": 0.0, "mixup": False}


def test_batches_of_an_epoch_do_not_depend_on_earlier_epochs(dataset):
    first, second = (TrainingBatches(dataset, make_config()) for _ in range(2))
    streamed = list(first.read(0, 3))
    assert len(streamed) == 3 * first.steps_per_epoch
    for expected, received in zip(streamed[2 * first.steps_per_epoch :], second.read(2, 3), strict=True):
        for a, b in zip(expected, received, strict=True):
            np.testing.assert_array_equal(a, b)


def test_another_seed_gives_other_batches(dataset):
    first, second = (next(TrainingBatches(dataset, make_config(seed=seed)).read(2, 3)) for seed in (0, 5))
    assert (first[0] != second[0]).any()


def test_every_row_appears_at_most_once_in_an_epoch(dataset, monkeypatch):
    batches = TrainingBatches(dataset, make_config(phases=[PLAIN_PHASE]))
    monkeypatch.setattr(batches, "take_faces", lambda rows: np.tile(rows.astype(np.uint8)[:, None, None], (48, 48)))
    rows = np.concatenate([faces[:, 0, 0, 0] for faces, _, _ in batches.read(0, 1)])
    assert len(rows) == len(set(rows)) == batches.steps_per_epoch * 16


@pytest.mark.parametrize(
    ("heads", "targets_shape", "weights_shape"),
    [('["labels"]', (16, 7), (16,)), ('["labels","votes"]', (16, 2, 7), (16, 1))],
)
def test_a_batch_has_the_shapes_that_keras_takes(dataset, heads, targets_shape, weights_shape):
    config = load_config("sample", overrides=[f"model.heads={heads}", "training.batch_size=16"])
    faces, targets, weights = next(TrainingBatches(dataset, config).read(0, 1))
    assert (faces.shape, targets.shape, weights.shape) == ((16, 48, 48, 1), targets_shape, weights_shape)
    assert faces.dtype == targets.dtype == weights.dtype == np.float32


def test_without_augmentation_a_batch_holds_the_faces_and_labels_of_the_split(dataset):
    batches = TrainingBatches(dataset, make_config(phases=[PLAIN_PHASE]))
    part = dataset.part("train")
    rows_of_face = {face.tobytes(): index for index, face in enumerate(part.faces)}
    mirrored = {face[:, ::-1].tobytes(): index for index, face in enumerate(part.faces)}
    faces, targets, _ = next(batches.read(0, 1))
    rows = [(rows_of_face | mirrored)[np.rint(face[..., 0]).astype(np.uint8).tobytes()] for face in faces]
    np.testing.assert_array_equal(targets, np.eye(len(EXPRESSIONS), dtype=np.float32)[part.labels[rows]])


def test_degradations_change_the_faces_but_not_their_targets(dataset):
    plain = make_config()
    degraded = plain.model_copy(update={"degradation": DegradationConfig(blur=1.0)})
    first, second = (next(TrainingBatches(dataset, config).read(0, 1)) for config in (plain, degraded))
    assert (first[0] != second[0]).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(first[1], second[1])


def test_the_time_spent_waiting_is_counted(dataset):
    batches = TrainingBatches(dataset, make_config())
    assert batches.seconds_waited == 0.0
    next(batches.read(0, 1))
    first = batches.seconds_waited
    next(batches.read(0, 1))
    assert batches.seconds_waited > first > 0.0


def test_an_error_in_a_thread_reaches_the_consumer(dataset):
    batches = TrainingBatches(dataset, make_config())
    batches.targets = batches.targets[:1]
    with pytest.raises(IndexError):
        list(batches.read(0, 1))


def test_a_batch_larger_than_the_training_split_is_refused(dataset):
    with pytest.raises(SettingsError, match="batch_size"):
        TrainingBatches(dataset, make_config(batch_size=4096))


def test_the_remedy_for_a_large_batch_counts_the_rows_that_are_kept(dataset):
    clean = dataset.clean.copy()
    clean[np.flatnonzero(dataset.is_in("train"))[:3]] = False
    config = load_config("sample", overrides=["training.batch_size=4096", "data.drop_leaked=true"])
    kept = dataset.is_in("train").sum() - 3
    with pytest.raises(SettingsError, match=f"batch_size={kept}"):
        TrainingBatches(replace(dataset, clean=clean), config)


# Prefetching


def sleep_and_return(seconds, value):
    time.sleep(seconds)
    return value


def test_prefetched_results_keep_the_order_of_their_tasks():
    tasks = [partial(sleep_and_return, 0.02 * (index % 3 == 0), index) for index in range(20)]
    assert list(prefetch(tasks, 4)) == list(range(20))


@pytest.mark.parametrize("num_tasks", [0, 1, 3])
def test_fewer_tasks_than_threads_give_all_results(num_tasks):
    assert list(prefetch([partial(sleep_and_return, 0.0, index) for index in range(num_tasks)], 4)) == list(
        range(num_tasks)
    )


def test_prefetch_starts_only_the_next_tasks():
    started = []

    def plan():
        for index in range(1000):
            started.append(index)
            yield partial(sleep_and_return, 0.0, index)

    results = prefetch(plan(), 4)
    assert [next(results), next(results)] == [0, 1]
    assert len(started) == 6
    results.close()


def test_tasks_run_at_the_same_time():
    barrier = threading.Barrier(3)
    assert list(prefetch([partial(barrier.wait, 30)] * 3, 3)) != []


def test_an_error_of_a_task_is_raised_after_the_results_before_it():
    def fail():
        raise ValueError("broken")

    results = prefetch([partial(sleep_and_return, 0.0, 1), fail, partial(sleep_and_return, 0.0, 3)], 2)
    assert next(results) == 1
    with pytest.raises(ValueError, match="broken"):
        next(results)


def test_closing_early_cancels_the_tasks_that_have_not_begun():
    finished = []

    def work(index):
        time.sleep(0.2)
        finished.append(index)

    results = prefetch([partial(work, index) for index in range(100)], 2)
    next(results)
    start = time.perf_counter()
    results.close()
    assert time.perf_counter() - start < 5.0
    assert len(finished) <= 4


def test_closing_early_leaves_no_thread():
    before = set(threading.enumerate())
    results = prefetch((partial(sleep_and_return, 0.01, index) for index in range(100)), 4)
    next(results)
    assert set(threading.enumerate()) > before
    results.close()
    assert set(threading.enumerate()) == before


def test_an_error_leaves_no_thread():
    before = set(threading.enumerate())
    results = prefetch([partial(int, "x"), partial(sleep_and_return, 0.05, 1)], 2)
    with pytest.raises(ValueError, match="invalid literal"):
        list(results)
    assert set(threading.enumerate()) == before


def test_degraded_batches_are_the_same_after_a_resume(dataset):
    config = make_config()
    config = config.model_copy(update={"degradation": DegradationConfig(blur=0.5, noise=0.5, jpeg=0.5)})
    first, second = TrainingBatches(dataset, config), TrainingBatches(dataset, config)
    whole = list(first.read(0, 2))[first.steps_per_epoch :]
    for expected, resumed in zip(whole, second.read(1, 2), strict=True):
        for a, b in zip(expected, resumed, strict=True):
            np.testing.assert_array_equal(a, b)
    plain = next(TrainingBatches(dataset, make_config()).read(0, 1))
    assert np.abs(next(second.read(0, 1))[0] - plain[0]).max() > 1


def test_drawn_faces_are_those_of_the_first_batches(dataset):
    config = make_config()
    config = config.model_copy(update={"degradation": DegradationConfig(blur=0.5, noise=0.5)})
    batches = TrainingBatches(dataset, config)
    first, second, *_ = batches.read(1, 2)
    np.testing.assert_array_equal(batches.draw_faces(1, 24), np.concatenate([first[0], second[0]])[:24])

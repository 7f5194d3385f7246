"""Batches of augmented faces, prepared by threads while the device computes.

The order of an epoch and all its augmentation follow from (seed, epoch) alone, so a run that is resumed at epoch k gets
exactly the batches of an uninterrupted one.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from fer.config import Config
from fer.data.dataset import Dataset
from fer.errors import SettingsError
from fer.training.augmentation import (
    Augmentation,
    augment_faces,
    draw_augmentation,
    make_generator,
    mix_faces,
    one_opencv_thread,
)
from fer.training.degradation import Degradation, degrade_faces, draw_degradation
from fer.training.distillation import Teachers
from fer.training.targets import build_head_targets, compute_class_shares, compute_row_weights, select_training_rows

#: What Keras' ``fit`` takes, all float32: faces (B, 48, 48, 1), then targets (B, 7) and weights (B,) for one head, or
#: targets (B, heads, 7) and weights (B, 1) for several.
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
Result = TypeVar("Result")

#: Batches that are prepared ahead of the one in use. A teacher's prediction waits on the device for the steps before
#: it, so that several must be on their way at a time.
_AHEAD = 4


class _Plan(NamedTuple):
    """One batch before it is computed: its rows, and the random parameters of all rows in its epoch."""

    rows: np.ndarray
    augmentation: Augmentation
    degradation: Degradation | None


class TrainingBatches:
    """The training split of a data set as a sequence of batches.

    Args:
        dataset: all splits; only the training split is used.
        config: settings of the run.
        teachers: the ensemble whose predictions are blended into the targets, if any.

    Attributes:
        class_shares: share of each class in the targets of each head.
        steps_per_epoch: batches in an epoch; faces that do not fill a last batch are left for other epochs.
        seconds_waited: how long the consumer has waited for batches so far.

    Raises:
        SettingsError: the batch is larger than the training split.
    """

    def __init__(self, dataset: Dataset, config: Config, teachers: Teachers | None = None) -> None:
        rows = select_training_rows(dataset, config.data)
        self.steps_per_epoch = count_steps(len(rows), config)
        self.config = config
        self.faces = dataset.faces[rows]
        self.targets = build_head_targets(dataset.labels[rows], dataset.votes[rows], config.data, config.model.heads)
        self.class_shares = compute_class_shares(dataset.labels[rows], dataset.votes[rows], config.model.heads)
        self.weights = compute_row_weights(dataset.labels[rows], config.data)
        self.seconds_waited = 0.0
        self._step_teachers = teachers if config.distillation.consistent else None
        if teachers and not self._step_teachers:
            self.targets = teachers.blend(self.targets, teachers.predict_flip_averaged(self.faces))

    def read(self, first_epoch: int, last_epoch: int) -> Generator[Batch]:
        """Yield the batches of epochs ``first_epoch`` up to, not including, ``last_epoch``."""
        plans = (plan for epoch in range(first_epoch, last_epoch) for plan in self._plan(epoch))
        tasks = (partial(self._build_batch, plan) for plan in plans)
        with one_opencv_thread(), closing(prefetch(tasks, _AHEAD)) as batches:
            for _ in range((last_epoch - first_epoch) * self.steps_per_epoch):
                start = time.perf_counter()
                batch = next(batches)
                self.seconds_waited += time.perf_counter() - start
                yield batch

    def draw_faces(self, epoch: int, num_faces: int) -> np.ndarray:
        """Return up to ``num_faces`` augmented faces of an epoch, float32 (N, 48, 48, 1)."""
        plans = itertools.islice(self._plan(epoch), -(-num_faces // self.config.training.batch_size))
        faces = [_degrade(self._augment(plan)[0], plan) for plan in plans]
        return np.concatenate(faces)[:num_faces, ..., None]

    def _plan(self, epoch: int) -> Iterator[_Plan]:
        training = self.config.training
        phase, seed = training.phase_at(epoch), training.seed
        augmentation = draw_augmentation(
            len(self.faces), self.faces.shape[-1], self.config.augmentation, phase, epoch=epoch, seed=seed
        )
        degradation = None
        if self.config.degradation.is_active:
            degradation = draw_degradation(len(self.faces), self.config.degradation, phase, epoch=epoch, seed=seed)
        order = make_generator(seed, epoch, "order").permutation(len(self.faces))
        for rows in np.split(order[: self.steps_per_epoch * training.batch_size], self.steps_per_epoch):
            yield _Plan(rows, augmentation, degradation)

    def _augment(self, plan: _Plan) -> tuple[np.ndarray, np.ndarray]:
        """Return augmented and mixed faces, float32 (B, 48, 48), and their targets, float32 (B, heads, 7)."""
        rows, augmentation = plan.rows, plan.augmentation
        faces = augment_faces(self.faces[rows], augmentation.select(rows))
        targets = self.targets[rows]
        share = augmentation.share[rows]
        if (share < 1.0).any():
            partners = augmentation.partner[rows]
            faces = mix_faces(faces, augment_faces(self.faces[partners], augmentation.select(partners)), share)
            targets = mix_faces(targets, self.targets[partners], share)
        return faces, targets

    def _build_batch(self, plan: _Plan) -> Batch:
        faces, targets = self._augment(plan)
        if self._step_teachers:
            # Teachers see the face before it is degraded, so that the student learns to recognise it all the same.
            predictions = self._step_teachers.predict(faces, batch_sizes=(len(faces),))
            targets = self._step_teachers.blend(targets, predictions)
        faces, weights = _degrade(faces, plan), self.weights[plan.rows]
        if len(self.config.model.heads) == 1:
            return faces[..., None], targets[:, 0], weights
        return faces[..., None], targets, weights[:, None]


def _degrade(faces: np.ndarray, plan: _Plan) -> np.ndarray:
    return faces if plan.degradation is None else degrade_faces(faces, plan.degradation.select(plan.rows))


def count_steps(num_faces: int, config: Config) -> int:
    """Return the number of whole batches in a training split.

    Raises:
        SettingsError: the batch is larger than the split.
    """
    steps = num_faces // config.training.batch_size
    if not steps:
        raise SettingsError(
            f"training.batch_size must not exceed the training split ({num_faces} faces). Received:"
            f" {config.training.batch_size}. Remedy: --set training.batch_size={num_faces}."
        )
    return steps


def prefetch(tasks: Iterable[Callable[[], Result]], ahead: int) -> Generator[Result]:
    """Yield the results of tasks in order, while threads compute up to ``ahead`` of the next ones."""
    with ThreadPoolExecutor(ahead) as pool:
        pending: deque[Future[Result]] = deque()
        try:
            for task in tasks:
                pending.append(pool.submit(task))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

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
from fer.training.hosts import current_hosts
from fer.training.targets import build_head_targets, compute_class_shares, compute_row_weights, select_training_rows

#: What Keras' ``fit`` takes, all float32: faces (B, 48, 48, 1), then targets (B, 7) and weights (B,) for one head, or
#: targets (B, heads, 7) and weights (B, 1) for several.
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]
Result = TypeVar("Result")

#: Batches that are prepared ahead of the one in use. A teacher's prediction waits on the device for the steps before
#: it, so that several must be on their way at a time.
_AHEAD = 4
#: Faces of a view that teachers predict at once.
VIEW_BATCH = 1024
#: Seed of the augmentation of a run with a fixed number of views: the same views for students of any seed.
_VIEW_SEED = 0


class EpochPlan(NamedTuple):
    """An epoch before it is computed: the rows of its batches, and the random parameters of all rows.

    Attributes:
        rows: int64 (steps, B).
        augmentation: parameters of all training faces.
        mirrored: whether all augmented faces are mirrored, as on every second pass over a fixed number of views.
        degradation: parameters of all training faces, or None.
        side: side of a face in pixels.
    """

    rows: np.ndarray
    augmentation: Augmentation
    mirrored: bool
    degradation: Degradation | None
    side: int


class _Plan(NamedTuple):
    """One batch before it is computed: its rows, and the random parameters of all rows in its epoch."""

    rows: np.ndarray
    augmentation: Augmentation
    mirrored: bool
    degradation: Degradation | None
    predictions: np.ndarray | None


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
        self._dataset_faces, self._dataset_rows = dataset.faces, rows
        self.targets = build_head_targets(dataset.labels[rows], dataset.votes[rows], config.data, config.model.heads)
        self.class_shares = compute_class_shares(dataset.labels[rows], dataset.votes[rows], config.model.heads)
        self.weights = compute_row_weights(dataset.labels[rows], config.data)
        self.seconds_waited = 0.0
        distillation = config.distillation
        self._views = distillation.views if teachers and distillation.consistent else 0
        self._step_teachers = teachers if distillation.consistent and not self._views else None
        self._teachers = teachers
        self._predictions: np.ndarray | None = None
        if teachers and not distillation.consistent:
            self.targets = teachers.blend(self.targets, teachers.predict_flip_averaged(self.load_faces()))
        elif teachers and self._views:
            self._predictions = teachers.load_views(self, self._views)

    def read(self, first_epoch: int, last_epoch: int) -> Generator[Batch]:
        """Yield the batches of epochs ``first_epoch`` up to, not including, ``last_epoch``.

        On several hosts, each process gets its share of every batch.
        """
        plans = (plan for epoch in range(first_epoch, last_epoch) for plan in self._plan(epoch))
        plans = (plan._replace(rows=current_hosts().take_share(plan.rows)) for plan in plans)
        tasks = (partial(self._build_batch, plan) for plan in plans)
        with one_opencv_thread(), closing(prefetch(tasks, _AHEAD)) as batches:
            for _ in range((last_epoch - first_epoch) * self.steps_per_epoch):
                start = time.perf_counter()
                batch = next(batches)
                self.seconds_waited += time.perf_counter() - start
                yield batch

    def __len__(self) -> int:
        return len(self._dataset_rows)

    @property
    def side(self) -> int:
        """Side of a face in pixels."""
        return int(self._dataset_faces.shape[-1])

    def take_faces(self, rows: np.ndarray) -> np.ndarray:
        """Return some training faces, uint8 (B, 48, 48). The data set may be larger than memory: take few at a time."""
        return np.asarray(self._dataset_faces[self._dataset_rows[rows]])

    def load_faces(self) -> np.ndarray:
        """Return all training faces, uint8 (N, 48, 48), in memory."""
        return np.asarray(self._dataset_faces[self._dataset_rows])

    def draw_faces(self, epoch: int, num_faces: int) -> np.ndarray:
        """Return up to ``num_faces`` augmented faces of an epoch, float32 (N, 48, 48, 1)."""
        plans = itertools.islice(self._plan(epoch), -(-num_faces // self.config.training.batch_size))
        faces = [_degrade(self._augment(plan)[0], plan) for plan in plans]
        return np.concatenate(faces)[:num_faces, ..., None]

    @property
    def needs_host(self) -> bool:
        """Whether each batch must pass through the host, because teachers are asked at every step."""
        return self._step_teachers is not None

    def plan(self, epoch: int) -> EpochPlan:
        """Draw the order of the rows and their random parameters for an epoch."""
        training = self.config.training
        phase, seed, num_faces = training.phase_at(epoch), training.seed, len(self)
        degradation = None
        if self.config.degradation.is_active:
            degradation = draw_degradation(num_faces, self.config.degradation, phase, epoch=epoch, seed=seed)
        order = make_generator(seed, epoch, "order").permutation(num_faces)
        rows = order[: self.steps_per_epoch * training.batch_size].reshape(self.steps_per_epoch, -1)
        return EpochPlan(rows, self.draw_augmentation(epoch), self._is_mirrored(epoch), degradation, self.side)

    def _is_mirrored(self, epoch: int) -> bool:
        """Return whether all faces of an epoch are mirrored: on every second pass over a fixed number of views."""
        return bool(self._views) and self.config.augmentation.flip and epoch // self._views % 2 == 1

    def draw_augmentation(self, epoch: int) -> Augmentation:
        """Draw the parameters of all training faces for an epoch, or for one of a fixed number of views."""
        training = self.config.training
        number, seed = (epoch % self._views, _VIEW_SEED) if self._views else (epoch, training.seed)
        phase, config = training.phase_at(epoch), self.config.augmentation
        return draw_augmentation(len(self), self.side, config, phase, epoch=number, seed=seed)

    def read_views(self, views: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield view, rows int64 (M,) and augmented faces float32 (B, 48, 48), whose first M belong to the rows."""

        def augment(view: int, augmentation: Augmentation, rows: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
            return view, rows, self.augment(np.resize(rows, VIEW_BATCH), augmentation)[0]

        drawn = ((view, self.draw_augmentation(view)) for view in range(views))
        tasks = (partial(augment, view, draws, rows) for view, draws in drawn for rows in self._chunk_rows())
        with one_opencv_thread():
            yield from prefetch(tasks, _AHEAD)

    def _chunk_rows(self) -> list[np.ndarray]:
        return np.split(np.arange(len(self)), range(VIEW_BATCH, len(self), VIEW_BATCH))

    def predictions_of(self, epoch: int) -> np.ndarray | None:
        """Return the teachers' predictions of an epoch's view, float16 (N, heads, 7), if they were computed before."""
        return None if self._predictions is None else self._predictions[epoch % self._views]

    def _plan(self, epoch: int) -> Iterator[_Plan]:
        plan, predictions = self.plan(epoch), self.predictions_of(epoch)
        for rows in plan.rows:
            yield _Plan(rows, plan.augmentation, plan.mirrored, plan.degradation, predictions)

    def _augment(self, plan: _Plan) -> tuple[np.ndarray, np.ndarray]:
        """Return augmented and mixed faces, float32 (B, 48, 48), and their targets, float32 (B, heads, 7)."""
        faces, targets = self.augment(plan.rows, plan.augmentation)
        return (np.ascontiguousarray(faces[:, :, ::-1]) if plan.mirrored else faces), targets

    def augment(self, rows: np.ndarray, augmentation: Augmentation) -> tuple[np.ndarray, np.ndarray]:
        """Return augmented and mixed faces, float32 (B, 48, 48), and their targets, float32 (B, heads, 7)."""
        faces = augment_faces(self.take_faces(rows), augmentation.select(rows))
        targets = self.targets[rows]
        share = augmentation.share[rows]
        if (share < 1.0).any():
            partners = augmentation.partner[rows]
            faces = mix_faces(faces, augment_faces(self.take_faces(partners), augmentation.select(partners)), share)
            targets = mix_faces(targets, self.targets[partners], share)
        return faces, targets

    def _build_batch(self, plan: _Plan) -> Batch:
        faces, targets = self._augment(plan)
        if self._step_teachers:
            # Teachers see the face before it is degraded, so that the student learns to recognise it all the same.
            predictions = self._step_teachers.predict(faces, batch_sizes=(len(faces),))
            targets = self._step_teachers.blend(targets, predictions)
        elif self._teachers and plan.predictions is not None:
            targets = self._teachers.blend(targets, plan.predictions[plan.rows].astype(np.float32))
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

"""Batches of changed faces, prepared in a thread while the device computes.

The order of an epoch and every change in it follow from (seed, epoch) alone, so a run that starts again at epoch k sees
exactly what an uninterrupted one would have seen.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from fer.config import Config
from fer.data.dataset import Dataset
from fer.errors import SettingsError
from fer.training.augmentation import (
    Changes,
    augment_faces,
    draw_changes,
    make_generator,
    mix_faces,
    one_opencv_thread,
)
from fer.training.distillation import Teachers
from fer.training.targets import build_head_targets, compute_row_weights, select_training_rows

#: Faces float32 (B, 48, 48, 1), targets float32 (B, 7) or (B, heads, 7), weights float32 (B,) or (B, 1).
Batch = tuple[np.ndarray, np.ndarray, np.ndarray]

_AHEAD = 4


class TrainingBatches:
    """The training part of a data set as an endless sequence of batches.

    Args:
        dataset: all splits; only its training part is used.
        config: settings of the run.

    Raises:
        SettingsError: the batch is larger than the training part, or a teacher's heads do not fit.
    """

    def __init__(self, dataset: Dataset, config: Config) -> None:
        rows = select_training_rows(dataset, config.data)
        self.config = config
        self.faces = dataset.faces[rows]
        self.targets = build_head_targets(dataset.labels[rows], dataset.votes[rows], config.data, config.model.heads)
        self.teachers = Teachers(config.distillation, config.model.heads) if config.distillation.teacher else None
        self.asks_at_every_step = self.teachers is not None and config.distillation.consistent
        if self.teachers and not self.asks_at_every_step:
            self.targets = self.teachers.blend(self.targets, self.teachers.answer_once(self.faces))
        weights = compute_row_weights(dataset.labels[rows], config.data)
        self.weights = weights if self.targets.ndim == 2 else weights[:, None]
        self.seconds_waited = 0.0
        batch_size = config.training.batch_size
        self.steps_per_epoch = len(rows) // batch_size
        if not self.steps_per_epoch:
            raise SettingsError(
                f"training.batch_size must not exceed the training part ({len(rows)} faces). Received: {batch_size}."
                f" Remedy: --set training.batch_size={len(rows)}."
            )

    def read_epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of one epoch in order; the rows that fill no batch wait for another epoch's order."""
        training = self.config.training
        changes = draw_changes(
            len(self.faces),
            self.faces.shape[-1],
            self.config.augmentation,
            training.phase_at(epoch),
            epoch=epoch,
            seed=training.seed,
        )
        order = make_generator(training.seed, epoch, "order").permutation(len(self.faces))
        steps = np.split(order[: self.steps_per_epoch * training.batch_size], self.steps_per_epoch)
        if not self.asks_at_every_step:
            yield from (self._build_batch(rows, changes) for rows in steps)
            return
        # A teacher answers once the steps before its question are done, so several questions must stand in line.
        with ThreadPoolExecutor(_AHEAD) as pool:
            asked: deque[Future[Batch]] = deque()
            for rows in steps:
                asked.append(pool.submit(self._build_batch, rows, changes))
                if len(asked) > _AHEAD:
                    yield asked.popleft().result()
            yield from (future.result() for future in asked)

    def _build_batch(self, rows: np.ndarray, changes: Changes) -> Batch:
        faces = augment_faces(self.faces[rows], changes.select(rows))
        targets = self.targets[rows]
        share = changes.share[rows]
        if (share < 1.0).any():
            partners = changes.partner[rows]
            faces = mix_faces(faces, augment_faces(self.faces[partners], changes.select(partners)), share)
            targets = mix_faces(targets, self.targets[partners], share)
        if self.teachers and self.asks_at_every_step:
            targets = self.teachers.blend(targets, self.teachers.answer(faces, batch_sizes=(len(faces),)))
        return faces[..., None], targets, self.weights[rows]

    def read_from(self, first_epoch: int, last_epoch: int) -> Iterator[Batch]:
        """Yield the batches of epochs ``first_epoch`` up to, not including, ``last_epoch``, prepared ahead in a thread.

        ``seconds_waited`` grows by the time that the caller had to wait for a batch.
        """
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(_AHEAD)
        stopped = threading.Event()

        def put(item: Batch | BaseException | None) -> None:
            while not stopped.is_set():
                try:
                    return ready.put(item, timeout=0.2)
                except queue.Full:
                    continue

        def prepare() -> None:
            try:
                for epoch in range(first_epoch, last_epoch):
                    for batch in self.read_epoch(epoch):
                        put(batch)
                        if stopped.is_set():
                            return
                put(None)
            except Exception as error:  # handed to the consumer, which raises it
                put(error)

        threading.Thread(target=prepare, name="batches", daemon=True).start()
        try:
            with one_opencv_thread():
                while (item := self._wait(ready)) is not None:
                    if isinstance(item, BaseException):
                        raise item
                    yield item
        finally:
            stopped.set()

    def _wait(self, ready: "queue.Queue[Any]") -> Any:
        start = time.perf_counter()
        item = ready.get()
        self.seconds_waited += time.perf_counter() - start
        return item

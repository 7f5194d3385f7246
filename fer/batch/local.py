"""The engine of one machine: processes of the standard library, each with one worker and one thread."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path

from fer.batch.journal import Journal
from fer.batch.plan import Shard
from fer.batch.threads import limited_threads
from fer.batch.worker import Job, PartResult, Worker
from fer.errors import ModelError

#: Workers that may end before they began a unit, one after another.
_MOST_EARLY_DEATHS = 3

_worker: Worker | None = None


def run_local(job: Job, shards: Sequence[Shard], workers: int) -> Iterator[PartResult]:
    """Yield each part once it is written. A worker that ends is replaced, and its shard begun again.

    Args:
        job: what all workers know.
        shards: the shards whose parts are missing.
        workers: number of processes.

    Raises:
        FerError: a part cannot be written, or the network cannot be loaded.
    """
    # Closing the writer ends all workers at once, whether by this process or by its end.
    reader, writer = multiprocessing.Pipe(duplex=False)
    pool = _Pool(job, min(workers, len(shards)), reader)
    try:
        yield from pool.run(shards)
    finally:
        writer.close()
        pool.close()
        reader.close()


class _Pool:
    """One executor for each worker, so that it is known which shard a worker had when it ended."""

    def __init__(self, job: Job, workers: int, reader: Connection) -> None:
        self.job = job
        self.reader = reader
        self.executors = [self._start_worker() for _ in range(workers)]
        self.early_deaths = 0

    def run(self, shards: Sequence[Shard]) -> Iterator[PartResult]:
        waiting = deque(shards)
        running: dict[Future[PartResult], tuple[int, Shard]] = {}
        idle = list(range(len(self.executors)))
        while waiting or running:
            while idle and waiting:
                number, shard = idle.pop(), waiting.popleft()
                running[self._submit(number, shard)] = (number, shard)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, shard = running.pop(future)
                idle.append(number)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    self._replace_worker(number, shard)
                    waiting.appendleft(shard)
                else:
                    self.early_deaths = 0
                    yield result

    def close(self) -> None:
        for executor in self.executors:
            executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, number: int, shard: Shard) -> Future[PartResult]:
        # An executor starts its process with the first call.
        with limited_threads():
            return self.executors[number].submit(_write_part, self.job, shard)

    def _start_worker(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, mp_context=context, initializer=_prepare, initargs=(self.reader,))

    def _replace_worker(self, number: int, shard: Shard) -> None:
        journal = Journal(shard.find_part(Path(self.job.out)), self.job.attempt)
        self.early_deaths = 0 if journal.has_begun else self.early_deaths + 1
        if self.early_deaths >= _MOST_EARLY_DEATHS:
            raise ModelError(
                f"A worker must be able to start. Received: {self.early_deaths} that ended before they read anything."
                " Remedy: fewer --workers, which need less memory; or invoke predict, which shows the error."
            )
        self.executors[number].shutdown(wait=True)
        self.executors[number] = self._start_worker()


def _prepare(reader: Connection) -> None:
    """Let this process end with the one that started it; Ctrl-C is for that one alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(reader,), daemon=True).start()


def _end_with(reader: Connection) -> None:
    try:
        reader.recv()
    finally:
        # The main thread may be inside a library. Parts are written atomically, so nothing is lost.
        os._exit(1)


def _write_part(job: Job, shard: Shard) -> PartResult:
    global _worker
    if _worker is None:
        _worker = Worker.start(job)
    return _worker.write_part(shard)

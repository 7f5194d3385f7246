"""The engine of many machines: actors of Ray Data, each with one worker and one thread.

Ray distributes the shards; parts are written and kept as by the local engine, so either engine continues the other's
batch. The output folder and the files must be at the same path on every machine.
"""

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fer.batch.plan import Shard
from fer.batch.threads import THREAD_LIMITS
from fer.batch.worker import Job, PartResult, Worker
from fer.errors import FerError, SettingsError, shorten

#: Logical CPUs of a local Ray beyond those of the workers: without these, its own tasks wait for the workers.
_SPARE_CPUS = 4


def run_ray(job: Job, shards: Sequence[Shard], workers: int) -> Iterator[PartResult]:
    """Yield each part once it is written.

    A cluster is used if ``RAY_ADDRESS`` names one, or if Ray is initialized; otherwise a local Ray is started for this
    call. An actor that ends is replaced by Ray.

    Args:
        job: what all workers know.
        shards: the shards whose parts are missing.
        workers: number of actors.

    Raises:
        FerError: a part cannot be written, the network cannot be loaded, or there is no cluster at ``RAY_ADDRESS``.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    is_ours = not ray.is_initialized()
    if is_ours:
        _start_ray(workers)
    try:
        yield from _run(job, shards, min(workers, len(shards)))
    finally:
        if is_ours:
            ray.shutdown()


def _start_ray(workers: int) -> None:
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not os.environ.get("RAY_ADDRESS"):
        options |= {"address": "local", "num_cpus": workers + _SPARE_CPUS, "include_dashboard": False}
    try:
        ray.init(**options)
    except ConnectionError as error:
        raise SettingsError(
            f"RAY_ADDRESS must name a running cluster. Received: {os.environ.get('RAY_ADDRESS')} ({shorten(error)})."
            " Remedy: ray start, with the same token on every machine; or unset it for a local Ray."
        ) from None


def _run(job: Job, shards: Sequence[Shard], workers: int) -> Iterator[PartResult]:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    items = [{"shard": pickle.dumps(shard)} for shard in shards]
    results = ray.data.from_items(items, override_num_blocks=len(shards)).map_batches(
        RayWorker,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        runtime_env={"env_vars": dict(THREAD_LIMITS)},
    )
    for batch in results.iter_batches(batch_size=1, prefetch_batches=0):
        result = pickle.loads(batch["result"][0])
        if isinstance(result, FerError):
            raise result
        yield result


class RayWorker:
    """A worker as Ray Data calls it: batches of one shard in, batches of one result out.

    Args:
        job: what all workers know.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.worker: Worker | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, list[bytes]]:
        """Write the part of a shard; an error of this package is returned, as Ray would retry without end."""
        shard: Shard = pickle.loads(batch["shard"][0])
        result: PartResult | FerError
        try:
            self.worker = self.worker or Worker.start(self.job)
            result = self.worker.write_part(shard)
        except FerError as error:
            result = error
        return {"result": [pickle.dumps(result)]}

"""The driver of a batch: plans it, gives the missing parts to an engine, and writes the summary."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import filelock

import fer
from fer.analysis import Analyzer
from fer.batch.local import run_local
from fer.batch.plan import SEGMENTS, Plan, Shard, open_plan
from fer.batch.summaries import BatchSummary, write_summary
from fer.batch.tally import Tally
from fer.batch.worker import Job, PartResult, clean_up
from fer.errors import FerError, InterruptedWork, ModelError, OutputError, SettingsError
from fer.files import check_writable, compute_digest, show_path
from fer.model.runtimes import VARIABLE as RUNTIME_VARIABLE
from fer.progress import Progress
from fer.runs import Run
from fer.vision.yunet import check_max_side
from fer.wording import format_count

ENGINES = ("local", "ray")

_LOCK = "batch.lock"


@dataclass(frozen=True)
class BatchOptions:
    """What the rows of a batch depend on.

    Args:
        network: a run folder or a .keras file; None for the shipped run.
        whole_image: take every image as one face, without detection.
        every: analyze only frames of videos whose index is a multiple of this.
        max_side: longer side, in pixels, of the copy of a frame that is searched for faces.
        segment: seconds of the segments in which longer videos are analyzed, perhaps by several workers; 0 for never.
        part_size: number of images per part; None chooses it by the number of images.
    """

    network: str | Path | None = None
    whole_image: bool = False
    every: int = 1
    max_side: int = 640
    segment: int = 600
    part_size: int | None = None

    def to_settings(self) -> dict[str, Any]:
        """Return the settings that are recorded in the plan.

        Raises:
            ModelError: there is no such network.
        """
        run = Run.find_shipped() if self.network is None else Run(Path(self.network))
        files = [path for path in (run.model, run.onnx, run.folder) if path.is_file()]
        if not files:
            raise ModelError(
                f"A batch needs a trained network. Received: {show_path(run.folder)}, without one."
                " Remedy: the name of a run, or its folder."
            )
        return {
            "version": fer.__version__,
            "network": compute_digest(files[0]),
            "runtime": os.environ.get(RUNTIME_VARIABLE, "auto"),
            "whole_image": self.whole_image,
            "every": self.every,
            "max_side": self.max_side,
            "segment": self.segment,
        }


def run_batch(
    inputs: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    workers: int | None = None,
    engine: str = "local",
    options: BatchOptions | None = None,
    timeout: int = 1800,
    build: Callable[[Job], tuple[Analyzer, Analyzer]] | None = None,
    on_part: Callable[[PartResult], object] | None = None,
    progress: bool = True,
) -> BatchSummary:
    """Analyze any number of images and videos with several workers, into Parquet parts.

    A part is written atomically and then kept, so a run that was stopped or killed is continued by running it again:
    every unit is in exactly one part, and each part is the same as in a run that was not stopped. A batch that is
    complete is left as it is.

    Args:
        inputs: files, folders, glob patterns, addresses such as ``s3://bucket/photos/``, or manifests: CSV tables with
            a column ``path``, ``image`` or ``video``; relative paths begin at the manifest's folder.
        out: the output folder: ``images/`` has the columns of ``invoke predict``, ``videos/`` those of ``invoke
            video``, and ``summary.json`` the counts.
        workers: number of processes, each with one network and one thread; None takes one for each core.
        engine: "local" for processes of this machine, "ray" for Ray Data, on this machine or a cluster.
        options: what the rows depend on.
        timeout: seconds that an image, or a frame of a video, may take; then its worker is replaced, and the unit is a
            row with an error. 0 sets no limit.
        build: builds the analyzers of images and of videos in each worker; None builds those of the options.
        on_part: called with each part, and each segment of a long video, that a worker has written. Its file
            ``result.shard.find_part(out)`` is there during the call; that of a segment is removed once all segments of
            its video are joined into the part, which is not reported again.
        progress: show a progress bar.

    Raises:
        DataError: a manifest cannot be read, or a part is damaged.
        ImageError: the inputs name no image and no video.
        InterruptedWork: Ctrl-C; the parts so far are kept.
        OutputError: the output folder cannot be written, holds other files, or is in use.
        SettingsError: an option is out of range, a package is missing, or the folder holds another batch.

    Example:
        >>> print(run_batch("photos.csv", "out", workers=2).describe())  # doctest: +SKIP
        200 images, 215 faces: happy 120, neutral 95
        13 parts: out
    """
    options = BatchOptions() if options is None else options
    workers = count_cores() if workers is None else workers
    _check(workers, engine, options, timeout)
    out = Path(out)
    settings = options.to_settings()
    check_writable(out / _LOCK)
    out.mkdir(parents=True, exist_ok=True)
    with _lock(out):
        plan = open_plan(inputs, out, settings, part_size=options.part_size, segment=options.segment)
        clean_up(shard.find_part(out) for part in plan.shards for shard in (part, *part.split()))
        network = None if options.network is None else os.path.abspath(options.network)
        job = Job(
            os.path.abspath(out),
            os.getcwd(),
            uuid.uuid4().hex,
            network,
            options.whole_image,
            options.every,
            options.max_side,
            options.segment,
            timeout,
            build,
        )
        tally = _run(plan, _choose_engine(engine), job, workers, on_part, progress)
        # It is empty, or was never there.
        shutil.rmtree(out / SEGMENTS, ignore_errors=True)
        return write_summary(plan, tally.counts)


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(
    plan: Plan,
    run_engine: Callable[[Job, Sequence[Shard], int], Iterator[PartResult]],
    job: Job,
    workers: int,
    on_part: Callable[[PartResult], object] | None,
    progress: bool,
) -> Tally:
    """Write the missing parts, and return the tally of all."""
    tally = Tally(plan)
    if not tally.missing:
        return tally
    noun = "images" if not plan.counts["video"] else "files"
    bar = Progress(total=plan.num_units, initial=tally.num_units, desc=noun, unit=f" {noun}", disable=not progress)
    engine = run_engine(job, tally.missing, workers)
    try:
        with bar:
            for result in engine:
                if on_part is not None:
                    on_part(result)
                num_units = tally.add(result.shard, result.counts)
                bar.set_postfix_str(tally.describe(), refresh=False)
                bar.update(num_units)
    except KeyboardInterrupt:
        left = plan.num_units - tally.num_units
        raise InterruptedWork(
            f"Stopped with {format_count(left, noun.removesuffix('s'))} left. The parts so far are in"
            f" {show_path(plan.out)}. Continue with the same command."
        ) from None
    finally:
        engine.close()  # type: ignore[attr-defined]
        clean_up(shard.find_part(plan.out) for shard in tally.missing)
    return tally


def _choose_engine(engine: str) -> Callable[[Job, Sequence[Shard], int], Iterator[PartResult]]:
    if engine == "local":
        return run_local
    # Ray takes a second to import, and is an extra.
    from fer.batch.ray_data import run_ray

    return run_ray


def _check(workers: int, engine: str, options: BatchOptions, timeout: int) -> None:
    for name, value in (
        ("workers", workers),
        ("every", options.every),
        ("part_size", 1 if options.part_size is None else options.part_size),
    ):
        if value < 1:
            raise SettingsError(f"{name} must be at least 1. Received: {value}.")
    check_max_side(options.max_side)
    if options.segment < 0:
        raise SettingsError(f"segment must be at least 0, which leaves videos whole. Received: {options.segment}.")
    if timeout < 0:
        raise SettingsError(f"timeout must be at least 0, which sets no limit. Received: {timeout}.")
    if engine not in ENGINES:
        raise SettingsError(f"Unknown engine. Use {' or '.join(ENGINES)}. Received: {engine}.")
    for package, extra in (("pyarrow", "parquet"), *((("ray", "ray"),) if engine == "ray" else ())):
        if find_spec(package) is None:
            raise SettingsError(
                f"A batch with the engine {engine} needs {package}. Received: no such package."
                f" Remedy: pip install 'fer-dl[{extra}]'."
            )


def _lock(out: Path) -> filelock.BaseFileLock:
    """Return the lock of an output folder, held; the system releases it with the process."""
    lock = filelock.FileLock(out / _LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise OutputError(
            f"Only one run may write to an output folder. Received: {show_path(out)}, in use."
            " Remedy: wait for the other run, or name another folder."
        ) from None
    except OSError as error:
        raise FerError(f"The output folder must be lockable. Received: {show_path(out)} ({error.strerror}).") from None
    return lock

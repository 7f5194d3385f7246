"""What a worker does: with one network, in one process, it writes one part after another."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import fer
from fer.analysis import Analyzer
from fer.batch.journal import Journal
from fer.batch.parts import WARM_UP, Counts, Row, read_counts, write_part
from fer.batch.plan import Shard
from fer.batch.segments import Bounds, find_bounds
from fer.batch.storage import fetch_file, is_address, read_image_file
from fer.batch.watchdog import Watchdog
from fer.errors import ImageError, VideoError, shorten
from fer.files import encode_path, show_path
from fer.model.batching import BATCH_SIZES
from fer.reports.tables import build_frame_rows, build_image_rows
from fer.vision.alignment import VIEWS
from fer.vision.faces import AnalyzedImage
from fer.vision.streams import Stream
from fer.vision.video import VideoReader

#: Faces per batch: their views fill the largest batch of the network.
_BATCH_SIZE = BATCH_SIZES[-1] // len(VIEWS)

#: Before the first frame, the packets of a video are read at most this many times, at this many bytes a second; and for
#: a segment, its first group of frames is decoded twice, which takes at most this many seconds.
_READINGS, _SLOWEST_READING, _SLOWEST_FIRST_GROUP = 4, 1e6, 120.0


@dataclass(frozen=True)
class Job:
    """What all workers of a batch need to know.

    Args:
        out: the output folder, absolute.
        folder: the working folder, from which relative paths begin.
        attempt: name of this run of the batch.
        network: a run folder or a .keras file; None for the shipped run.
        whole_image: take every image as one face, without detection.
        every: analyze only frames whose index is a multiple of this.
        max_side: longer side, in pixels, of the copy of a frame that is searched for faces.
        segment: seconds of a segment of a long video.
        timeout: seconds without progress after which a worker ends; 0 sets no limit.
        build: builds the analyzers of images and of videos; None builds those that the other settings describe.
    """

    out: str
    folder: str
    attempt: str
    network: str | None = None
    whole_image: bool = False
    every: int = 1
    max_side: int = 640
    segment: int = 0
    timeout: int = 0
    build: "Callable[[Job], tuple[Analyzer, Analyzer]] | None" = None


@dataclass(frozen=True)
class PartResult:
    """A part that was written, and what this cost.

    Args:
        shard: its shard.
        counts: what it holds.
        process_id: the worker.
        begun: time at which the worker began it, in seconds since the epoch.
        ended: time at which it was written.
        cpu_seconds: time of all threads of the worker in between.
        memory: the worker's largest resident memory so far, in MB; None on Windows.
    """

    shard: Shard
    counts: Counts
    process_id: int
    begun: float
    ended: float
    cpu_seconds: float
    memory: float | None


class Worker:
    """The analyzers of one process.

    Args:
        job: what all workers know.

    Raises:
        ModelError: the network cannot be loaded.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.out = Path(job.out)
        self.images, self.videos = (job.build or build_analyzers)(job)
        self._unit = 0
        self._watchdog = Watchdog(0, lambda: None)

    @classmethod
    def start(cls, job: Job) -> "Worker":
        """Return the worker of this process, whose working folder becomes the driver's.

        Rows name relative paths as they were given, on every machine and in every engine.
        """
        os.chdir(job.folder)
        return cls(job)

    def write_part(self, shard: Shard) -> PartResult:
        """Write the part of a shard, unless another worker has done so.

        Raises:
            OutputError: the part cannot be written.
        """
        begun, cpu = time.time(), time.process_time()
        path = shard.find_part(self.out)
        path.parent.mkdir(parents=True, exist_ok=True)
        journal = Journal(path, self.job.attempt, shard.part_name)
        counts = read_counts(path) if path.is_file() else self._write(path, shard, journal)
        journal.remove()
        seconds = time.process_time() - cpu
        return PartResult(shard, counts, os.getpid(), begun, time.time(), seconds, read_largest_memory())

    def _write(self, path: Path, shard: Shard, journal: Journal) -> Counts:
        units, timeout, self._unit = shard.read_units(self.out), self.job.timeout, 0
        with Watchdog(timeout, lambda: journal.record_timeout(self._unit, timeout)) as self._watchdog:
            if shard.kind == "image":
                return write_part(path, "image", len(units), self._read_images(units, journal))
            bounds = find_bounds(shard.segment, shard.num_segments, self.job.segment)
            # A segment is no unit: the video counts once its segments are joined.
            num_units = len(units) if shard.segment is None else 0
            return write_part(path, "video", num_units, self._read_videos(units, bounds, journal))

    def _begin(self, index: int, journal: Journal) -> None:
        self._unit = index
        self._watchdog.reset()
        journal.begin(index)

    def _read_images(self, units: list[str], journal: Journal) -> list[list[Row]]:
        excluded = journal.excluded
        try:
            analyzed = self._analyze_images(units, journal, excluded)
        except Exception:  # A library fails on one of these images: find out which.
            analyzed = self._analyze_one_by_one(units, journal, excluded)
        return [build_image_rows(unit, image) for unit, image in zip(units, analyzed, strict=True)]

    def _analyze_images(self, units: list[str], journal: Journal, excluded: dict[int, str]) -> list[AnalyzedImage]:
        """Return the images with their faces but without their pixels, several images sharing a batch of faces."""
        errors, indices = dict(excluded), []

        def read() -> Iterator[Path | bytes]:
            for index, unit in enumerate(units):
                if index in errors:
                    continue
                self._begin(index, journal)
                try:
                    source = read_image_file(unit) if is_address(unit) else Path(unit)
                except ImageError as error:
                    errors[index] = str(error)
                else:
                    indices.append(index)
                    yield source

        found: dict[int, AnalyzedImage] = {}
        for number, image in enumerate(self.images.analyze_images(read(), batch_size=_BATCH_SIZE)):
            found[indices[number]] = AnalyzedImage(units[indices[number]], None, image.faces, image.error)
        return [found.get(i) or AnalyzedImage(unit, None, [], errors[i]) for i, unit in enumerate(units)]

    def _analyze_one_by_one(self, units: list[str], journal: Journal, excluded: dict[int, str]) -> list[AnalyzedImage]:
        """Return the images, those at which a library fails with the error.

        Raises:
            Exception: all images fail, so it is not their fault.
        """
        images, failure = [], None
        for index, unit in enumerate(units):
            only = {other: "" for other in range(len(units)) if other != index} | excluded
            try:
                image = self._analyze_images(units, journal, only)[index]
            except Exception as error:  # As above.
                image, failure = AnalyzedImage(unit, None, [], _describe_failure("An image", unit, error)), error
            images.append(image)
        if failure is not None and all(image.error is not None for image in images):
            raise failure
        return images

    def _read_videos(self, units: list[str], bounds: Bounds, journal: Journal) -> Iterator[list[Row]]:
        for index, unit in enumerate(units):
            name = encode_path(unit)
            if index in journal.excluded:
                yield [{"video": name, "error": journal.excluded[index]}]
                continue
            self._begin(index, journal)
            try:
                yield from self._read_video(unit, name, bounds)
            except VideoError as error:
                yield [{"video": name, "error": str(error)}]
            except Exception as error:  # A library fails on this video, or its address cannot be read.
                yield [{"video": name, "error": _describe_failure("A video", unit, error)}]

    def _read_video(self, unit: str, name: str, bounds: Bounds) -> Iterator[list[Row]]:
        with ExitStack() as stack:
            watchdog = self._watchdog
            path = stack.enter_context(fetch_file(unit, watchdog.reset)) if is_address(unit) else Path(unit)
            watchdog.reset(extra=_estimate_opening(path, bounds))
            video = stack.enter_context(VideoReader(path))
            video.limit(bounds.find_warm_up(self.job.every / video.rate), bounds.end)
            # Many frames may be decoded before the first that is analyzed.
            watchdog.observe(lambda: video.num_read)
            stack.callback(watchdog.observe, lambda: None)
            for analyzed in self.videos.analyze_stream(Stream(video, every=self.job.every)):
                self._watchdog.reset()
                columns = {"video": name}
                if analyzed.frame.seconds < bounds.begin:
                    columns[WARM_UP] = name
                yield [columns | row for row in build_frame_rows(analyzed)]


def build_analyzers(job: Job) -> tuple[Analyzer, Analyzer]:
    """Return the analyzers of images and of videos, which share one network.

    Raises:
        ModelError: the network cannot be loaded.
    """
    classifier = fer.Classifier.load(job.network)
    return Analyzer(classifier, whole_image=job.whole_image), Analyzer(classifier, max_side=job.max_side)


def read_largest_memory() -> float | None:
    """Return the largest resident memory of this process so far, in MB, or None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest / 1e6 if os.uname().sysname == "Darwin" else largest * 1024 / 1e6


def clean_up(parts: Iterable[Path]) -> None:
    """Remove what workers that ended left beside parts: unfinished parts."""
    for folder in {part.parent for part in parts}:
        for leftover in folder.glob("*.tmp"):
            leftover.unlink(missing_ok=True)


def _estimate_opening(path: Path, bounds: Bounds) -> float:
    """Return the seconds that a slow machine takes before it decodes the frames of a video one by one.

    Until then it reads the packets, and for a segment decodes the first group of frames, which cannot be observed.
    """
    size = path.stat().st_size if path.is_file() else 0
    return _READINGS * size / _SLOWEST_READING + (_SLOWEST_FIRST_GROUP if bounds != Bounds() else 0.0)


def _describe_failure(noun: str, unit: str, error: Exception) -> str:
    return (
        f"{noun} must be usable. Received: {show_path(unit)} ({type(error).__name__}: {shorten(error, 120)})."
        " Remedy: save it again."
    )
